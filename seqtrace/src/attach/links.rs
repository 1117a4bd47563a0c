//! Puts probes in place as perf events, one for each: what a user without access to tracefs may do.
//!
//! The events go with the process, whatever ends it. They are slow to take off: for each the kernel waits
//! for a grace period of tasks-trace RCU, with `bpf_event_mutex` held, so that threads do not help
//! (`perf_event_detach_bpf_prog`, `kernel/trace/bpf_trace.c`). Measured under TCG: 0.1 s a probe on 6.12,
//! 0.16 s on 7.3-rt, 0.75 s on 6.1-rt and 6.12-rt.

use std::{ffi::CString, io};

use anyhow::{Context as _, Result};
use aya::Ebpf;

use super::{
    perf::{PerfEvent, Source},
    probes::{Placed, place, program},
    table::{PROGRAMS, Probe},
};
use crate::kernel::feature;

/// The probes of one session. Dropping it takes all off.
#[derive(Debug)]
pub(super) struct Links {
    /// What perf calls kprobes.
    kind: u32,
    placed: Vec<Link>,
}

#[derive(Debug)]
struct Link {
    program: &'static str,
    slot: u32,
    runs: bool,
    event: PerfEvent,
}

impl Links {
    /// Asks whether the kernel has such events.
    pub(super) fn open() -> Result<Self> {
        Ok(Self {
            kind: feature::kprobe_type()?,
            placed: Vec::new(),
        })
    }

    /// Puts one probe in place. Its program does not run before [`Links::start`].
    pub(super) fn place(&mut self, probe: &Probe) -> Result<Placed<()>> {
        let kind = self.kind;
        let placed = place(&probe.names, |symbol, offset| {
            let symbol = CString::new(symbol).map_err(io::Error::other)?;
            PerfEvent::open(Source::Kprobe {
                kind,
                symbol: &symbol,
                offset,
            })
        })?;
        Ok(placed.map(|event| {
            self.placed.push(Link {
                program: probe.program,
                slot: probe.slot,
                runs: false,
                event,
            });
        }))
    }

    /// Takes the probe of one program at a slot off, if there is one.
    pub(super) fn withdraw(&mut self, program: &str, slot: u32) {
        self.placed
            .retain(|link| link.program != program || link.slot != slot);
    }

    /// Runs the programs of the probes that have none yet, those at the ends of blocks first.
    pub(super) fn start(&mut self, ebpf: &mut Ebpf) -> Result<()> {
        for name in PROGRAMS {
            let links = self.placed.iter_mut();
            for link in links.filter(|link| link.program == name && !link.runs) {
                link.event
                    .run(program(ebpf, name)?)
                    .with_context(|| format!("failed to start a probe of `{name}`"))?;
                link.runs = true;
            }
        }
        Ok(())
    }

    /// Number of probes in place.
    pub(super) fn probes(&self) -> usize {
        self.placed.len()
    }

    /// Takes all probes off, those at the ends of blocks last.
    pub(super) fn stop(&mut self, mut done: impl FnMut()) {
        for name in PROGRAMS.into_iter().rev() {
            for _ in self.placed.extract_if(.., |link| link.program == name) {
                done();
            }
        }
    }
}
