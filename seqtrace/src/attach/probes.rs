//! The probes of one session, by whichever way this user may put them in place.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd},
    sync::Arc,
};

use anyhow::{Context as _, Result};
use aya::{Ebpf, programs::KProbe};

use super::{kprobes::Kprobes, links::Links, missed::Firings, refusal::Refusal, table::Probe};
use crate::kernel::hazards;

/// What became of one probe.
pub(super) type Placed<T> = std::result::Result<T, Refusal>;

/// Probes that are in place. Dropping it takes all off.
#[derive(Debug)]
pub(super) enum Probes {
    /// Kprobe events of tracefs.
    Events(Kprobes),
    /// Perf events.
    Links(Links),
}

impl Probes {
    /// Chooses the way. To be called before anything is opened that must not outlive us.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub(super) fn open() -> Result<Self> {
        if hazards::is_tracefs_closed() {
            Links::open().map(Self::Links)
        } else {
            Kprobes::open().map(Self::Events)
        }
    }

    /// Puts one probe in place, under the first of its names that the kernel takes.
    ///
    /// # Errors
    ///
    /// When the error is not about the site: no other probe would fare better.
    pub(super) fn place(&mut self, probe: &Probe) -> Result<Placed<()>> {
        match self {
            Self::Events(events) => events.place(probe),
            Self::Links(links) => links.place(probe),
        }
    }

    /// Takes the probe of one program at a slot off, if there is one.
    ///
    /// # Errors
    ///
    /// When the kernel keeps it.
    pub(super) fn withdraw(&mut self, program: &str, slot: u32) -> Result<()> {
        match self {
            Self::Events(events) => events.withdraw(program, slot),
            Self::Links(links) => {
                links.withdraw(program, slot);
                Ok(())
            }
        }
    }

    /// Lets all probes in place fire, those at the ends of blocks first. To be called again when
    /// probes were put in place later.
    ///
    /// # Errors
    ///
    /// When the kernel does not start a probe.
    pub(super) fn start(&mut self, ebpf: &mut Ebpf) -> Result<()> {
        match self {
            Self::Events(events) => events.start(ebpf),
            Self::Links(links) => links.start(ebpf),
        }
    }

    /// What the kernel counts at the probes; perf events are not told apart in its counts.
    pub(super) fn firings(&self) -> Option<Arc<Firings>> {
        match self {
            Self::Events(events) => Some(events.firings()),
            Self::Links(_) => None,
        }
    }

    /// Number of probes in place.
    pub(super) fn probes(&self) -> usize {
        match self {
            Self::Events(events) => events.probes(),
            Self::Links(links) => links.probes(),
        }
    }

    /// Takes all probes off, those at the ends of blocks last, and calls `done` after each.
    pub(super) fn stop(&mut self, done: impl FnMut()) {
        match self {
            Self::Events(events) => events.stop(done),
            Self::Links(links) => links.stop(done),
        }
    }
}

/// Puts a probe in place under the first of its names that `put` gets the kernel to take.
pub(super) fn place<T>(
    names: &[(String, u64)],
    mut put: impl FnMut(&str, u64) -> io::Result<T>,
) -> Result<Placed<T>> {
    let mut refusal = Refusal::NoSymbol;
    for (symbol, offset) in names {
        match put(symbol, *offset) {
            Ok(placed) => return Ok(Ok(placed)),
            Err(error) => {
                refusal = error
                    .raw_os_error()
                    .and_then(Refusal::from_errno)
                    .ok_or(error)
                    .with_context(|| format!("failed to attach to `{symbol}+{offset}`"))?;
            }
        }
        if !refusal.is_about_the_name() {
            break;
        }
    }
    Ok(Err(refusal))
}

/// The program `name` of the object.
pub(super) fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<BorrowedFd<'a>> {
    let program = ebpf.program_mut(name).context("failed to find a program")?;
    let program: &mut KProbe = program.try_into()?;
    Ok(program.fd()?.as_fd())
}
