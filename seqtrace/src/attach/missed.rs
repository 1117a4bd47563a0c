//! What the kernel itself counts at our probes: how often they fired, and the events that no program
//! saw.
//!
//! A probe that fires while its CPU is in the handler of another is not handled: `nested`. One that is
//! handled has its hit counted, and then the program may be passed over: `missed`. So no event is in both.

use std::{
    os::fd::{AsFd as _, OwnedFd},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context as _, Result};
use aya::Ebpf;

use crate::kernel::{
    firings::{self, Firing},
    program,
};

/// What the kernel counted, over all probes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Fired {
    /// Times that a probe fired and was handled.
    pub hits: u64,
    /// Times that a probe fired and was not, because its CPU was in the handler of another.
    pub nested: u64,
}

impl Fired {
    fn add(&mut self, more: &Firing) {
        self.hits += more.hits;
        self.nested += more.nested;
    }
}

/// The counts of one session's kprobe events; those of probes that are off are kept.
#[derive(Debug)]
pub(super) struct Firings {
    mount: PathBuf,
    /// What the names of its events begin with: `seqtrace_10/`.
    prefix: String,
    gone: Mutex<Gone>,
}

#[derive(Debug, Default)]
struct Gone {
    fired: Fired,
    /// Whether all are in: none is added any more.
    all: bool,
}

impl Firings {
    pub(super) fn new(mount: PathBuf, group: &str) -> Self {
        Self {
            mount,
            prefix: format!("{group}/"),
            gone: Mutex::default(),
        }
    }

    fn gone(&self) -> MutexGuard<'_, Gone> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of our probes.
    fn live(&self) -> Result<impl Iterator<Item = Firing>> {
        let all = firings::read(&self.mount)?.into_iter();
        Ok(all.filter(|one| one.event.starts_with(&self.prefix)))
    }

    /// Keeps the counts of the probe at `place`, which is about to be taken off.
    ///
    /// # Errors
    ///
    /// When tracefs does not tell.
    pub(super) fn keep(&self, program: &str, place: &str) -> Result<()> {
        let event = format!("{}{program}", self.prefix);
        let own = self.live()?;
        let mut gone = self.gone();
        own.filter(|one| one.event == event && one.place == place)
            .for_each(|one| gone.fired.add(&one));
        Ok(())
    }

    /// Keeps the counts of all probes, none of which fires any more.
    ///
    /// # Errors
    ///
    /// When tracefs does not tell.
    pub(super) fn keep_all(&self) -> Result<()> {
        let total = self.total()?;
        *self.gone() = Gone {
            fired: total,
            all: true,
        };
        Ok(())
    }

    fn total(&self) -> Result<Fired> {
        let gone = self.gone();
        let mut sum = gone.fired;
        if !gone.all {
            self.live()?.for_each(|one| sum.add(&one));
        }
        Ok(sum)
    }
}

/// The programs and probes of one session, to be asked what they missed; good beyond the session.
#[derive(Debug)]
pub struct Missed {
    programs: Vec<OwnedFd>,
    firings: Option<Arc<Firings>>,
}

impl Missed {
    pub(super) fn new(ebpf: &Ebpf, firings: Option<Arc<Firings>>) -> Result<Self> {
        let programs = ebpf
            .programs()
            // Those that the plan does not need, and the one that reads text, are not loaded.
            .filter(|(_, program)| program.fd().is_ok())
            .map(|(name, program)| {
                let file = program
                    .fd()
                    .and_then(|file| Ok(file.as_fd().try_clone_to_owned()?));
                file.with_context(|| format!("failed to open the program `{name}`"))
            })
            .collect::<Result<_>>()?;
        Ok(Self { programs, firings })
    }

    /// Events that all programs were passed over for so far.
    ///
    /// # Errors
    ///
    /// When the kernel does not describe its programs.
    pub fn passed_over(&self) -> Result<u64> {
        self.programs
            .iter()
            .map(|program| Ok(program::runs(program.as_fd())?.misses))
            .sum()
    }

    /// What the kernel counted at the probes so far; `None` where there are none.
    ///
    /// # Errors
    ///
    /// When tracefs does not tell.
    pub fn fired(&self) -> Result<Option<Fired>> {
        self.firings.as_deref().map(Firings::total).transpose()
    }
}
