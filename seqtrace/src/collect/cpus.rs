//! The CPUs on which something was counted, for sessions that are not collected otherwise.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use aya::maps::{MapData, PerCpuArray};
use seqtrace_common::counters::SiteCounters;

use super::maps::take;
use crate::attach::Session;

/// For each slot of `session` that was hit the CPUs that hit it, ascending. Takes the counters away
/// from the session.
///
/// # Errors
///
/// When the session has a collector, or a map cannot be read.
pub fn cpus(session: &mut Session) -> Result<BTreeMap<u32, Vec<u32>>> {
    let slots = session.slots();
    let counters: PerCpuArray<MapData, SiteCounters> = take(session, "COUNTERS")?;
    let mut found = BTreeMap::new();
    for slot in 0..slots {
        let values = counters
            .get(&slot, 0)
            .context("failed to read the map `COUNTERS`")?;
        let hit = (0..).zip(values.iter()).filter(|(_, one)| one.hits > 0);
        let cpus: Vec<u32> = hit.map(|(cpu, _)| cpu).collect();
        if !cpus.is_empty() {
            found.insert(slot, cpus);
        }
    }
    Ok(found)
}
