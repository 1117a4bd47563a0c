//! How long a program runs, and how much memory it has at most.

use std::{
    io,
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Command, ExitStatus, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::{super::row::Measured, Programs};
use crate::tool;

/// Runs of each program, after one that is not counted.
const RUNS: usize = 5;

const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// What one run took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) wall_ms: f64,
    /// Of all threads on a processor.
    pub(super) cpu_ms: f64,
    pub(super) peak_mib: f64,
}

/// Times in milliseconds of several runs.
pub(super) fn milliseconds(command: &mut Command) -> Result<Measured> {
    Ok(runs(command)?.iter().map(|run| run.wall_ms).collect())
}

/// Milliseconds on a processor of several runs: who else uses the machine makes the other times longer.
pub(super) fn processor_milliseconds(command: &mut Command) -> Result<Measured> {
    Ok(runs(command)?.iter().map(|run| run.cpu_ms).collect())
}

/// The most memory in MiB of several runs.
pub(super) fn mebibytes(command: &mut Command) -> Result<Measured> {
    Ok(runs(command)?.iter().map(|run| run.peak_mib).collect())
}

fn runs(command: &mut Command) -> Result<Vec<Run>> {
    run(command)?;
    (0..RUNS).map(|_| run(command)).collect()
}

/// What `cost` prints, as far as it is wanted.
#[derive(Deserialize)]
struct Cost {
    time_ns: u64,
}

/// Milliseconds of a stage of `cost`, measured inside the program: reading the file is no part of it.
pub(super) fn stage(programs: &Programs, stage: &str, file: &Path) -> Result<Measured> {
    (0..RUNS)
        .map(|_| {
            let text = tool::text(programs.example("cost").arg(stage).arg(file))?;
            let cost: Cost =
                serde_json::from_str(&text).with_context(|| format!("failed to read `{text}`"))?;
            Ok(cost.time_ns as f64 / 1e6)
        })
        .collect::<Result<Vec<f64>>>()
        .map(Measured::from_iter)
}

/// Runs a program to success once; what it prints is forgotten.
pub(super) fn run(command: &mut Command) -> Result<Run> {
    let since = Instant::now();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("failed to run {command:?}"))?;
    let (status, usage) = reap(child.id()).context("failed to wait for a program")?;
    let wall_ms = since.elapsed().as_secs_f64() * 1000.0;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(Run {
        wall_ms,
        cpu_ms: milliseconds_of(usage.ru_utime) + milliseconds_of(usage.ru_stime),
        peak_mib: usage.ru_maxrss as f64 * 1024.0 / MEBIBYTE,
    })
}

fn milliseconds_of(time: libc::timeval) -> f64 {
    time.tv_sec as f64 * 1e3 + time.tv_usec as f64 / 1e3
}

/// Waits for a child as the standard library does, and asks for what it used: no wrapper has that.
fn reap(pid: u32) -> io::Result<(ExitStatus, libc::rusage)> {
    let mut status = 0;
    // SAFETY: all its bytes may be zero.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both are ours to be written, and the child is one that nobody else waits for.
    let reaped = unsafe { libc::wait4(pid.cast_signed(), &raw mut status, 0, &raw mut usage) };
    if reaped < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((ExitStatus::from_raw(status), usage))
}
