//! What was counted at a watched word.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use aya::maps::{HashMap as KernelMap, MapData, PerCpuArray};
use seqtrace_common::watch::{WriterKey, Writes};

use super::maps::contents;
use crate::attach::watch::Watch;

/// Writers that are read at most.
const WRITERS: u32 = 4096;

/// Totals and writers of one watch.
#[derive(Debug, Default)]
pub struct Written {
    /// Totals of all CPUs.
    pub totals: Writes,
    /// Writes by writer.
    pub writers: HashMap<WriterKey, u64>,
}

impl Written {
    /// Reads the maps, once, when the watch is stopped.
    ///
    /// # Errors
    ///
    /// When a map cannot be read.
    pub fn take(watch: &mut Watch) -> Result<Self> {
        let totals: PerCpuArray<MapData, Writes> = watch.take_map("WRITES")?.try_into()?;
        let writers: KernelMap<MapData, WriterKey, u64> = watch.take_map("WRITERS")?.try_into()?;
        let mut written = Self {
            writers: contents(&writers, WRITERS, "WRITERS")?,
            ..Self::default()
        };
        let cpus = totals.get(&0, 0);
        for cpu in cpus.context("failed to read the map `WRITES`")?.iter() {
            written.totals.add(cpu);
        }
        Ok(written)
    }
}
