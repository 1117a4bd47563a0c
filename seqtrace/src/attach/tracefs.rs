//! One kprobe event of tracefs for each program, with all its probes: placed one by one, started and
//! stopped together, and with one grace period each instead of one for each probe.
//!
//! Measured with 270 probes on 6.12-rt against one link for each (`links.rs`): see
//! `docs/architecture.md`. Such events outlive the process: a guard removes them if we cannot, and
//! what is left of a session whose guard was killed as well is removed by the next one.

use std::{
    ffi::CString,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context as _, Result};
use aya::{Ebpf, programs::KProbe};

use super::{
    backend::{Backend, Placed},
    guard::Guard,
    perf::PerfEvent,
    refusal::Refusal,
    table::{LOCK_END, PROGRAMS, Probe},
};

/// Where tracefs is mounted: by systemd, and below debugfs on older systems.
const MOUNTS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// Groups of events are called so, followed by the process id.
const GROUP: &str = "seqtrace_";

/// The kprobe events of one session.
#[derive(Debug)]
pub(super) struct Tracefs {
    // Dropped in this order: what runs, then what is left, then who would remove it.
    running: Vec<PerfEvent>,
    events: Events,
    _guard: Guard,
}

#[derive(Debug)]
struct Events {
    mount: PathBuf,
    file: File,
    group: String,
    placed: Vec<(&'static str, u32, String)>,
}

impl Tracefs {
    /// Opens the list of events and starts the guard; `None` where tracefs is not to be had.
    ///
    /// # Errors
    ///
    /// When the guard cannot be started.
    pub(super) fn open() -> Result<Option<Self>> {
        let open = |mount: &Path| {
            let file = OpenOptions::new()
                .append(true)
                .open(mount.join("kprobe_events"))
                .ok()?;
            Some((mount.to_owned(), file))
        };
        let Some((mount, mut file)) = MOUNTS.iter().find_map(|mount| open(Path::new(mount))) else {
            return Ok(None);
        };
        remove_leftovers(&mount, &mut file);
        let group = format!("{GROUP}{}", process::id());
        let removals = PROGRAMS
            .iter()
            .map(|program| CString::new(format!("-:{group}/{program}\n")))
            .collect::<std::result::Result<Vec<_>, _>>()
            .context("failed to name the events")?;
        let guard = Guard::start(&mount.join("kprobe_events"), &removals)?;
        let events = Events {
            mount,
            file,
            group,
            placed: Vec::new(),
        };
        Ok(Some(Self {
            running: Vec::new(),
            events,
            _guard: guard,
        }))
    }
}

impl Backend for Tracefs {
    fn place(&mut self, _: &mut Ebpf, probe: &Probe) -> Result<Placed> {
        let Probe {
            slot,
            program,
            names,
        } = probe;
        let mut refusal = Refusal::NoSymbol;
        for (symbol, offset) in names {
            let place = format!("{symbol}+{offset}");
            match self
                .events
                .write(&format!("p:{}/{program} {place}", self.events.group))
            {
                Ok(()) => {
                    self.events.placed.push((program, *slot, place));
                    return Ok(Ok(()));
                }
                Err(error) => {
                    refusal = error
                        .raw_os_error()
                        .and_then(Refusal::from_errno)
                        .ok_or(error)
                        .with_context(|| format!("failed to attach to `{place}`"))?;
                }
            }
            if !refusal.is_about_the_name() {
                break;
            }
        }
        Ok(Err(refusal))
    }

    fn withdraw(&mut self, slot: u32) -> Result<()> {
        let end =
            |(program, other, _): &(&str, u32, String)| *program == LOCK_END && *other == slot;
        let Some(index) = self.events.placed.iter().position(end) else {
            return Ok(());
        };
        let (program, _, place) = self.events.placed.swap_remove(index);
        self.events
            .remove(program, &place)
            .context("failed to take a probe off again")
    }

    fn start(&mut self, ebpf: &mut Ebpf) -> Result<()> {
        // The ends of blocks come first in the list.
        for program in PROGRAMS {
            if !self
                .events
                .placed
                .iter()
                .any(|(placed, ..)| *placed == program)
            {
                continue;
            }
            let id = self.events.id(program)?;
            let kprobe = ebpf
                .program_mut(program)
                .context("failed to find a program")?;
            let kprobe: &mut KProbe = kprobe.try_into()?;
            let event = PerfEvent::start(id, kprobe.fd()?.as_fd())
                .with_context(|| format!("failed to start the probes of `{program}`"))?;
            self.running.push(event);
        }
        Ok(())
    }

    fn probes(&self) -> usize {
        self.events.placed.len()
    }

    fn stop(&mut self, done: &mut dyn FnMut()) {
        while let Some(event) = self.running.pop() {
            drop(event);
        }
        self.events.clear(done);
    }
}

impl Drop for Tracefs {
    fn drop(&mut self) {
        self.stop(&mut || ());
    }
}

impl Events {
    fn write(&mut self, line: &str) -> io::Result<()> {
        self.file.write_all(format!("{line}\n").as_bytes())
    }

    fn remove(&mut self, program: &str, place: &str) -> io::Result<()> {
        self.write(&format!("-:{}/{program} {place}", self.group))
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
    fn clear(&mut self, done: &mut dyn FnMut()) {
        while let Some((program, _, place)) = self.placed.pop() {
            if let Err(error) = self.remove(program, &place) {
                log::warn!("failed to remove the probe at `{place}`: {error}");
            }
            done();
        }
    }
}

/// Removes the events of sessions whose process is gone.
fn remove_leftovers(mount: &Path, file: &mut File) {
    let list = fs::read_to_string(mount.join("kprobe_events")).unwrap_or_default();
    for event in leftovers(&list, |pid| Path::new("/proc").join(pid).exists()) {
        if let Err(error) = file.write_all(format!("-:{event}\n").as_bytes()) {
            log::warn!("failed to remove the event `{event}` of an earlier session: {error}");
        }
    }
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
