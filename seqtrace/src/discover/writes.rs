//! The increments of one function in, its writes of sequences out, each with the half of a write
//! section that it is.
//!
//! Any counter is incremented. Hence only words count that something else shows to be sequences:
//! the types, or readers of a global anywhere in the image. Which half it is follows from the
//! order: a word that the function increments once more behind the first time was even before.
//! Nothing is guessed where the order does not tell.

use rustc_hash::FxHashSet;

use super::{
    catalog::{Lockname, Write},
    evidence::{Evidence, Increment},
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
    for increment in &study.evidence.increments {
        let word = increment.addition.word;
        if let Some(kind) = kind(study, globals, word)
            && done.insert(word)
        {
            written(&study.evidence, word, kind, &mut found);
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
fn written(evidence: &Evidence, word: ValueId, kind: Kind, found: &mut Vec<Written>) {
    let increments: Vec<&Increment> = evidence
        .increments
        .iter()
        .filter(|increment| increment.addition.word == word)
        .collect();
    let parities = parities(evidence, &increments);
    let is_followed = parities.contains(&Parities::ODD);
    for (increment, parity) in increments.iter().zip(parities) {
        let half = match (increment.addition.step, kind) {
            (Step::Two, _) => Write::Invalidate,
            (Step::One, Kind::Latch) => Write::Latch,
            (Step::One, Kind::Sections) if !is_followed => Write::Unknown,
            (Step::One, Kind::Sections) => match parity {
                Parities::EVEN => Write::Begin,
                Parities::ODD => Write::End,
                _ => Write::Unknown,
            },
        };
        found.push(Written {
            at: increment.at,
            word,
            half,
        });
    }
}

/// By how much a sequence may have been incremented since the function was entered, modulo two.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Parities(u8);

impl Parities {
    const EVEN: Self = Self(1);
    const ODD: Self = Self(2);

    fn incremented(self) -> Self {
        Self((self.0 & 1) << 1 | self.0 >> 1)
    }

    fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The parities in front of each increment.
fn parities(evidence: &Evidence, increments: &[&Increment]) -> Vec<Parities> {
    let count = evidence.blocks.len();
    let mut changes = vec![false; count];
    for increment in increments {
        changes[increment.block as usize] ^= increment.addition.step == Step::One;
    }
    let mut heads = vec![Parities::default(); count];
    let mut next: Vec<(BlockIndex, Parities)> = vec![(evidence.entry, Parities::EVEN)];
    let mut flow = |next: &mut Vec<(BlockIndex, Parities)>| {
        while let Some((block, parities)) = next.pop() {
            let head = &mut heads[block as usize];
            let both = head.or(parities);
            if both == *head {
                continue;
            }
            *head = both;
            let tail = if changes[block as usize] {
                both.incremented()
            } else {
                both
            };
            let successors = &evidence.block(block).successors;
            next.extend(successors.iter().map(|edge| (edge.block, tail)));
        }
    };
    flow(&mut next);
    // Blocks that only an indirect jump reaches.
    let indices = 0..count as BlockIndex;
    next.extend(
        indices
            .filter(|&block| evidence.block(block).predecessors.is_empty())
            .map(|block| (block, Parities::EVEN)),
    );
    flow(&mut next);
    let mut before = Vec::with_capacity(increments.len());
    for increment in increments {
        let earlier = increments.iter().filter(|other| {
            other.block == increment.block
                && other.at < increment.at
                && other.addition.step == Step::One
        });
        let head = heads[increment.block as usize];
        before.push(if earlier.count() % 2 == 1 {
            head.incremented()
        } else {
            head
        });
    }
    before
}
