//! Runs the workloads and the command, and turns how the command ended into a verdict.

use std::{
    fs::File,
    io,
    os::{fd::OwnedFd, unix::process::CommandExt as _},
    process::{Command, Stdio},
    thread::JoinHandle,
};

use anyhow::{Context as _, Result};
use guest::{Job, Outcome, TerminalSize, Verdict, port};
use nix::{
    errno::Errno,
    pty::{Winsize, openpty},
    sys::{
        signal::{Signal, kill},
        wait::{WaitStatus, waitpid},
    },
    unistd::{Pid, pipe, setsid},
};

use crate::{ports, relay};

/// What the command's output goes through on its way to the ports.
struct Relays {
    stdout: JoinHandle<u64>,
    stderr: Option<JoinHandle<u64>>,
}

/// Runs the job's command to its end, then ends every other process.
///
/// # Errors
/// When a workload or the command cannot be started.
pub(crate) fn run(job: &Job) -> Result<Verdict> {
    let mut background = Vec::new();
    for name in &job.workloads {
        background.push((start_workload(name)?, name.clone()));
    }
    let (pid, relays) = start_command(job)?;
    let mut notes = Vec::new();
    let outcome = wait_for(pid, &background, &mut notes)?;
    // The relays end when nobody holds the pipes any more.
    let _none_left = kill(Pid::from_raw(-1), Signal::SIGKILL);
    let Relays { stdout, stderr } = relays;
    Ok(Verdict {
        outcome,
        stdout_bytes: stdout.join().unwrap_or(0),
        stderr_bytes: stderr.map_or(0, |relay| relay.join().unwrap_or(0)),
        notes,
    })
}

fn program(words: &[String]) -> Result<Command> {
    let (program, arguments) = words.split_first().context("the job has no command")?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", "/bin")
        .env("HOME", "/")
        .env("TERM", "xterm-256color")
        .current_dir("/");
    Ok(command)
}

/// Starts a workload and waits until it says that it is under way.
fn start_workload(name: &str) -> Result<Pid> {
    let mut child = program(&["/bin/workload".into(), name.into()])?
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("failed to start the workload `{name}`"))?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        io::BufRead::read_line(&mut io::BufReader::new(stdout), &mut line)
            .with_context(|| format!("failed to hear from the workload `{name}`"))?;
    }
    anyhow::ensure!(
        !line.is_empty(),
        "the workload `{name}` ended before it was under way"
    );
    Ok(Pid::from_raw(child.id().cast_signed()))
}

fn start_command(job: &Job) -> Result<(Pid, Relays)> {
    let mut command = program(&job.command)?;
    let stdout_port = ports::open(port::STDOUT)?;
    let relays = if let Some(size) = job.terminal {
        attach_terminal(&mut command, size, stdout_port)?
    } else {
        let stderr_port = ports::open(port::STDERR)?;
        let (stdout, stdout_end) = pipe().context("failed to create a pipe")?;
        let (stderr, stderr_end) = pipe().context("failed to create a pipe")?;
        command
            .stdin(Stdio::null())
            .stdout(stdout_end)
            .stderr(stderr_end);
        Relays {
            stdout: relay::start(File::from(stdout), stdout_port),
            stderr: Some(relay::start(File::from(stderr), stderr_port)),
        }
    };
    let child = command
        .spawn()
        .with_context(|| format!("failed to run `{}`", job.command[0]))?;
    // `command` holds our copies of the pipes' write ends; they go with it.
    Ok((Pid::from_raw(child.id().cast_signed()), relays))
}

/// Gives the command a terminal of its own as its controlling one.
fn attach_terminal(command: &mut Command, size: TerminalSize, stdout: File) -> Result<Relays> {
    let TerminalSize { rows, columns } = size;
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let terminal = openpty(Some(&size), None).context("failed to open a terminal")?;
    let copy = |fd: &OwnedFd| fd.try_clone().context("failed to duplicate the terminal");
    command
        .stdin(copy(&terminal.slave)?)
        .stdout(copy(&terminal.slave)?)
        .stderr(terminal.slave);
    // SAFETY: between fork and exec only setsid and ioctl are called, both async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            setsid()?;
            // Standard input is the terminal by now.
            Errno::result(libc::ioctl(0, libc::TIOCSCTTY, 0))?;
            Ok(())
        });
    }
    relay::start(
        ports::open(port::STDIN)?,
        File::from(copy(&terminal.master)?),
    );
    let stdout = relay::start(File::from(terminal.master), stdout);
    Ok(Relays {
        stdout,
        stderr: None,
    })
}

/// Reaps everything, as PID 1 must, until the command has ended.
fn wait_for(
    command: Pid,
    background: &[(Pid, String)],
    notes: &mut Vec<String>,
) -> Result<Outcome> {
    loop {
        let (pid, outcome) = match waitpid(None, None).context("failed to wait for the command")? {
            WaitStatus::Exited(pid, status) => (pid, Outcome::Exited(status as u8)),
            WaitStatus::Signaled(pid, signal, _) => (pid, Outcome::Signaled(signal as u8)),
            _ => continue,
        };
        if pid == command {
            return Ok(outcome);
        }
        if let Some((_, name)) = background.iter().find(|(known, _)| *known == pid) {
            notes.push(format!("the workload `{name}` ended early: {outcome:?}"));
        }
    }
}
