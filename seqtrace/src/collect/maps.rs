//! The maps of the kernel side, with their types, and how to read each of them whole.

use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
};

use anyhow::{Context as _, Result};
use aya::{
    Pod,
    maps::{Array, HashMap as KernelMap, Map, MapData, MapError, PerCpuArray, PerCpuValues},
};
use seqtrace_common::{
    blame::{BlameKey, BlameValue},
    counters::{SiteCounters, StackKey, StackValue, TaskKey, TaskValue},
    hold::HoldState,
    loss,
    run::{RunCounters, RunKey, RunState},
    wait::{BlockState, Contention, OpenBlock, OpenBlocks, SpinState, WaitKey},
};

use super::recent::Recent;
use crate::attach::Session;

/// The counting maps of a session.
pub(super) struct Maps {
    pub(super) blocks: KernelMap<MapData, WaitKey, BlockState>,
    pub(super) contentions: KernelMap<MapData, u32, Contention>,
    pub(super) spins: KernelMap<MapData, WaitKey, SpinState>,
    pub(super) runs: KernelMap<MapData, RunKey, RunState>,
    pub(super) holds: KernelMap<MapData, u64, HoldState>,
    pub(super) blames: KernelMap<MapData, BlameKey, BlameValue>,
    pub(super) tasks: KernelMap<MapData, TaskKey, TaskValue>,
    pub(super) stack_counts: KernelMap<MapData, StackKey, StackValue>,
    open_blocks: Array<MapData, OpenBlocks>,
    counters: PerCpuArray<MapData, SiteCounters>,
    run_counters: PerCpuArray<MapData, RunCounters>,
    losses: PerCpuArray<MapData, u64>,
    elsewhere: PerCpuArray<MapData, u64>,
}

impl Maps {
    /// Takes the maps away from the session.
    pub(super) fn take(session: &mut Session) -> Result<Self> {
        Ok(Self {
            blocks: take(session, "BLOCKS")?,
            contentions: take(session, "CONTENTIONS")?,
            spins: take(session, "SPINS")?,
            runs: take(session, "RUNS")?,
            holds: take(session, "HOLDS")?,
            blames: take(session, "BLAMES")?,
            tasks: take(session, "TASKS")?,
            stack_counts: take(session, "STACK_COUNTS")?,
            open_blocks: take(session, ".bss.blocks")?,
            counters: take(session, "COUNTERS")?,
            run_counters: take(session, "RUN_COUNTERS")?,
            losses: take(session, "LOSSES")?,
            elsewhere: take(session, "ELSEWHERE")?,
        })
    }

    /// Counters of `slots` sites, added up over the CPUs, and who came there last; only those in `counted` are read.
    pub(super) fn counters(
        &self,
        slots: u32,
        counted: &BTreeSet<u32>,
    ) -> Result<(Vec<SiteCounters>, Vec<Recent>)> {
        let mut sums = vec![SiteCounters::ZERO; slots as usize];
        let mut recent = Vec::new();
        for slot in counted {
            let cpus = self.cpus(*slot)?;
            for cpu in cpus.iter() {
                sums[*slot as usize].add(cpu);
            }
            recent.extend(due(*slot, &cpus));
        }
        Ok((sums, recent))
    }

    /// Who came last to the sites of these slots.
    pub(super) fn recent(&self, slots: impl Iterator<Item = u32>) -> Result<Vec<Recent>> {
        let mut recent = Vec::new();
        for slot in slots.collect::<BTreeSet<_>>() {
            recent.extend(due(slot, &self.cpus(slot)?));
        }
        Ok(recent)
    }

    fn cpus(&self, slot: u32) -> Result<PerCpuValues<SiteCounters>> {
        let cpus = self.counters.get(&slot, 0);
        cpus.context("failed to read the map `COUNTERS`")
    }

    /// Readers that are inside a lock call, but for those in `BLOCKS`.
    pub(super) fn open_blocks(&self) -> Result<impl Iterator<Item = OpenBlock>> {
        let open = self.open_blocks.get(&0, 0);
        let open = open.context("failed to read the map `.bss.blocks`")?;
        Ok(open.cells.into_iter().filter(|open| open.key != 0))
    }

    /// Counters of the runs of `slots`, in whose order they stand, added up over the CPUs.
    pub(super) fn run_counters(&self, slots: &[u32]) -> Result<HashMap<u32, RunCounters>> {
        let mut sums = HashMap::new();
        for (run, slot) in (0..).zip(slots) {
            let cpus = self
                .run_counters
                .get(&run, 0)
                .context("failed to read the map `RUN_COUNTERS`")?;
            let sum = sums.entry(*slot).or_insert(RunCounters::ZERO);
            for cpu in cpus.iter() {
                sum.add(cpu);
            }
        }
        Ok(sums)
    }

    /// Samples that hit no site, added up over the CPUs.
    pub(super) fn elsewhere(&self) -> Result<u64> {
        let cpus = self.elsewhere.get(&0, 0);
        Ok(cpus
            .context("failed to read the map `ELSEWHERE`")?
            .iter()
            .sum())
    }

    /// Losses added up over the CPUs.
    pub(super) fn losses(&self) -> Result<[u64; loss::COUNT as usize]> {
        let mut sums = [0; loss::COUNT as usize];
        for (index, sum) in (0..).zip(&mut sums) {
            let cpus = self
                .losses
                .get(&index, 0)
                .context("failed to read the map `LOSSES`")?;
            *sum = cpus.iter().sum();
        }
        Ok(sums)
    }
}

/// Who has something to be credited at a site.
fn due(slot: u32, cpus: &PerCpuValues<SiteCounters>) -> impl Iterator<Item = Recent> {
    let cpus = cpus.iter().enumerate();
    cpus.filter(|(_, counters)| counters.recent.is_due() || counters.blame.value.count != 0)
        .map(move |(cpu, counters)| Recent {
            slot,
            cpu,
            reader: counters.recent,
            blame: counters.blame,
        })
}

/// Takes one map and checks that its layout is what the type says.
pub(super) fn take<T>(session: &mut Session, name: &str) -> Result<T>
where
    T: TryFrom<Map, Error = MapError>,
{
    T::try_from(session.take_map(name)?).with_context(|| format!("failed to open the map `{name}`"))
}

/// Everything that is in a hash map, each key once.
///
/// The kernel starts over when the key at hand has been removed meanwhile. The number of steps is
/// bounded, so that a map in which keys come and go all the time cannot hold us.
pub(super) fn contents<K, V>(
    map: &KernelMap<MapData, K, V>,
    capacity: u32,
    name: &str,
) -> Result<HashMap<K, V>>
where
    K: Pod + Eq + Hash,
    V: Pod,
{
    let mut found = HashMap::new();
    for key in map.keys().take(2 * capacity as usize) {
        let key = key.with_context(|| format!("failed to list the map `{name}`"))?;
        match map.get(&key, 0) {
            Ok(value) => found.insert(key, value),
            Err(MapError::KeyNotFound) => found.remove(&key),
            Err(error) => {
                return Err(error).with_context(|| format!("failed to read the map `{name}`"));
            }
        };
    }
    Ok(found)
}
