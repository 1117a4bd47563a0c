//! Puts probes in place: one kprobe event of tracefs for each program, with all its probes.
//!
//! Probes are placed one by one, started and stopped together. That is faster than a perf event for each
//! probe ([`super::links`]): 270 probes on 6.12-rt under TCG took 3.5 s to attach and 7.3 s to detach, with
//! perf events 30 s and 201 s.
//!
//! Events outlive the process: a guard removes them if we cannot, and what is left of a session whose
//! guard was killed as well is removed by the next one. Without us they are disabled and cost nothing.

use std::{
    collections::BTreeMap,
    ffi::CString,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result};
use aya::Ebpf;
use nix::{
    errno::Errno,
    sys::signal::kill,
    unistd::{Pid, getpid},
};

use super::{
    guard::Guard,
    missed::Firings,
    perf::{PerfEvent, Source},
    probes::{self, Placed, place},
    table::{PROGRAMS, Probe},
};
use crate::kernel::hazards::tracefs;

/// Groups of events are called so, followed by the process id.
const GROUP: &str = "seqtrace_";

/// The kprobe events of one session. Dropping it takes all probes off.
#[derive(Debug)]
pub(super) struct Kprobes {
    /// By the program's place in [`PROGRAMS`].
    running: BTreeMap<usize, PerfEvent>,
    events: Events,
    firings: Arc<Firings>,
    // Dropped last: it acts on what is left.
    _guard: Guard,
}

#[derive(Debug)]
struct Events {
    mount: PathBuf,
    file: File,
    group: String,
    /// Program, slot and place of each probe.
    placed: Vec<(&'static str, u32, String)>,
}

impl Kprobes {
    /// Opens the list of events and starts the guard. To be called before anything is opened that
    /// must not outlive us.
    ///
    /// # Errors
    ///
    /// When tracefs is not mounted, or has no kprobe events, or may not be written.
    pub(super) fn open() -> Result<Self> {
        let mount = tracefs()?;
        let path = mount.join("kprobe_events");
        let mut file = OpenOptions::new()
            .append(true)
            .open(&path)
            .with_context(|| format!("failed to open `{}`", path.display()))?;
        remove_leftovers(&path, &mut file);
        let group = format!("{GROUP}{}", getpid());
        let removals = PROGRAMS
            .iter()
            .map(|program| CString::new(format!("-:{group}/{program}\n")))
            .collect::<std::result::Result<Vec<_>, _>>()
            .context("failed to name the events")?;
        let guard = Guard::start(&path, &removals)?;
        let firings = Arc::new(Firings::new(mount.clone(), &group));
        let events = Events {
            mount,
            file,
            group,
            placed: Vec::new(),
        };
        Ok(Self {
            running: BTreeMap::new(),
            events,
            firings,
            _guard: guard,
        })
    }

    /// Puts one probe in place, under the first of its names that the kernel takes.
    ///
    /// # Errors
    ///
    /// When the error is not about the site: no other probe would fare better.
    pub(super) fn place(&mut self, probe: &Probe) -> Result<Placed<()>> {
        let Probe {
            slot,
            program,
            names,
        } = probe;
        place(names, |symbol, offset| {
            let place = format!("{symbol}+{offset}");
            self.events
                .write(&format!("p:{}/{program} {place}", self.events.group))?;
            self.events.placed.push((program, *slot, place));
            Ok(())
        })
    }

    /// Takes the probe of one program at a slot off, if there is one.
    ///
    /// One of several probes goes while the others fire. The kernel keeps the last one of an event
    /// that is in use (`unregister_trace_kprobe`, `kernel/trace/trace_kprobe.c`: EBUSY), so the event
    /// is stopped first, which takes a grace period longer.
    ///
    /// # Errors
    ///
    /// When the kernel keeps it.
    pub(super) fn withdraw(&mut self, program: &str, slot: u32) -> Result<()> {
        let Some(index) = self.events.find(program, slot) else {
            return Ok(());
        };
        if self.events.is_last(index) {
            self.running.remove(&rank(program)?);
        }
        let place = self.events.placed[index].2.clone();
        self.firings.keep(program, &place)?;
        self.events
            .remove(program, &place)
            .with_context(|| format!("failed to take the probe at `{place}` off"))?;
        self.events.placed.swap_remove(index);
        Ok(())
    }

    /// Lets all probes in place fire, those at the ends of blocks first. A probe that is put in place
    /// later fires at once, unless it is the first of its program: then this is to be called again.
    ///
    /// # Errors
    ///
    /// When the kernel does not start an event.
    pub(super) fn start(&mut self, ebpf: &mut Ebpf) -> Result<()> {
        for (rank, program) in PROGRAMS.into_iter().enumerate() {
            if self.running.contains_key(&rank) || !self.events.has(program) {
                continue;
            }
            let id = self.events.id(program)?;
            let event = PerfEvent::start(Source::Tracefs { id }, probes::program(ebpf, program)?)
                .with_context(|| format!("failed to start the probes of `{program}`"))?;
            self.running.insert(rank, event);
        }
        Ok(())
    }

    /// Number of probes in place.
    pub(super) fn probes(&self) -> usize {
        self.events.placed.len()
    }

    /// What the kernel counts at the probes.
    pub(super) fn firings(&self) -> Arc<Firings> {
        Arc::clone(&self.firings)
    }

    /// Takes all probes off, those at the ends of blocks last, and calls `done` after each.
    pub(super) fn stop(&mut self, mut done: impl FnMut()) {
        while let Some((_, event)) = self.running.pop_last() {
            drop(event);
        }
        // What is taken off is counted no longer.
        if self.probes() > 0
            && let Err(error) = self.firings.keep_all()
        {
            log::warn!("some of what the probes missed is not known: {error:#}");
        }
        self.events.clear(&mut done);
    }
}

impl Drop for Kprobes {
    fn drop(&mut self) {
        self.stop(|| ());
    }
}

impl Events {
    fn write(&mut self, line: &str) -> io::Result<()> {
        self.file.write_all(format!("{line}\n").as_bytes())
    }

    fn remove(&mut self, program: &str, place: &str) -> io::Result<()> {
        self.write(&format!("-:{}/{program} {place}", self.group))
    }

    /// Index of the probe of one program at a slot.
    fn find(&self, program: &str, slot: u32) -> Option<usize> {
        self.placed
            .iter()
            .position(|(placed, other, _)| *placed == program && *other == slot)
    }

    /// Whether no other probe has the program of this one.
    fn is_last(&self, index: usize) -> bool {
        let (program, ..) = self.placed[index];
        let same = |(other, ..): &&(&str, u32, String)| *other == program;
        self.placed.iter().filter(same).count() == 1
    }

    fn has(&self, program: &str) -> bool {
        self.placed.iter().any(|(placed, ..)| *placed == program)
    }

    /// The number under which perf knows an event.
    fn id(&self, program: &str) -> Result<u64> {
        let path = self
            .mount
            .join("events")
            .join(&self.group)
            .join(program)
            .join("id");
        let text = fs::read_to_string(&path)
            .with_context(|| format!("failed to read `{}`", path.display()))?;
        text.trim()
            .parse()
            .with_context(|| format!("failed to parse `{}`", path.display()))
    }

    /// Removes all probes. What cannot be removed is left to the guard.
    fn clear(&mut self, done: &mut impl FnMut()) {
        while let Some((program, _, place)) = self.placed.pop() {
            if let Err(error) = self.remove(program, &place) {
                log::warn!("failed to remove the probe at `{place}`: {error}");
            }
            done();
        }
    }
}

/// The place of a program in the order in which programs are started.
fn rank(program: &str) -> Result<usize> {
    PROGRAMS
        .iter()
        .position(|other| *other == program)
        .with_context(|| format!("`{program}` is no program with probes"))
}

/// Removes the events of sessions whose process is gone.
fn remove_leftovers(path: &Path, file: &mut File) {
    let list = fs::read_to_string(path).unwrap_or_default();
    for event in leftovers(&list, is_alive) {
        if let Err(error) = file.write_all(format!("-:{event}\n").as_bytes()) {
            log::warn!("failed to remove the event `{event}` of an earlier session: {error}");
        }
    }
}

fn is_alive(pid: &str) -> bool {
    pid.parse()
        .is_ok_and(|pid| kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH))
}

/// The events in the list whose group names a process that is not alive, each once.
fn leftovers(list: &str, alive: impl Fn(&str) -> bool) -> Vec<&str> {
    let mut events: Vec<_> = list
        .lines()
        .filter_map(|line| line.split_whitespace().next()?.strip_prefix("p:"))
        .filter(|event| {
            event
                .strip_prefix(GROUP)
                .and_then(|rest| rest.split_once('/'))
                .is_some_and(|(pid, _)| !alive(pid))
        })
        .collect();
    events.dedup();
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_events_of_dead_sessions_are_leftovers() {
        let list = "p:kprobes/mine vfs_read\np:seqtrace_10/pause _text+26\n\
                    p:seqtrace_10/pause _text+900\np:seqtrace_10/retry _text+4\n\
                    p:seqtrace_11/pause _text+26\nr8:seqtrace_10/other vfs_read\n\n";
        assert_eq!(
            leftovers(list, |pid| pid == "11"),
            ["seqtrace_10/pause", "seqtrace_10/retry"]
        );
    }
}
