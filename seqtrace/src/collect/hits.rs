//! How often each probe was hit, counted or not; read beside a collector.

use anyhow::{Context as _, Result};
use aya::maps::{Map, MapData, PerCpuArray};
use seqtrace_common::counters::SiteCounters;

use crate::attach::Session;

/// The counters of some slots.
pub struct Hits {
    counters: PerCpuArray<MapData, SiteCounters>,
    slots: Vec<u32>,
    room: usize,
}

impl Hits {
    /// Reads those of all slots that have a probe or may get one. To be made before the collector, which takes the maps.
    ///
    /// # Errors
    ///
    /// When the map cannot be shared.
    pub fn new(session: &Session) -> Result<Self> {
        let map = Map::PerCpuArray(session.share_map("COUNTERS")?);
        Ok(Self {
            counters: PerCpuArray::try_from(map).context("failed to open the map `COUNTERS`")?,
            slots: session.programs().into_keys().collect(),
            room: session.slots() as usize,
        })
    }

    /// Hits by slot; zero for those that are not read.
    ///
    /// # Errors
    ///
    /// When the map cannot be read.
    pub fn read(&self) -> Result<Vec<u64>> {
        let mut hits = vec![0; self.room];
        for slot in &self.slots {
            let cpus = self.counters.get(slot, 0);
            let cpus = cpus.context("failed to read the map `COUNTERS`")?;
            let all = |cpu: &SiteCounters| cpu.hits + cpu.thinned_out + cpu.filtered;
            hits[*slot as usize] = cpus.iter().map(all).sum();
        }
        Ok(hits)
    }
}
