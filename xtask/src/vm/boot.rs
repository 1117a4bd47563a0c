//! Boots one guest and follows it to its end: the command's bytes go to our standard streams as
//! they come, the rest decides which [`Ending`] it was. Nothing is tried twice.

use std::{
    fs,
    io::{self, ErrorKind, Write as _},
    os::unix::{
        net::UnixStream,
        process::{CommandExt as _, ExitStatusExt as _},
    },
    process::{ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use guest::Verdict;
use nix::{
    sys::{
        prctl,
        signal::{Signal, killpg},
    },
    unistd::Pid,
};

use super::{
    console::Console,
    ending::Ending,
    events::{self, Event, Stream},
    qemu::Machine,
    terminal,
};
use crate::progress;

/// How long a guest may take to power off once the host has everything.
const POWER_OFF: Duration = Duration::from_secs(20);
/// How long to listen to a guest that is dying or gone: a panic's cause stands after its marker.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// What to do with what comes from the guest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// The whole run may take this long.
    pub(crate) deadline: Duration,
    /// The command has our terminal.
    pub(crate) terminal: bool,
    /// Print the kernel's log as it comes.
    pub(crate) verbose: bool,
}

/// A guest under way.
struct Guest {
    events: Receiver<Event>,
    console: Console,
    answer: Option<UnixStream>,
    control: Vec<u8>,
    stdout_bytes: u64,
    stderr_bytes: u64,
    verdict: Option<Verdict>,
    answered: bool,
    open_streams: usize,
    exited: Option<ExitStatus>,
    options: Options,
}

/// Runs `machine` with `initramfs` to its end. Returns the tail of its log beside the ending.
///
/// # Errors
/// When QEMU cannot be started, or our own standard output fails.
pub(crate) fn boot(machine: &Machine, options: Options) -> Result<(Ending, Vec<String>)> {
    let run = tempfile::Builder::new().prefix("seqtrace-vm-").tempdir();
    let run = run.context("failed to create a folder for the guest's sockets")?;
    let (sender, receiver) = events::listen(run.path())?;
    let terminal = options.terminal;
    events::feed(run.path(), move |sink| {
        if terminal {
            terminal::copy_typing(sink);
        }
    })?;
    let log = fs::File::create(run.path().join("qemu")).context("failed to create QEMU's log")?;
    let mut command = machine.command(run.path())?;
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .process_group(0);
    // SAFETY: prctl is a plain system call and does not touch the memory of the process.
    unsafe {
        // Whatever ends us ends the guest.
        command.pre_exec(|| Ok(prctl::set_pdeathsig(Signal::SIGKILL)?));
    }
    let child = command.spawn().context("failed to start QEMU")?;
    let group = Pid::from_raw(child.id().cast_signed());
    events::watch(child, sender);
    let mut guest = Guest {
        events: receiver,
        console: Console::default(),
        answer: None,
        control: Vec::new(),
        stdout_bytes: 0,
        stderr_bytes: 0,
        verdict: None,
        answered: false,
        open_streams: events::STREAMS.len(),
        exited: None,
        options,
    };
    let ending = guest.follow();
    if guest.exited.is_none() {
        let _ended_meanwhile = killpg(group, Signal::SIGKILL);
    }
    let mut tail: Vec<_> = guest.console.tail().collect();
    let complaints = fs::read_to_string(run.path().join("qemu")).unwrap_or_default();
    tail.extend(complaints.lines().map(str::to_owned));
    Ok((ending?, tail))
}

impl Guest {
    fn follow(&mut self) -> Result<Ending> {
        let mut end = Instant::now() + self.options.deadline;
        let mut dying = false;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(event) => {
                    if let Some(ending) = self.take(event)? {
                        return Ok(ending);
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Ok(self.ending());
                }
            }
            if self.console.death().is_some() && !dying {
                dying = true;
                end = end.min(Instant::now() + LAST_WORDS);
            }
            if self.is_complete() && !self.answered {
                self.answered = true;
                if let Some(answer) = &mut self.answer {
                    // Without an answer the guest stays, and is ended below.
                    let _unheard = answer.write_all(b"\n");
                }
                end = Instant::now() + POWER_OFF;
            }
            if self.exited.is_some() {
                if self.open_streams == 0 {
                    return Ok(self.ending());
                }
                end = end.min(Instant::now() + LAST_WORDS);
            }
        }
    }

    /// Takes in what happened; an ending when that alone ends the run.
    fn take(&mut self, event: Event) -> Result<Option<Ending>> {
        match event {
            Event::Bytes(Stream::Console, bytes) => {
                for line in self.console.push(&bytes) {
                    if self.options.verbose {
                        progress::line(line);
                    }
                }
            }
            Event::Bytes(Stream::Stdout, bytes) => {
                self.stdout_bytes += bytes.len() as u64;
                let mut stdout = io::stdout().lock();
                let written = stdout.write_all(&bytes).and_then(|()| stdout.flush());
                if written
                    .as_ref()
                    .is_err_and(|error| error.kind() == ErrorKind::BrokenPipe)
                {
                    // Nobody reads on: as if the signal had come that Rust programs ignore.
                    return Ok(Some(Ending::Interrupted(libc::SIGPIPE)));
                }
                written.context("failed to write the command's output")?;
            }
            Event::Bytes(Stream::Stderr, bytes) => {
                self.stderr_bytes += bytes.len() as u64;
                io::stderr()
                    .write_all(&bytes)
                    .context("failed to write the command's messages")?;
            }
            Event::Bytes(Stream::Control, bytes) => {
                self.control.extend_from_slice(&bytes);
                if self.control.ends_with(b"\n") {
                    let verdict = serde_json::from_slice(&self.control);
                    self.verdict = Some(verdict.context("failed to parse the guest's verdict")?);
                }
            }
            Event::Connected(answer) => self.answer = Some(answer),
            Event::Closed => self.open_streams -= 1,
            Event::Exited(status) => {
                self.exited = Some(status);
                if self.open_streams == events::STREAMS.len() && !status.success() {
                    // QEMU refused its command line before it connected to anything.
                    self.open_streams = 0;
                }
            }
            Event::Interrupted(signal) => return Ok(Some(Ending::Interrupted(signal))),
        }
        Ok(None)
    }

    /// The verdict and all the output that it speaks of have come.
    fn is_complete(&self) -> bool {
        self.verdict.as_ref().is_some_and(|verdict| {
            let Verdict {
                outcome: _,
                stdout_bytes,
                stderr_bytes,
                notes: _,
            } = verdict;
            (*stdout_bytes, *stderr_bytes) == (self.stdout_bytes, self.stderr_bytes)
        })
    }

    /// What it means that nothing more is to be waited for. A death that the log tells of outweighs
    /// a verdict: the command may have got through, but the kernel under it did not.
    fn ending(&self) -> Ending {
        if let Some(line) = self.console.death() {
            return Ending::Died(line.to_owned());
        }
        match (&self.verdict, self.exited) {
            (Some(verdict), _) if self.is_complete() => Ending::Verdict(verdict.clone()),
            (Some(_), _) => Ending::Died("its output is incomplete".to_owned()),
            (None, None) => Ending::Deadline(self.options.deadline.as_secs()),
            (None, Some(status)) => Ending::Died(match status.signal() {
                Some(signal) => format!("signal {signal} ended QEMU"),
                None => format!("it ended without a verdict, QEMU with {status}"),
            }),
        }
    }
}
