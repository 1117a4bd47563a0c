//! The sample backend: the clock of each CPU interrupts it, and a program looks where it was.
//!
//! An interrupt in a spinning reader mostly lands behind the `pause`, so the whole stretch of code that
//! only waiting readers execute stands for the site. Needs no kprobes, and sees functions that those
//! refuse. The clock is a timer and no hardware counter: it strikes in virtual machines too, and not
//! where interrupts are off; what it missed then comes at the end of that time.

use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result};
use aya::{Ebpf, programs::PerfEvent as Program, util::online_cpus};
use seqtrace_common::settings::SAMPLE_NS;

use super::perf::{PerfEvent, Source};

/// Name of the program in the object.
pub(super) const PROGRAM: &str = "sample";

/// The clocks of all CPUs; dropping it stops them.
#[derive(Debug)]
pub(super) struct Sampler {
    _clocks: Vec<PerfEvent>,
}

impl Sampler {
    /// Starts the clock of every CPU that is online.
    pub(super) fn start(ebpf: &mut Ebpf) -> Result<Self> {
        let program = ebpf
            .program_mut(PROGRAM)
            .context("failed to find the program that samples")?;
        let program: &mut Program = program.try_into()?;
        let cpus = cpus()?;
        let clock = |cpu| {
            let source = Source::Clock {
                cpu,
                period_ns: SAMPLE_NS,
            };
            PerfEvent::start(source, program.fd()?.as_fd())
                .with_context(|| format!("failed to sample the clock of CPU {cpu}"))
        };
        let clocks = cpus.into_iter().map(clock).collect::<Result<_>>()?;
        Ok(Self { _clocks: clocks })
    }
}

/// The CPUs that are online.
pub(super) fn cpus() -> Result<Vec<u32>> {
    online_cpus().map_err(|(path, error)| {
        anyhow::Error::new(error).context(format!("failed to list the CPUs (`{path}`)"))
    })
}
