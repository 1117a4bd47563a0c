//! Which words are sequences, and what is done with them: the rules.
//!
//! * A *pair*: a word is compared with an earlier value of itself, and bit 0 of the word as it
//!   was loaded decides something or is masked away. No compiler emits the comparison for memory
//!   that is not volatile.
//! * A *wait*: if bit 0 is set, the lock that the pointer behind the word points to is taken and
//!   dropped, and the word is read again (lock-unlock, PREEMPT_RT only).
//! * A *spin*: if bit 0 is set, `pause`, and the word is read again. Flag words are polled just
//!   so, hence it counts only for words that something else shows to be sequences.
//! * A *mask*: bit 0 of a word as it was loaded is masked away, the word lies where some structure
//!   has a seqcount, and is not written.
//! * A *check*: a word that is known to be a sequence is compared with anything; the start value
//!   came from another function.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    catalog::{Name, Seqcount},
    evidence::{Compare, Evidence, Lock, LockCall, Pause, Test},
    graph::BlockIndex,
    identify::Identity,
    instruction::ParityMask,
    serial::Held,
    value::{Address, ValueId, Values},
};

/// Distance from a sequence to the pointer to the writer's lock (`seqcount_LOCKNAME_t` where
/// `__SEQ_LOCK` is not empty).
const LOCK_POINTER: i64 = 8;

/// The one seqcount that is compared to see whether a writer is *inside*:
/// `vma->vm_lock_seq == mm->mm_lock_seq` (`vma_start_read`), where unequal is the good case.
const COMPARED_BY_WRITERS: &str = "mm_struct.mm_lock_seq";

/// One function's facts with what its words are.
#[derive(Debug)]
pub(super) struct Study {
    pub(super) evidence: Evidence,
    pub(super) identities: FxHashMap<ValueId, Identity>,
    /// Locks that are held when sequences are incremented.
    pub(super) held: Vec<Held>,
    /// Globals that the function shows to be sequences by how it writes them.
    pub(super) written: Vec<u64>,
    /// Masked words that lie beside a node of a list where a structure has a seqcount.
    pub(super) likely: FxHashSet<ValueId>,
    /// Words that are written as sequences are, of which callers may tell what they are.
    pub(super) passed: Vec<ValueId>,
    /// What the types call the words of open-coded seqcounts.
    pub(super) members: FxHashMap<ValueId, Name>,
}

/// A test whose odd branch takes and drops the writer's lock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait<'a> {
    pub(super) test: &'a Test,
    pub(super) locks: LockCall,
    pub(super) unlocks: LockCall,
}

/// A test whose odd branch pauses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spin<'a> {
    pub(super) test: &'a Test,
    pub(super) pause: &'a Pause,
}

/// A comparison that decides whether a read section is run again.
#[derive(Clone, Debug)]
pub(super) struct Check<'a> {
    pub(super) compare: &'a Compare,
    /// The sequences it may be about.
    pub(super) words: Vec<ValueId>,
}

/// Edges of a graph, as blocks from and to.
pub(super) type Edges = FxHashSet<(BlockIndex, BlockIndex)>;

/// Globals that pairs and waits anywhere in the image have shown to be sequences.
pub(super) type Confirmed = FxHashSet<u64>;

impl Study {
    /// Lock-unlocks, however well the word is known.
    pub(super) fn waits(&self) -> impl Iterator<Item = Wait<'_>> {
        self.odd_tests()
            .filter_map(|(test, odd)| self.wait(test, odd))
    }

    fn wait<'a>(&'a self, test: &'a Test, odd: BlockIndex) -> Option<Wait<'a>> {
        let evidence = &self.evidence;
        let calls = |block| {
            evidence
                .locks
                .iter()
                .filter(move |call| call.block == block)
        };
        let waits = |call: &&LockCall| call.function.takes && !call.function.waits_for.is_empty();
        let block = self.follow(odd, 2, |block| calls(block).any(|call| waits(&call)))?;
        let locks = *calls(block).find(waits)?;
        let Lock::PointedToBy(pointer) = locks.lock else {
            return None;
        };
        let is_behind = |address: Address| {
            address.base == pointer.base
                && address.displacement.wrapping_add(LOCK_POINTER) == pointer.displacement
        };
        let mut loads = evidence.loads_of(&test.words);
        if !loads.any(|load| is_behind(load.address)) {
            return None;
        }
        let unlocks = *calls(block).find(|call| !call.function.takes && call.at > locks.at)?;
        let again = self.reads_again(block, &test.words);
        again.then_some(Wait {
            test,
            locks,
            unlocks,
        })
    }

    /// Comparisons of a word with its own earlier value.
    pub(super) fn pairs(&self) -> impl Iterator<Item = Check<'_>> {
        self.pairs_of(|word| !self.is_refuted(word))
    }

    /// As `pairs`, of words that the types say are no seqcounts: the protocol without the
    /// primitives.
    pub(super) fn open_coded(&self) -> impl Iterator<Item = Check<'_>> {
        self.pairs_of(|word| self.is_refuted(word))
    }

    fn pairs_of(&self, wanted: impl Fn(ValueId) -> bool) -> impl Iterator<Item = Check<'_>> {
        self.evidence.compares.iter().filter_map(move |compare| {
            let words: Vec<ValueId> = compare
                .pairs
                .iter()
                .copied()
                .filter(|word| wanted(*word))
                .collect();
            let is_known = |word: &ValueId| self.is_tested(*word) || self.is_reread(compare, *word);
            let is_pair = words.iter().any(is_known) && self.is_loaded_before(compare, &words);
            is_pair.then_some(Check { compare, words })
        })
    }

    /// Whether the types say that the word is a sequence, and it is compared with nothing but
    /// itself if others than readers compare it too.
    fn is_reread(&self, compare: &Compare, word: ValueId) -> bool {
        let is_typed = matches!(self.identities.get(&word), Some(Identity::Seqcount(_)));
        let is_only = || compare.operands.iter().all(|side| side.value == word);
        is_typed && (!self.is_compared_by_writers(word) || is_only())
    }

    /// Whether bit 0 of the word, as it was loaded, is masked away or decides where to go. What
    /// has a name that fits may also use it as a number, as readers of latches do.
    fn is_tested(&self, word: ValueId) -> bool {
        let is_named = match self.identities.get(&word) {
            Some(Identity::Seqcount(_) | Identity::Global(_)) => true,
            Some(Identity::Other | Identity::Displacement(_) | Identity::FromMember(..)) | None => {
                false
            }
        };
        self.evidence.tests.iter().any(|test| {
            let decides = test.mask == ParityMask::Even || test.odd.is_some();
            test.is_direct && test.words.contains(&word) && (decides || is_named)
        })
    }

    /// Whether the comparison's block loads one of the words, and another instruction does too.
    fn is_loaded_before(&self, compare: &Compare, words: &[ValueId]) -> bool {
        let loads = || self.evidence.loads_of(words);
        let last = loads()
            .filter(|load| load.block == compare.block && load.at <= compare.at)
            .max_by_key(|load| load.at);
        last.is_some_and(|last| loads().any(|load| load.at != last.at))
    }

    /// Globals that this function shows to be sequences.
    pub(super) fn confirms(&self) -> impl Iterator<Item = u64> {
        self.read_globals().chain(self.written.iter().copied())
    }

    fn read_globals(&self) -> impl Iterator<Item = u64> {
        self.shown_here()
            .into_iter()
            .filter_map(|word| match self.identities.get(&word) {
                Some(Identity::Global(address)) => Some(*address),
                // A global that has a type is looked for in other functions too.
                Some(Identity::Seqcount(_)) => self.constant_address(word),
                Some(Identity::Other | Identity::Displacement(_) | Identity::FromMember(..))
                | None => None,
            })
    }

    fn constant_address(&self, word: ValueId) -> Option<u64> {
        let words = [word];
        let mut addresses = self.evidence.loads_of(&words).map(|load| load.address);
        let global = addresses.find(|address| address.base == Values::ZERO)?;
        Some(global.displacement as u64)
    }

    /// Globals that this function reads as latches are: bit 0 selects the copy to read, and never
    /// the way to go.
    pub(super) fn latches(&self) -> impl Iterator<Item = u64> {
        self.read_globals().filter(|&global| {
            let is_it =
                |word: &ValueId| self.identities.get(word) == Some(&Identity::Global(global));
            let tests = || {
                let direct = self.evidence.tests.iter().filter(|test| test.is_direct);
                direct.filter(|test| test.words.iter().any(is_it))
            };
            tests().any(|test| test.mask == ParityMask::Odd)
                && tests().all(|test| test.mask == ParityMask::Odd && test.odd.is_none())
        })
    }

    /// Whether the function can have sites by its own merit.
    pub(super) fn is_promising(&self) -> bool {
        let is_seqcount = |identity: &Identity| matches!(identity, Identity::Seqcount(_));
        let is_written = !self.written.is_empty();
        is_written
            || !self.passed.is_empty()
            || self.identities.values().any(is_seqcount)
            || !self.shown_here().is_empty()
            || self.open_coded().next().is_some()
    }

    /// Every word that is a sequence, by this function's or another's evidence.
    pub(super) fn sequences(&self, confirmed: &Confirmed) -> FxHashSet<ValueId> {
        let known = self
            .identities
            .iter()
            .filter(|(_, identity)| match identity {
                Identity::Seqcount(_) => true,
                Identity::Global(address) => confirmed.contains(address),
                Identity::Other | Identity::Displacement(_) | Identity::FromMember(..) => false,
            });
        known
            .map(|(&word, _)| word)
            .chain(self.shown_here())
            .collect()
    }

    /// Words that readers in this function show to be sequences.
    pub(super) fn shown_here(&self) -> FxHashSet<ValueId> {
        let paired = self.pairs().flat_map(|check| check.words);
        let waited = self.waits().flat_map(|wait| wait.test.words.clone());
        paired
            .chain(waited)
            .chain(self.masked())
            .filter(|word| !self.is_refuted(*word))
            .collect()
    }

    /// Words that `raw_seqcount_begin` reads whose value leaves the function.
    fn masked(&self) -> impl Iterator<Item = ValueId> {
        let masks = self.evidence.tests.iter().filter(|test| {
            test.mask == ParityMask::Even && test.is_direct && test.register.is_some()
        });
        let words = masks.flat_map(|test| test.words.iter().copied());
        words.filter(|word| self.likely.contains(word) && !self.is_written(*word))
    }

    fn is_written(&self, word: ValueId) -> bool {
        let evidence = &self.evidence;
        let is_it = |address| evidence.writes.iter().any(|write| write.address == address);
        evidence.loads_of(&[word]).any(|load| is_it(load.address))
    }

    fn is_refuted(&self, word: ValueId) -> bool {
        self.identities.get(&word) == Some(&Identity::Other)
    }

    /// Pauses on the odd branches of tests of sequences.
    pub(super) fn spins(&self, sequences: &FxHashSet<ValueId>) -> Vec<Spin<'_>> {
        let pause_in = |block| {
            self.evidence
                .pauses
                .iter()
                .find(|pause| pause.block == block)
        };
        self.odd_tests()
            .filter(|(test, _)| test.words.iter().any(|word| sequences.contains(word)))
            .filter_map(|(test, odd)| {
                let block = self.follow(odd, 3, |block| pause_in(block).is_some())?;
                let spin = Spin {
                    test,
                    pause: pause_in(block)?,
                };
                self.reads_again(block, &test.words).then_some(spin)
            })
            .collect()
    }

    /// Comparisons that end read sections.
    pub(super) fn checks(&self, sequences: &FxHashSet<ValueId>) -> Vec<Check<'_>> {
        let mut checks: Vec<Check<'_>> = self.pairs().collect();
        let paired: Vec<u64> = checks.iter().map(|check| check.compare.at).collect();
        let others = self
            .evidence
            .compares
            .iter()
            .filter(|compare| !paired.contains(&compare.at));
        checks.extend(others.filter_map(|compare| {
            let is_end = |word: &ValueId| {
                sequences.contains(word) && self.ends_elsewhere(*word) && self.reads(compare, *word)
            };
            let words: Vec<ValueId> = compare.sides.iter().copied().filter(is_end).collect();
            (!words.is_empty()).then_some(Check { compare, words })
        }));
        checks
    }

    /// Whether a comparison of this sequence with anything ends a read section: true for known
    /// globals and typed members, but for the one exception.
    fn ends_elsewhere(&self, word: ValueId) -> bool {
        match self.identities.get(&word) {
            Some(Identity::Seqcount(_)) => !self.is_compared_by_writers(word),
            Some(Identity::Global(_)) => true,
            Some(Identity::Other | Identity::Displacement(_) | Identity::FromMember(..)) | None => {
                false
            }
        }
    }

    /// Whether the word is the one sequence that others than readers compare.
    pub(super) fn is_compared_by_writers(&self, word: ValueId) -> bool {
        match self.identities.get(&word) {
            Some(Identity::Seqcount(Seqcount {
                name: Name::Member(name),
                ..
            })) => name == COMPARED_BY_WRITERS,
            _ => false,
        }
    }

    /// Whether the comparison's own block reads the word.
    fn reads(&self, compare: &Compare, word: ValueId) -> bool {
        self.evidence
            .loads_of(&[word])
            .any(|load| load.block == compare.block && load.at <= compare.at)
    }

    /// Edges along which an odd sequence sends the reader.
    pub(super) fn odd_edges(&self, sequences: &FxHashSet<ValueId>) -> Edges {
        self.odd_tests()
            .filter(|(test, _)| test.words.iter().any(|word| sequences.contains(word)))
            .map(|(test, odd)| (test.block, odd))
            .collect()
    }

    fn odd_tests(&self) -> impl Iterator<Item = (&Test, BlockIndex)> {
        let odd = self
            .evidence
            .tests
            .iter()
            .filter(|test| test.mask == ParityMask::Odd);
        odd.filter_map(|test| Some((test, test.odd?)))
    }

    /// The first block from `start` on that is wanted, along blocks with one successor.
    fn follow(
        &self,
        start: BlockIndex,
        blocks: usize,
        wanted: impl Fn(BlockIndex) -> bool,
    ) -> Option<BlockIndex> {
        let mut at = start;
        for _ in 0..blocks {
            if wanted(at) {
                return Some(at);
            }
            let [only] = self.evidence.block(at).successors[..] else {
                return None;
            };
            at = only.block;
        }
        None
    }

    /// Whether a block, or one soon behind it, reads one of the words.
    fn reads_again(&self, start: BlockIndex, words: &[ValueId]) -> bool {
        let reads = |block| {
            self.evidence
                .loads_of(words)
                .any(|load| load.block == block)
        };
        self.evidence
            .near(start, 2, |_| true)
            .into_iter()
            .any(reads)
    }
}
