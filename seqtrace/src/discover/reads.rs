//! The loads of sequences one by one: which load a value that is tested, compared or written comes
//! from.
//!
//! The first analysis takes all loads of a word for one value, which is how a sequence is
//! recognised. Once it is, a second analysis tells them apart.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    evidence::{Compare, Evidence, Test},
    function::Function,
    graph::{BlockIndex, Flow},
    value::{Value, ValueId},
};

/// The loads of one function's sequences, each a value of its own.
#[derive(Debug)]
pub(super) struct Reads {
    /// As the study's, with the numbers of reads in the place of those of words.
    pub(super) evidence: Evidence,
    reads: FxHashMap<ValueId, Read>,
}

/// One instruction that loads a sequence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    pub(super) at: u64,
    pub(super) block: BlockIndex,
    /// The word, by its number in the study.
    pub(super) word: ValueId,
}

impl Reads {
    /// Tells the loads of the sequences apart; `None` when the function's text is not there.
    pub(super) fn new(
        flow: &Flow<'_>,
        function: Function<'_>,
        sequences: &FxHashSet<ValueId>,
    ) -> Option<Self> {
        let (evidence, values) = Evidence::apart(flow, function, sequences.clone())?;
        let reads = evidence.loads.iter().filter_map(|load| {
            let Value::Read { word, at } = values.get(load.word) else {
                return None;
            };
            let block = load.block;
            Some((load.word, Read { at, block, word }))
        });
        Some(Self {
            reads: reads.collect(),
            evidence,
        })
    }

    /// The load with this number.
    pub(super) fn get(&self, id: ValueId) -> Option<Read> {
        self.reads.get(&id).copied()
    }

    /// All loads by address.
    pub(super) fn by_address(&self) -> Vec<Read> {
        let mut all: Vec<Read> = self.reads.values().copied().collect();
        all.sort_unstable_by_key(|read| (read.at, read.word));
        all
    }

    /// The loads whose value a tested or compared one may be.
    pub(super) fn among<'a>(&'a self, ids: &'a [ValueId]) -> impl Iterator<Item = Read> + 'a {
        ids.iter().filter_map(|&id| self.get(id))
    }

    /// The test at an address.
    pub(super) fn test(&self, at: u64) -> Option<&Test> {
        self.evidence.tests.iter().find(|test| test.at == at)
    }

    /// The comparison at an address.
    pub(super) fn compare(&self, at: u64) -> Option<&Compare> {
        self.evidence
            .compares
            .iter()
            .find(|compare| compare.at == at)
    }
}
