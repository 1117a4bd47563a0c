//! The increments of one function in, its writes of sequences out, each with the half of a write
//! section that it is.
//!
//! Any counter is incremented. Hence only words count that something else shows to be sequences:
//! the types, readers of a global anywhere in the image, or of the word in the same function. Two increments of which one comes next
//! behind the other are different halves. Which of them begins follows from the locks beside them,
//! and else from the order: a function is entered outside of the section. Nothing is guessed
//! where neither tells.

use rustc_hash::FxHashSet;

use super::{
    beside,
    catalog::{Lockname, Write},
    evidence::{Evidence, Increment, LockCall},
    graph::BlockIndex,
    identify::Identity,
    increment::Step,
    rules::{Confirmed, Study},
    value::ValueId,
};

/// An increment of a sequence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) at: u64,
    /// The sequence.
    pub(super) word: ValueId,
    pub(super) half: Write,
}

/// Globals that readers anywhere in the image have shown to be sequences.
#[derive(Clone, Copy, Debug)]
pub(super) struct Globals<'a> {
    pub(super) confirmed: &'a Confirmed,
    /// Those of latches.
    pub(super) latches: &'a Confirmed,
}

/// The writes of a function.
pub(super) fn writes(study: &Study, globals: Globals<'_>) -> Vec<Written> {
    let mut found = Vec::new();
    let mut done = FxHashSet::default();
    let read = study.shown_here();
    for increment in &study.evidence.increments {
        let word = increment.addition.word;
        let is_read = read.contains(&word);
        if let Some(kind) = kind(study, globals, word).or(is_read.then_some(Kind::Sections))
            && done.insert(word)
        {
            found.extend(written(&study.evidence, word, kind));
        }
    }
    found
}

/// What is incremented.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Sections,
    Latch,
}

/// What a word is, if it is a sequence.
fn kind(study: &Study, globals: Globals<'_>, word: ValueId) -> Option<Kind> {
    let is_latch = match study.identities.get(&word)? {
        Identity::Seqcount(seqcount) => seqcount.lockname == Some(Lockname::Latch),
        Identity::Global(address) if globals.confirmed.contains(address) => {
            globals.latches.contains(address)
        }
        Identity::Global(_)
        | Identity::Other
        | Identity::Displacement(_)
        | Identity::FromMember(..) => return None,
    };
    Some(if is_latch {
        Kind::Latch
    } else {
        Kind::Sections
    })
}

/// The increments of one sequence.
fn written(evidence: &Evidence, word: ValueId, kind: Kind) -> Vec<Written> {
    let (by_one, by_two): (Vec<&Increment>, Vec<&Increment>) = evidence
        .increments
        .iter()
        .filter(|increment| increment.addition.word == word)
        .partition(|increment| increment.addition.step == Step::One);
    let halves = match kind {
        Kind::Latch => vec![Write::Latch; by_one.len()],
        Kind::Sections => halves(evidence, &by_one),
    };
    let by_two = by_two.into_iter().zip(std::iter::repeat(Write::Invalidate));
    let all = by_one.into_iter().zip(halves).chain(by_two);
    all.map(|(increment, half)| Written {
        at: increment.at,
        word,
        half,
    })
    .collect()
}

/// Whether the increments of one word, if it is a sequence, are whole sections: behind each one
/// comes another before the function ends, or before it one did.
pub(super) fn is_section(evidence: &Evidence, increments: &[&Increment]) -> bool {
    let by_one: Vec<&Increment> = increments
        .iter()
        .copied()
        .filter(|increment| increment.addition.step == Step::One)
        .collect();
    let halves = halves(evidence, &by_one);
    let order = Order::new(evidence, &by_one);
    let is_whole = |(index, half): (usize, &Write)| match half {
        Write::Begin => !order.last.contains(&index),
        Write::End => !order.first.contains(&index),
        Write::Latch | Write::Invalidate | Write::Unknown => false,
    };
    !halves.is_empty() && halves.iter().enumerate().all(is_whole)
}

/// Which half each of the increments of one sequence is.
fn halves(evidence: &Evidence, increments: &[&Increment]) -> Vec<Write> {
    let order = Order::new(evidence, increments);
    let mut halves = vec![Write::Unknown; increments.len()];
    for chain in order.chains() {
        let votes: Vec<Option<bool>> = chain
            .iter()
            .map(|&(index, is_first)| {
                let begins = by_locks(evidence, increments[index])?;
                Some(begins == is_first)
            })
            .collect();
        let first_begins = match (votes.contains(&Some(true)), votes.contains(&Some(false))) {
            (true, true) => None,
            (true, false) => Some(true),
            (false, true) => Some(false),
            (false, false) => order.first_begins(&chain),
        };
        let Some(first_begins) = first_begins else {
            continue;
        };
        for (index, is_first) in chain {
            halves[index] = if is_first == first_begins {
                Write::Begin
            } else {
                Write::End
            };
        }
    }
    halves
}

/// Whether an increment begins a section, by the locks beside it: they are taken before it begins,
/// and dropped when it has ended.
fn by_locks(evidence: &Evidence, increment: &Increment) -> Option<bool> {
    let before = beside::before(evidence, increment);
    let behind = beside::behind(evidence, increment);
    let takes = |call: &&LockCall| call.function.takes;
    let begins = before.is_some_and(|calls| calls.iter().all(takes));
    let ends = behind.is_some_and(|calls| !calls.iter().any(takes));
    (begins != ends).then_some(begins)
}

/// Which increments of one sequence come next behind which.
struct Order {
    /// For each increment, those that come next.
    next: Vec<Vec<usize>>,
    /// Those that the function comes to first.
    first: Vec<usize>,
    /// Those behind which the function may end.
    last: Vec<usize>,
}

/// Increments that the order ties together, with whether each is of the same half as the first.
type Chain = Vec<(usize, bool)>;

impl Order {
    fn new(evidence: &Evidence, increments: &[&Increment]) -> Self {
        let from = |start: Option<(BlockIndex, u64)>| {
            let (mut found, mut ends) = (Vec::new(), false);
            let mut seen = vec![false; evidence.blocks.len()];
            let mut next = match start {
                Some((block, at)) => vec![(block, Some(at))],
                None => vec![(evidence.entry, None)],
            };
            while let Some((block, behind)) = next.pop() {
                let here = increments
                    .iter()
                    .enumerate()
                    .filter(|(_, increment)| increment.block == block)
                    .filter(|(_, increment)| behind.is_none_or(|at| increment.at > at))
                    .min_by_key(|(_, increment)| increment.at);
                if let Some((index, _)) = here {
                    found.push(index);
                    continue;
                }
                let successors = &evidence.block(block).successors;
                ends |= successors.is_empty();
                for edge in successors {
                    if !std::mem::replace(&mut seen[edge.block as usize], true) {
                        next.push((edge.block, None));
                    }
                }
            }
            found.sort_unstable();
            found.dedup();
            (found, ends)
        };
        let (mut next, mut last) = (Vec::with_capacity(increments.len()), Vec::new());
        for (index, increment) in increments.iter().enumerate() {
            let (found, ends) = from(Some((increment.block, increment.at)));
            next.push(found);
            last.extend(ends.then_some(index));
        }
        let (first, _) = from(None);
        Self { next, first, last }
    }

    /// The increments in chains, without those chains that contradict themselves.
    fn chains(&self) -> Vec<Chain> {
        let count = self.next.len();
        let mut halves: Vec<Option<bool>> = vec![None; count];
        let mut chains = Vec::new();
        for start in 0..count {
            if halves[start].is_some() {
                continue;
            }
            halves[start] = Some(true);
            let mut chain = vec![(start, true)];
            let mut is_sound = true;
            let mut at = 0;
            while let Some(&(index, half)) = chain.get(at) {
                at += 1;
                let before = (0..count).filter(|&other| self.next[other].contains(&index));
                for other in self.next[index].iter().copied().chain(before) {
                    // Alone in a loop: the other half is elsewhere.
                    if other == index {
                        continue;
                    }
                    match halves[other] {
                        None => {
                            halves[other] = Some(!half);
                            chain.push((other, !half));
                        }
                        Some(known) => is_sound &= known != half,
                    }
                }
            }
            if is_sound {
                chains.push(chain);
            } else {
                chains.extend(chain.into_iter().map(|(index, _)| vec![(index, true)]));
            }
        }
        chains
    }

    /// Whether the half of the chain's first increment begins, by what the function comes to
    /// first; one increment alone may be either.
    fn first_begins(&self, chain: &Chain) -> Option<bool> {
        let of = |half: bool| chain.iter().filter(move |&&(_, is_first)| is_first == half);
        of(false).next()?;
        let is_behind =
            |&&(index, _): &&(usize, bool)| self.next.iter().any(|next| next.contains(&index));
        let is_first = |&&(index, _): &&(usize, bool)| self.first.contains(&index);
        let may_begin = |half| of(half).any(|each| is_first(&each));
        // What the function comes to without coming to another before it must be entered even.
        let must_begin = |half| of(half).any(|each| is_first(&each) && !is_behind(&each));
        match (may_begin(true), may_begin(false)) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
            (true, true) => match (must_begin(true), must_begin(false)) {
                (true, false) => Some(true),
                (false, true) => Some(false),
                (true, true) | (false, false) => None,
            },
        }
    }
}
