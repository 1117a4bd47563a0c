//! What the rules found, and the loads it comes from → the two halves of read sections.
//!
//! A load of a sequence begins a read section unless it is the re-load of a check or the first
//! half of a writer's increment. Loads that a waiting reader goes to from another load belong to
//! the same begin.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    catalog::{Check, CheckClass, Half, Lockname, Odd, Role},
    cold::{self, ColdAddress, Findings},
    evidence::{Compare, Operand, Test},
    graph::{BlockIndex, Flow},
    identify::Identity,
    instruction::ParityMask,
    label::Reader,
    looping, optimize,
    reads::{Read, Reads},
    value::ValueId,
};

/// A waiting reader comes to its next load within this many blocks.
const WAITING_BLOCKS: usize = 8;

/// Half of a read section, at run-time addresses.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) at: u64,
    /// With run-time addresses where the catalog has image offsets.
    pub(super) half: Half,
    /// The sequences it may be about.
    pub(super) words: Vec<ValueId>,
    /// Its cold addresses.
    pub(super) cold: Vec<ColdAddress>,
}

impl Section {
    /// The reader whose section it is.
    pub(super) fn reader(&self) -> Reader<'_> {
        Reader {
            words: &self.words,
            takes_own_lock: self.cold.iter().any(|cold| cold.takes_own_lock),
            spins: self.cold.iter().any(|cold| cold.role == Role::Spin),
        }
    }
}

/// The halves of read sections in one function, by address.
pub(super) fn sections(flow: &Flow<'_>, findings: &Findings<'_>, reads: &Reads) -> Vec<Section> {
    let ended: Vec<Ended<'_>> = findings
        .checks
        .iter()
        .filter_map(|check| Ended::new(reads, check.compare.at))
        .collect();
    let reloads = ended.iter().map(|ended| ended.reload.at);
    let mut other: FxHashSet<u64> = reloads.chain(incremented(reads)).collect();
    other.extend(compared_by_writers(findings, reads, &ended));
    let begins = Begins::new(findings, reads, &other);
    let mut sections = begins.sections(findings, reads);
    for (check, ended) in findings
        .checks
        .iter()
        .filter_map(|check| Some((check, Ended::new(reads, check.compare.at)?)))
    {
        let cold = findings.retries(check);
        let half = ended.check(flow, reads, &begins, cold.is_some());
        sections.push(Section {
            at: ended.reload.at,
            half: Half::Check(half),
            words: check.words.clone(),
            cold: cold.into_iter().collect(),
        });
    }
    sections.sort_by_key(|section| section.at);
    sections
}

/// Loads whose value goes back to the sequence, a constant apart.
fn incremented(reads: &Reads) -> impl Iterator<Item = u64> {
    let evidence = &reads.evidence;
    evidence.writes.iter().filter_map(|write| {
        let value = write.value?;
        let read = reads.get(value.base)?;
        let load = evidence.loads.iter().find(|load| load.word == value.base)?;
        (load.address == write.address).then_some(read.at)
    })
}

/// Loads of the one sequence that writers compare too, unless a section begins with them: the
/// value is tested, is the start value of a check, or is compared with what an earlier load was
/// compared with, now that the object is locked (`vma_start_read`).
fn compared_by_writers(findings: &Findings<'_>, reads: &Reads, ended: &[Ended<'_>]) -> Vec<u64> {
    let study = findings.study;
    let mut loads = reads.by_address();
    loads.retain(|read| study.is_compared_by_writers(read.word));
    if loads.is_empty() {
        return Vec::new();
    }
    let tests = reads.evidence.tests.iter().map(|test| &test.words);
    let starts = ended.iter().map(|ended| &ended.start.words);
    let begins: FxHashSet<u64> = tests
        .chain(starts)
        .flat_map(|words| reads.among(words))
        .chain(second_looks(reads))
        .map(|read| read.at)
        .collect();
    let others = loads.into_iter().map(|read| read.at);
    others.filter(|at| !begins.contains(at)).collect()
}

/// Loads that are compared with a value that an earlier load of the same word differed from.
fn second_looks(reads: &Reads) -> impl Iterator<Item = Read> {
    let looks: Vec<(&Compare, Read, ValueId)> = reads
        .evidence
        .compares
        .iter()
        .flat_map(|compare| {
            let [left, right] = &compare.operands;
            let sides = [(left, right), (right, left)];
            sides.into_iter().filter_map(move |(side, other)| {
                Some((compare, reads.get(side.value)?, other.value))
            })
        })
        .collect();
    let seconds: Vec<Read> = looks
        .iter()
        .filter(|(second, read, value)| {
            looks.iter().any(|(first, earlier, compared)| {
                let is_same = earlier.word == read.word && compared == value;
                is_same && is_behind(reads, first, second)
            })
        })
        .map(|&(_, read, _)| read)
        .collect();
    seconds.into_iter()
}

/// Whether the way to a comparison always leads through another one with unequal sides.
fn is_behind(reads: &Reads, first: &Compare, second: &Compare) -> bool {
    let Some(unequal) = first.unequal() else {
        return false;
    };
    let evidence = &reads.evidence;
    let without = [(first.block, unequal)].into_iter().collect();
    first.at != second.at
        && cold::reached(evidence, &FxHashSet::default())[second.block as usize]
        && !cold::reached(evidence, &without)[second.block as usize]
}

/// A comparison with its two sides told apart.
struct Ended<'a> {
    compare: &'a Compare,
    reload: Read,
    start: &'a Operand,
}

impl<'a> Ended<'a> {
    /// The side that was loaded last is the re-load.
    fn new(reads: &'a Reads, at: u64) -> Option<Self> {
        let compare = reads.compare(at)?;
        let sides = compare.operands.iter().zip(compare.operands.iter().rev());
        let read = sides.filter_map(|(side, start)| Some((reads.get(side.value)?, start)));
        let is_here = |read: &Read| read.block == compare.block && read.at <= at;
        let (reload, start) = read.max_by_key(|(read, _)| (is_here(read), read.at))?;
        Some(Self {
            compare,
            reload,
            start,
        })
    }

    fn check(&self, flow: &Flow<'_>, reads: &Reads, begins: &Begins, is_cold: bool) -> Check {
        let flags = self.compare.use_of_flags;
        let mut from: Vec<u64> = reads
            .among(&self.start.words)
            .filter_map(|read| begins.of(read.at))
            .collect();
        from.sort_unstable();
        from.dedup();
        let loads = begins.loads(&from);
        let loops = looping::is_loop(flow, &reads.evidence, self.compare, &loads);
        Check {
            compare: self.compare.at,
            decides: flags.at,
            condition: format!("{:?}", flags.mnemonic).to_lowercase(),
            class: self.class(reads, begins, is_cold),
            start: self.start.place,
            optimizable: optimize::may_become_jump(flow, self.reload.at),
            begins: from,
            loops,
        }
    }

    fn class(&self, reads: &Reads, begins: &Begins, is_cold: bool) -> CheckClass {
        if self.compare.use_of_flags.is_value() {
            return CheckClass::Value;
        }
        if is_cold {
            return CheckClass::RetryOnly;
        }
        let head = self.compare.unequal();
        let is_head = reads
            .by_address()
            .iter()
            .any(|read| Some(read.block) == head && begins.of(read.at).is_some());
        if is_head {
            CheckClass::BeginHead
        } else {
            CheckClass::Shared
        }
    }
}

/// The loads of begins, in groups.
struct Begins {
    /// Every load with the first one of its group.
    first: FxHashMap<u64, u64>,
    groups: Vec<Vec<Read>>,
}

impl Begins {
    /// Groups the loads that are not `other`.
    fn new(findings: &Findings<'_>, reads: &Reads, other: &FxHashSet<u64>) -> Self {
        let mut groups: Vec<Vec<Read>> = reads
            .by_address()
            .into_iter()
            .filter(|read| !other.contains(&read.at))
            .map(|read| vec![read])
            .collect();
        let waits = findings.waits.iter().map(|wait| wait.test.at);
        for at in waits.chain(findings.spins.iter().map(|spin| spin.test.at)) {
            let Some(test) = reads.test(at) else { continue };
            let Some(odd) = test.odd else { continue };
            let tested: Vec<Read> = reads.among(&test.words).collect();
            let next = next_loads(reads, odd, &tested);
            let linked: FxHashSet<u64> = tested.iter().chain(&next).map(|read| read.at).collect();
            unite(&mut groups, &linked);
        }
        let mut first = FxHashMap::default();
        for group in &mut groups {
            // Not one that only a waiting reader executes.
            group.sort_by_key(|read| (!findings.is_calm(read.block), read.at));
            first.extend(group.iter().map(|read| (read.at, group[0].at)));
        }
        Self { first, groups }
    }

    /// The first load of the begin that a load belongs to.
    fn of(&self, at: u64) -> Option<u64> {
        self.first.get(&at).copied()
    }

    /// All loads of these begins.
    fn loads(&self, begins: &[u64]) -> Vec<Read> {
        let groups = self.groups.iter();
        let groups = groups.filter(|group| begins.contains(&group[0].at));
        groups.flatten().copied().collect()
    }

    fn sections(&self, findings: &Findings<'_>, reads: &Reads) -> Vec<Section> {
        let groups = self.groups.iter();
        groups
            .map(|group| {
                let mut words: Vec<ValueId> = group.iter().map(|read| read.word).collect();
                words.sort_unstable();
                words.dedup();
                let mut reloads: Vec<u64> = group[1..].iter().map(|read| read.at).collect();
                reloads.sort_unstable();
                let cold = waiting(findings, reads, group);
                let odd = odd(findings, reads, group);
                Section {
                    at: group[0].at,
                    half: Half::Begin { odd, reloads },
                    words,
                    cold,
                }
            })
            .collect()
    }
}

/// The first loads of the same words that a reader comes to from a block on.
fn next_loads(reads: &Reads, start: BlockIndex, tested: &[Read]) -> Vec<Read> {
    let all = reads.by_address();
    let is_same = |read: &Read| tested.iter().any(|tested| tested.word == read.word);
    let in_block = |block| {
        all.iter()
            .find(|read| read.block == block && is_same(read))
            .copied()
    };
    let near = reads
        .evidence
        .near(start, WAITING_BLOCKS, |block| in_block(block).is_none());
    near.into_iter().filter_map(in_block).collect()
}

/// Makes one group of all groups that have one of the loads.
fn unite(groups: &mut Vec<Vec<Read>>, loads: &FxHashSet<u64>) {
    let has = |group: &Vec<Read>| group.iter().any(|read| loads.contains(&read.at));
    let (same, mut others): (Vec<_>, Vec<_>) = std::mem::take(groups).into_iter().partition(has);
    let united: Vec<Read> = same.into_iter().flatten().collect();
    if !united.is_empty() {
        others.push(united);
    }
    *groups = others;
}

/// The tests of a group's loads.
fn tests<'a>(reads: &'a Reads, group: &'a [Read]) -> impl Iterator<Item = &'a Test> {
    reads.evidence.tests.iter().filter(move |test| {
        reads
            .among(&test.words)
            .any(|read| group.iter().any(|load| load.at == read.at))
    })
}

/// The cold addresses at which a reader waits that has loaded an odd value.
fn waiting(findings: &Findings<'_>, reads: &Reads, group: &[Read]) -> Vec<ColdAddress> {
    let at: FxHashSet<u64> = tests(reads, group).map(|test| test.at).collect();
    let waits = findings.waits.iter();
    let blocks = waits
        .filter(|wait| at.contains(&wait.test.at))
        .filter_map(|wait| findings.blocks(wait));
    let spins = findings.spins.iter();
    let pauses = spins
        .filter(|spin| at.contains(&spin.test.at))
        .filter_map(|spin| findings.pauses(spin));
    blocks.chain(pauses).collect()
}

/// What becomes of an odd value.
fn odd(findings: &Findings<'_>, reads: &Reads, group: &[Read]) -> Odd {
    let waits = findings.waits.iter().map(|wait| wait.test.at);
    let spins = findings.spins.iter().map(|spin| spin.test.at);
    if tests(reads, group)
        .any(|test| waits.clone().any(|at| at == test.at) || spins.clone().any(|at| at == test.at))
    {
        return Odd::Waits;
    }
    let identities = &findings.study.identities;
    let is_latch = group.iter().any(|read| {
        matches!(identities.get(&read.word),
            Some(Identity::Seqcount(seqcount)) if seqcount.lockname == Some(Lockname::Latch))
    });
    if is_latch {
        return Odd::Selects;
    }
    if tests(reads, group).any(|test| test.mask == ParityMask::Even) {
        return Odd::Masks;
    }
    let selects = |test: &Test| test.keeps_result && test.odd.is_none();
    if tests(reads, group).any(selects) {
        return Odd::Selects;
    }
    Odd::PassesOn
}
