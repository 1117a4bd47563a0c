//! One perf event and one link for each probe: needs nothing but the kprobe PMU, and goes with the
//! process whatever happens to it.
//!
//! Slow to take off: the kernel waits for a grace period of tasks-trace RCU for each link, one after
//! the other (`perf_event_detach_bpf_prog`, `kernel/trace/bpf_trace.c`, holds `bpf_event_mutex`
//! meanwhile). Measured with 27 and 34 probes: 0.1 s a probe on 6.12, 0.16 s on 7.3-rt, 0.75 s on
//! 6.1-rt and 6.12-rt, where `CONFIG_TASKS_TRACE_RCU_READ_MB` makes that grace period long; 4 to 64
//! threads make no difference.

use std::mem;

use anyhow::{Context as _, Result, anyhow};
use aya::{
    Ebpf,
    programs::{
        KProbe, ProgramError,
        kprobe::{KProbeError, KProbeLink},
    },
};

use super::{
    backend::{Backend, Placed},
    limit,
    refusal::Refusal,
    table::{LOCK_END, Probe},
};

/// Live links by slot.
#[derive(Debug, Default)]
pub(super) struct Links {
    // Dropped in this order.
    starts: Vec<(u32, KProbeLink)>,
    ends: Vec<(u32, KProbeLink)>,
}

impl Links {
    /// No links yet, but room for as many as wanted.
    pub(super) fn new(probes: usize) -> Result<Self> {
        limit::raise(probes)?;
        Ok(Self::default())
    }
}

impl Backend for Links {
    fn place(&mut self, ebpf: &mut Ebpf, probe: &Probe) -> Result<Placed> {
        let Probe {
            slot,
            program,
            names,
        } = probe;
        let kprobe = ebpf
            .program_mut(program)
            .context("failed to find a program")?;
        let kprobe: &mut KProbe = kprobe.try_into()?;
        let mut refusal = Refusal::NoSymbol;
        for (symbol, offset) in names {
            match kprobe.attach(symbol, *offset) {
                Ok(id) => {
                    let links = if *program == LOCK_END {
                        &mut self.ends
                    } else {
                        &mut self.starts
                    };
                    links.push((*slot, kprobe.take_link(id)?));
                    return Ok(Ok(()));
                }
                Err(error) => refusal = judge(error, symbol, *offset)?,
            }
            if !refusal.is_about_the_name() {
                break;
            }
        }
        Ok(Err(refusal))
    }

    fn withdraw(&mut self, slot: u32) -> Result<()> {
        self.ends.retain(|(other, _)| *other != slot);
        Ok(())
    }

    fn start(&mut self, _: &mut Ebpf) -> Result<()> {
        Ok(())
    }

    fn probes(&self) -> usize {
        self.starts.len() + self.ends.len()
    }

    fn stop(&mut self, done: &mut dyn FnMut()) {
        for link in mem::take(&mut self.starts)
            .into_iter()
            .chain(mem::take(&mut self.ends))
        {
            drop(link);
            done();
        }
    }
}

fn judge(error: ProgramError, symbol: &str, offset: u64) -> Result<Refusal> {
    if let ProgramError::KProbeError(KProbeError::FileError { filename, .. }) = &error {
        return Err(anyhow!(
            "failed to read `{}`: this kernel has no kprobes (`CONFIG_KPROBE_EVENTS`)",
            filename.display()
        ));
    }
    let refusal = match &error {
        ProgramError::SyscallError(error) => {
            error.io_error.raw_os_error().and_then(Refusal::from_errno)
        }
        _ => None,
    };
    refusal.map_or_else(
        || Err(error).with_context(|| format!("failed to attach to `{symbol}+{offset:#x}`")),
        Ok,
    )
}
