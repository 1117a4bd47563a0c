//! Works in, instructions of one round out. The guest's time stamp counter is the count of its instructions; what
//! comes between, a tick or another task, only makes it more, so that of a few runs the smallest is the work.

use std::{
    arch::x86_64::_rdtsc,
    collections::HashMap,
    env, fs,
    io::{self, Write as _},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};
use serde_json::Value;

use guest::Measurements;

use crate::work::Work;

/// Measurements of each work.
const SAMPLES: usize = 9;
/// Runs of each length in a measurement, of which the smallest counts.
const RUNS: usize = 6;

/// Does what the [`Measurements`] in `plan` ask for.
///
/// # Errors
///
/// When a work cannot be done, or the result not be written.
pub(crate) fn run(plan: &str) -> Result<()> {
    let text = fs::read(plan).with_context(|| format!("failed to read `{plan}`"))?;
    let Measurements { works, file } =
        serde_json::from_slice(&text).with_context(|| format!("failed to parse `{plan}`"))?;
    stay_on_the_first_cpu()?;
    Work::prepare()?;
    let mut measured = serde_json::Map::new();
    for (name, rounds) in works {
        let work = Work::of(&name)?;
        work.forget()?;
        work.run(rounds)?;
        let samples = (0..SAMPLES)
            .map(|_| one(&work, rounds))
            .collect::<Result<Vec<f64>>>()?;
        measured.insert(name, samples.into());
    }
    let text = serde_json::to_string(&measured).context("failed to write the measurements")?;
    fs::write(&file, text).with_context(|| format!("failed to write `{file}`"))
}

/// Runs a command a few times and writes to `file` how long it took, in nanoseconds of the guest.
///
/// # Errors
///
/// When it fails, or the result cannot be written.
pub(crate) fn time(file: &str, times: &str, command: &[&str]) -> Result<()> {
    let samples = (0..times.parse().context("how often: a number")?).map(|_| {
        let since = now();
        run_to_success(command, &[])?;
        Ok((now() - since) as f64)
    });
    keep(file, samples.collect::<Result<_>>()?)
}

/// Runs a seqtrace that prints one JSON document a few times, and writes to `file` how long it took until the command
/// that it was given began, in nanoseconds of the guest, without the time that it says it took to put probes in place.
///
/// # Errors
///
/// As [`time`].
pub(crate) fn begin(file: &str, times: &str, command: &[&str]) -> Result<()> {
    let own = env::current_exe().context("failed to find this program")?;
    let own = own.to_str().context("its path is no text")?;
    let samples = (0..times.parse().context("how often: a number")?).map(|_| {
        let since = now();
        let document = run_to_success(command, &["--", own, "mark", MARK])?;
        let document: Value =
            serde_json::from_slice(&document).context("failed to parse what was printed")?;
        let mark = fs::read_to_string(MARK).context("the command did not begin")?;
        let begun: u64 = mark.parse().context("failed to parse a number")?;
        let attach_ns = document["costs"]["attach_ns"]
            .as_u64()
            .context("it does not say how long attaching took")?;
        Ok((begun - since - attach_ns) as f64)
    });
    keep(file, samples.collect::<Result<_>>()?)
}

/// Where the time is left at which a command began.
const MARK: &str = "/tmp/bench-mark";

/// Writes the time to `file`.
///
/// # Errors
///
/// When it cannot be written.
pub(crate) fn mark(file: &str) -> Result<()> {
    fs::write(file, now().to_string()).with_context(|| format!("failed to write `{file}`"))
}

/// Runs a command and returns what it printed.
fn run_to_success(command: &[&str], more: &[&str]) -> Result<Vec<u8>> {
    let (program, words) = command.split_first().context("no command")?;
    let output = Command::new(program)
        .args(words)
        .args(more)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("failed to run `{program}`"))?;
    let status = output.status;
    io::stdout()
        .write_all(&output.stdout)
        .context("failed to print")?;
    ensure!(status.success(), "`{program}` failed: {status}");
    Ok(output.stdout)
}

fn keep(file: &str, samples: Vec<f64>) -> Result<()> {
    let text = serde_json::to_string(&HashMap::from([("time", samples)]));
    fs::write(file, text.context("failed to write the times")?)
        .with_context(|| format!("failed to write `{file}`"))
}

/// Instructions of one round: what the second half of twice as many takes.
fn one(work: &Work, rounds: u32) -> Result<f64> {
    let mut least = [u64::MAX; 2];
    for _ in 0..RUNS {
        for (least, rounds) in least.iter_mut().zip([rounds, 2 * rounds]) {
            let since = now();
            work.run(rounds)?;
            *least = (*least).min(now() - since);
        }
    }
    Ok((least[1] as f64 - least[0] as f64) / f64::from(rounds))
}

fn now() -> u64 {
    // SAFETY: every x86-64 processor has the counter, and Linux lets programs read it.
    unsafe { _rdtsc() }
}

fn stay_on_the_first_cpu() -> Result<()> {
    let mut first = CpuSet::new();
    first.set(0).context("failed to name the first CPU")?;
    sched_setaffinity(Pid::from_raw(0), &first).context("failed to stay on the first CPU")
}
