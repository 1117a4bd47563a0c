//! Which of the rules' finds lie at addresses that only a reader executes which waits or retries.
//!
//! A block is cold when the function's entry no longer reaches it once the edges are taken away
//! along which a reader goes that found the sequence odd, or changed. Blocks that only indirect
//! jumps reach count as reached.

use std::ops::Range;

use rustc_hash::FxHashSet;

use super::{
    catalog::Role,
    evidence::{Evidence, Lock, LockCall},
    graph::BlockIndex,
    label::Reader,
    rules::{Check, Confirmed, Edges, Spin, Study, Wait},
    value::{Address, ValueId},
};

/// How many edges behind a failed check the reader is looked for to take the lock.
const FALLBACK_STEPS: usize = 6;

/// Distances from a sequence to the `seqlock_t`'s own lock: behind the pointer on PREEMPT_RT and
/// with lockdep, else directly behind the sequence, which `CONFIG_DEBUG_LOCK_ALLOC` aligns to 8.
const OWN_LOCK: [i64; 3] = [16, 8, 4];

/// A cold address of one function.
#[derive(Clone, Debug)]
pub(super) struct ColdAddress {
    pub(super) at: u64,
    pub(super) role: Role,
    /// The sequences the reader may be reading.
    pub(super) words: Vec<ValueId>,
    /// For [`Role::Block`]: where the block ends, and the lock function.
    pub(super) block: Option<(u64, &'static str)>,
    /// For [`Role::Spin`]: the register with the odd value.
    pub(super) sequence_register: Option<u8>,
    /// For [`Role::Spin`]: the blocks that only a reader executes which waits here, by address.
    pub(super) cold: Vec<Range<u64>>,
    /// Whether the reader was seen to take the `seqlock_t`'s own lock.
    pub(super) takes_own_lock: bool,
}

impl ColdAddress {
    /// The reader that comes here.
    pub(super) fn reader(&self) -> Reader<'_> {
        Reader {
            words: &self.words,
            takes_own_lock: self.takes_own_lock,
            spins: self.role == Role::Spin,
        }
    }
}

/// What the rules find in one function, and which of its blocks only waiting and retrying readers
/// reach.
#[derive(Debug)]
pub(super) struct Findings<'a> {
    pub(super) study: &'a Study,
    /// The words that are sequences.
    pub(super) sequences: FxHashSet<ValueId>,
    pub(super) waits: Vec<Wait<'a>>,
    pub(super) spins: Vec<Spin<'a>>,
    pub(super) checks: Vec<Check<'a>>,
    /// Blocks that are reached without waiting.
    calm: Vec<bool>,
    /// Blocks that are reached without a failed check.
    settled: Vec<bool>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(study: &'a Study, confirmed: &Confirmed) -> Self {
        let sequences = study.sequences(confirmed);
        let waits: Vec<Wait<'_>> = study
            .waits()
            .filter(|wait| wait.test.words.iter().any(|word| sequences.contains(word)))
            .collect();
        let spins = study.spins(&sequences);
        let checks = study.checks(&sequences);
        Self::of(study, sequences, waits, spins, checks)
    }

    /// What a function does with open-coded seqcounts; `None` when it has none.
    pub(super) fn open_coded(study: &'a Study) -> Option<Self> {
        let checks: Vec<Check<'_>> = study.open_coded().collect();
        if checks.is_empty() {
            return None;
        }
        let words = checks.iter().flat_map(|check| check.words.iter().copied());
        let sequences = words.collect();
        let spins = study.spins(&sequences);
        let found = Self::of(study, sequences, Vec::new(), spins, checks);
        (!found.checks.is_empty()).then_some(found)
    }

    fn of(
        study: &'a Study,
        sequences: FxHashSet<ValueId>,
        waits: Vec<Wait<'a>>,
        spins: Vec<Spin<'a>>,
        mut checks: Vec<Check<'a>>,
    ) -> Self {
        let tests = waits
            .iter()
            .map(|wait| wait.test)
            .chain(spins.iter().map(|spin| spin.test));
        let odd: Edges = tests
            .filter_map(|test| Some((test.block, test.odd?)))
            .collect();
        let calm = reached(&study.evidence, &odd);
        // Who waits for an odd sequence to change reads no section (`xt_replace_table`).
        let even = reached(&study.evidence, &study.odd_edges(&sequences));
        checks.retain(|check| even[check.compare.block as usize]);
        let retry: Edges = checks
            .iter()
            .filter_map(|check| Some((check.compare.block, check.compare.unequal()?)))
            .collect();
        let settled = reached(&study.evidence, &retry);
        Self {
            study,
            sequences,
            waits,
            spins,
            checks,
            calm,
            settled,
        }
    }

    /// All cold addresses of the function.
    pub(super) fn addresses(&self) -> Vec<ColdAddress> {
        let waits = self.waits.iter().filter_map(|wait| self.blocks(wait));
        let spins = self.spins.iter().filter_map(|spin| self.pauses(spin));
        let checks = self.checks.iter().filter_map(|check| self.retries(check));
        waits.chain(spins).chain(checks).collect()
    }

    /// The call by which a waiting reader blocks, if it is cold.
    pub(super) fn blocks(&self, wait: &Wait<'_>) -> Option<ColdAddress> {
        let is_cold = !self.calm[wait.locks.block as usize];
        is_cold.then(|| block(self.study, wait, self.known(&wait.test.words)))
    }

    /// The pause of a spinning reader, if it is cold.
    pub(super) fn pauses(&self, spin: &Spin<'_>) -> Option<ColdAddress> {
        let is_cold = !self.calm[spin.pause.block as usize];
        is_cold.then(|| pause(spin, self.known(&spin.test.words), self.waiting(spin)))
    }

    /// The blocks that a reader comes through from the odd test on before it is where all others are.
    fn waiting(&self, spin: &Spin<'_>) -> Vec<Range<u64>> {
        let evidence = &self.study.evidence;
        let starts = spin.test.odd.into_iter().chain([spin.pause.block]);
        let mut found: Vec<BlockIndex> = Vec::new();
        let mut next: Vec<BlockIndex> = starts.collect();
        while let Some(at) = next.pop() {
            if self.calm[at as usize] || found.contains(&at) {
                continue;
            }
            found.push(at);
            next.extend(evidence.block(at).successors.iter().map(|edge| edge.block));
        }
        found.sort_unstable_by_key(|&at| evidence.block(at).start);
        let blocks = found.into_iter().map(|at| evidence.block(at));
        blocks.map(|block| block.start..block.end).collect()
    }

    /// Where a failed check goes, if nothing else goes there.
    pub(super) fn retries(&self, check: &Check<'_>) -> Option<ColdAddress> {
        let unequal = check.compare.unequal()?;
        let is_cold = !self.settled[unequal as usize];
        is_cold.then(|| retried(self.study, check, unequal))
    }

    /// Whether a block is also reached without waiting.
    pub(super) fn is_calm(&self, block: BlockIndex) -> bool {
        self.calm[block as usize]
    }

    fn known(&self, words: &[ValueId]) -> Vec<ValueId> {
        let words = words.iter().copied();
        words.filter(|word| self.sequences.contains(word)).collect()
    }
}

/// The blocks that the entry reaches without the edges.
pub(super) fn reached(evidence: &Evidence, without: &Edges) -> Vec<bool> {
    let mut reached = vec![false; evidence.blocks.len()];
    let mut next: Vec<BlockIndex> = vec![evidence.entry];
    let indices = 0..evidence.blocks.len() as BlockIndex;
    next.extend(indices.filter(|&index| evidence.block(index).predecessors.is_empty()));
    while let Some(at) = next.pop() {
        if std::mem::replace(&mut reached[at as usize], true) {
            continue;
        }
        let edges = evidence.block(at).successors.iter();
        next.extend(
            edges
                .map(|edge| edge.block)
                .filter(|&to| !without.contains(&(at, to))),
        );
    }
    reached
}

fn block(study: &Study, wait: &Wait<'_>, words: Vec<ValueId>) -> ColdAddress {
    let Wait {
        test,
        locks,
        unlocks,
    } = wait;
    // The re-load ends the wait, if the reader goes straight to it; it is cold as the call is.
    let reload = study
        .evidence
        .loads_of(&test.words)
        .filter(|load| load.block == locks.block && load.at > unlocks.at)
        .map(|load| load.at)
        .min();
    ColdAddress {
        at: locks.at,
        role: Role::Block,
        words,
        block: Some((reload.unwrap_or(unlocks.returns_to), locks.function.name)),
        sequence_register: None,
        cold: Vec::new(),
        takes_own_lock: false,
    }
}

fn pause(spin: &Spin<'_>, words: Vec<ValueId>, cold: Vec<Range<u64>>) -> ColdAddress {
    let Spin { test, pause } = spin;
    // The tested register still holds the value if nothing between the test and here wrote it;
    // else another may hold a copy.
    let holds = |&(number, value): &(u8, ValueId)| pause.registers[usize::from(number)] == value;
    let copies = (0..)
        .zip(&pause.registers)
        .find(|(_, value)| test.words.contains(value));
    let sequence_register = test
        .register
        .filter(holds)
        .or(copies.map(|(number, &value)| (number, value)));
    ColdAddress {
        at: pause.at,
        role: Role::Spin,
        words,
        block: None,
        sequence_register: sequence_register.map(|(number, _)| number),
        cold,
        takes_own_lock: false,
    }
}

fn retried(study: &Study, check: &Check<'_>, unequal: BlockIndex) -> ColdAddress {
    let takes_own_lock = falls_back(study, &check.words, unequal);
    ColdAddress {
        at: study.evidence.block(unequal).start,
        role: if takes_own_lock {
            Role::Fallback
        } else {
            Role::Retry
        },
        words: check.words.clone(),
        block: None,
        sequence_register: None,
        cold: Vec::new(),
        takes_own_lock,
    }
}

/// Whether the reader takes the lock of its own `seqlock_t` before it reads the sequence again.
fn falls_back(study: &Study, words: &[ValueId], start: BlockIndex) -> bool {
    let evidence = &study.evidence;
    let sequences: Vec<Address> = evidence.loads_of(words).map(|load| load.address).collect();
    let is_own = |lock: Lock| match lock {
        Lock::At(Address { base, displacement }) => sequences.iter().any(|sequence| {
            let distance = displacement.wrapping_sub(sequence.displacement);
            sequence.base == base && OWN_LOCK.contains(&distance)
        }),
        Lock::PointedToBy(_) => false,
    };
    let reads = |block| evidence.loads_of(words).any(|load| load.block == block);
    let near = evidence.near(start, FALLBACK_STEPS, |block| {
        block == start || !reads(block)
    });
    // Who takes the lock and makes the sequence odd is a writer.
    let writes = |call: &LockCall| {
        let soon = evidence.near(call.block, 1, |_| true);
        evidence.writes.iter().any(|write| {
            let is_behind = write.block != call.block || write.at > call.at;
            is_behind && soon.contains(&write.block) && sequences.contains(&write.address)
        })
    };
    evidence.locks.iter().any(|call| {
        call.function.takes && near.contains(&call.block) && is_own(call.lock) && !writes(call)
    })
}
