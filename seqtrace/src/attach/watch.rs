//! The watch backend: a hardware breakpoint on one word in each CPU, with a program that counts writes.
//!
//! Exact, and nothing but the writers pays for it, with a trap for each write. The kernel lets only
//! `cap_sys_admin` watch its memory (`hw_breakpoint_parse`, `kernel/events/hw_breakpoint.c`).

use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result, ensure};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, Map},
    programs::PerfEvent as Program,
};

use super::{
    perf::{PerfEvent, Source},
    sample::cpus,
};
use crate::kernel::object::{OBJECT, refused};

/// Name of the program in the object.
const PROGRAM: &str = "write";

/// Writers that are told apart.
const WRITERS: u32 = 4096;

/// A word under watch; dropping it ends that.
#[derive(Debug)]
pub struct Watch {
    // Before the object whose program they run.
    breakpoints: Vec<PerfEvent>,
    ebpf: Ebpf,
}

impl Watch {
    /// Watches the four bytes at a kernel address.
    ///
    /// # Errors
    ///
    /// When the address is not a multiple of four, or the kernel or the processor refuses.
    pub fn start(address: u64) -> Result<Self> {
        ensure!(
            address.is_multiple_of(4),
            "the address is not a multiple of four, as that of a sequence is"
        );
        let mut ebpf = EbpfLoader::new()
            .btf(None)
            .map_max_entries("WRITERS", WRITERS)
            .load(OBJECT)
            .context("failed to create the maps of the eBPF object")?;
        let program = ebpf
            .program_mut(PROGRAM)
            .context("failed to find the program that counts writes")?;
        let program: &mut Program = program.try_into()?;
        program.load().map_err(|error| refused(PROGRAM, error))?;
        let breakpoint = |cpu| {
            PerfEvent::start(Source::Word { cpu, address }, program.fd()?.as_fd()).with_context(
                || {
                    format!(
                        "failed to set a hardware breakpoint on CPU {cpu}: it takes cap_sys_admin, \
                         a free register of four, and a processor that has them"
                    )
                },
            )
        };
        let breakpoints = cpus()?.into_iter().map(breakpoint).collect::<Result<_>>()?;
        let mut watch = Self { breakpoints, ebpf };
        let mut window: Array<_, u32> = watch.map(".data.window")?.try_into()?;
        window
            .set(0, 1, 0)
            .context("failed to begin the counting")?;
        Ok(watch)
    }

    /// Takes the breakpoints off. The maps stay, for the last reading.
    pub fn stop(&mut self) {
        self.breakpoints.clear();
    }

    fn map(&mut self, name: &str) -> Result<&mut Map> {
        self.ebpf
            .map_mut(name)
            .with_context(|| format!("failed to find the map `{name}`"))
    }

    /// Takes a map of the object away.
    pub(crate) fn take_map(&mut self, name: &str) -> Result<Map> {
        self.ebpf
            .take_map(name)
            .with_context(|| format!("failed to find the map `{name}`"))
    }
}
