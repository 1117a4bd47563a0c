//! Works in, instructions of one round out. The guest's time stamp counter is the count of its instructions; what
//! comes between, a tick or another task, only makes it more, so that of a few runs the smallest is the work.

use std::{arch::x86_64::_rdtsc, collections::HashMap, fs, process::Command};

use anyhow::{Context as _, Result, ensure};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};

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

/// How often a command is run.
const COMMANDS: usize = 3;

/// Runs a command a few times and writes to `file` how long it took, in nanoseconds of the guest.
///
/// # Errors
///
/// When it fails, or the result cannot be written.
pub(crate) fn time(file: &str, command: &[&str]) -> Result<()> {
    let (program, words) = command.split_first().context("no command")?;
    let mut samples = Vec::new();
    for _ in 0..COMMANDS {
        let since = now();
        let status = Command::new(program).args(words).status();
        let status = status.with_context(|| format!("failed to run `{program}`"))?;
        samples.push((now() - since) as f64);
        ensure!(status.success(), "`{program}` failed: {status}");
    }
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
