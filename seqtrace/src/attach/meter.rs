//! What the probes cost, by the kernel's clock and a price that is measured here.

use std::os::fd::{AsFd as _, OwnedFd};

use anyhow::{Context as _, Result};
use aya::{
    Ebpf,
    sys::{Stats, enable_stats},
};

use super::{contention, probes::Probes, sample, table::PROGRAMS, trap};
use crate::kernel::program::{self, Runs};

/// Takes the time of the programs of one session; good beyond the session. Dropping it ends the
/// kernel's statistics, which cost two looks at the clock for each run of any program.
#[derive(Debug)]
pub struct Meter {
    programs: Vec<(Option<OwnedFd>, bool)>,
    trap_ns: Option<u64>,
    _statistics: OwnedFd,
}

impl Meter {
    /// Turns the kernel's statistics on (`BPF_ENABLE_STATS`, since 5.8) and measures a trap.
    pub(super) fn start(ebpf: &mut Ebpf, kprobes: Option<&mut Probes>) -> Result<Self> {
        let statistics = enable_stats(Stats::RunTime)
            .context("failed to turn the kernel's statistics of BPF programs on")?;
        let probes = PROGRAMS.iter().map(|name| (file(ebpf, name), true));
        let others = contention::PROGRAMS.iter().chain([&sample::PROGRAM]);
        let others = others.map(|name| (file(ebpf, name), false));
        let programs = probes.chain(others).collect();
        let trap_ns = kprobes.and_then(|kprobes| match trap::measure(ebpf, kprobes) {
            Ok(trap_ns) => Some(trap_ns),
            Err(error) => {
                log::warn!("what a trap costs is not known: {error:#}");
                None
            }
        });
        Ok(Self {
            programs,
            trap_ns,
            _statistics: statistics,
        })
    }

    /// What a trap costs without the program that it leads to, nanoseconds; `None`: it could not be
    /// measured.
    pub fn trap_ns(&self) -> Option<u64> {
        self.trap_ns
    }

    /// CPUs that are online.
    ///
    /// # Errors
    ///
    /// When the kernel does not list them.
    pub fn cpus(&self) -> Result<u32> {
        Ok(sample::cpus()?.len().try_into()?)
    }

    /// What each program did, and whether a trap leads to it: first those at probes, in the order of
    /// [`PROGRAMS`]. Nothing for those that are not loaded.
    ///
    /// # Errors
    ///
    /// When the kernel does not describe its programs.
    pub fn read(&self) -> Result<Vec<(Runs, bool)>> {
        let read = |(file, is_trapped): &(Option<OwnedFd>, bool)| {
            let runs = match file {
                Some(file) => program::runs(file.as_fd())?,
                None => Runs::default(),
            };
            Ok((runs, *is_trapped))
        };
        self.programs.iter().map(read).collect()
    }
}

/// The program, if it is loaded.
pub(super) fn file(ebpf: &Ebpf, name: &str) -> Option<OwnedFd> {
    let file = ebpf.program(name)?.fd().ok()?;
    file.as_fd().try_clone_to_owned().ok()
}
