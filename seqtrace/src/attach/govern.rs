//! What keeps a session within its budget: its meter, and probes that count less, go and come back.

use std::{collections::BTreeMap, os::fd::AsFd as _};

use anyhow::{Context as _, Result, ensure};
use aya::maps::{Map, MapData};

use super::{
    meter::Meter,
    session::Session,
    table::{PROGRAMS, Probe, SlotProbes},
};
use crate::governor::{Level, Unit};

impl Session {
    /// Makes a unit count as much as it is to.
    ///
    /// # Errors
    ///
    /// When the kernel keeps a probe, or refuses one that it took before.
    pub fn turn(&mut self, unit: &Unit, level: Level) -> Result<()> {
        match level {
            Level::Thinned { shift } => self.thin(&unit.slots, shift),
            Level::Off if unit.writes => self.end_writers(&unit.slots),
            Level::Off => unit.slots.iter().try_for_each(|slot| self.remove(*slot)),
            Level::Full => {
                self.thin(&unit.slots, 0)?;
                let attached = if unit.writes {
                    self.begin_writers(&unit.slots)?.len()
                } else {
                    let mut attached = 0;
                    for slot in &unit.slots {
                        attached += usize::from(self.add(*slot)?);
                    }
                    attached
                };
                ensure!(
                    attached == unit.slots.len(),
                    "the kernel refuses a probe that it took before"
                );
                Ok(())
            }
        }
    }

    /// Lets the probes at `slots` count one hit of `1 << shift`, by chance; zero: every hit. To be asked of
    /// retries, fallbacks and checks whose runs are not followed: nothing else heeds it.
    ///
    /// # Errors
    ///
    /// When the kernel side cannot be told.
    fn thin(&mut self, slots: &[u32], shift: u32) -> Result<()> {
        for slot in slots {
            self.describe(*slot, |entry| entry.thinning = (1 << shift) - 1)
                .with_context(|| format!("failed to thin slot {slot}"))?;
        }
        Ok(())
    }

    /// What measures the cost of the session; `None` where it was not asked for, or is taken already.
    pub fn take_meter(&mut self) -> Option<Result<Meter>> {
        self.meter.take()
    }

    /// The programs at the probes of each slot that has one or may get one, by their place in
    /// [`PROGRAMS`].
    pub fn programs(&self) -> BTreeMap<u32, Vec<usize>> {
        let place = |probe: &Probe| PROGRAMS.iter().position(|other| *other == probe.program);
        let of = |(slot, SlotProbes { start, end, .. }): (&u32, &SlotProbes)| {
            let programs = [start].into_iter().chain(end).filter_map(place).collect();
            (*slot, programs)
        };
        self.probes.iter().map(of).collect()
    }

    /// A handle of its own on a map of the object.
    pub(crate) fn share_map(&self, name: &str) -> Result<MapData> {
        let share = || {
            let map = self.ebpf.map(name)?;
            let (Map::PerCpuArray(data) | Map::Array(data)) = map else {
                return None;
            };
            data.fd().as_fd().try_clone_to_owned().ok()
        };
        let file = share().with_context(|| format!("failed to share the map `{name}`"))?;
        Ok(MapData::from_fd(file)?)
    }
}
