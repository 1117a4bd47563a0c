//! What seqtrace takes of a processor while records come at a pace. A BPF program writes them into the ring of a
//! `seqtrace stat` that samples, which the host need have no kprobes for.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{
    super::{
        Wanted,
        row::{Bound, Limit, Measured, Row},
        taken::Taken,
    },
    Programs, bounded,
};
use crate::tool;

pub(super) const THOUSAND: &str = "ring/1k";
pub(super) const TEN_THOUSAND: &str = "ring/10k";
pub(super) const HUNDRED_THOUSAND: &str = "ring/100k";
pub(super) const MEMORY: &str = "ring/memory";

/// Runs of each.
const RUNS: usize = 3;

/// How long records come in each.
const SECONDS: u64 = 5;

/// How long a seqtrace may take until it counts: it reads the kernel's text first.
const START: Duration = Duration::from_mins(1);

pub(super) fn thousand(programs: &Programs, _: &Wanted) -> Result<Row> {
    row(programs, THOUSAND, 1000, None)
}

pub(super) fn ten_thousand(programs: &Programs, _: &Wanted) -> Result<Row> {
    row(programs, TEN_THOUSAND, 10_000, None)
}

pub(super) fn hundred_thousand(programs: &Programs, _: &Wanted) -> Result<Row> {
    row(programs, HUNDRED_THOUSAND, 100_000, Some(2.0))
}

pub(super) fn memory(programs: &Programs, _: &Wanted) -> Result<Row> {
    let own = beside(programs, 100_000)?;
    let what = "memory of `seqtrace stat` after 100,000 records a second";
    Ok(bounded(
        MEMORY,
        "MiB",
        what,
        own.iter().map(Taken::mebibytes).collect(),
        40.0,
    ))
}

fn row(programs: &Programs, name: &str, rate: u64, most: Option<f64>) -> Result<Row> {
    let own = beside(programs, rate)?;
    let alone: Result<Vec<Taken>> = (0..RUNS).map(|_| pace(programs, "alone", rate)).collect();
    let what = format!(
        "`seqtrace stat` while {rate} records a second come through the ring; none is lost"
    );
    Ok(Row {
        limit: Some(Limit {
            what: "a loop that only empties the ring".to_owned(),
            measured: percent(&alone?),
        }),
        bound: most.map(Bound::AtMost),
        ..super::row(name, "% of a core", &what, percent(&own))
    })
}

fn percent(taken: &[Taken]) -> Measured {
    taken.iter().map(Taken::percent).collect()
}

/// What a seqtrace takes, in several runs.
fn beside(programs: &Programs, rate: u64) -> Result<Vec<Taken>> {
    (0..RUNS)
        .map(|_| {
            let folder = tempfile::tempdir().context("failed to create a folder")?;
            let mut tracer = Tracer::start(programs, &folder.path().join("counting"))?;
            let taken = pace(programs, &tracer.0.id().to_string(), rate)?;
            tracer.end()?;
            Ok(taken)
        })
        .collect()
}

/// Has records written for the reader of this process id.
fn pace(programs: &Programs, reader: &str, rate: u64) -> Result<Taken> {
    let mut pace = programs.example("pace");
    pace.args([reader, &rate.to_string(), &SECONDS.to_string()]);
    let text = tool::text(&mut pace)?;
    Taken::read(&text, rate * SECONDS)
}

/// A seqtrace that counts until it is ended.
struct Tracer(Child);

impl Tracer {
    /// Starts one and waits until it counts: its command makes `sign`.
    fn start(programs: &Programs, sign: &Path) -> Result<Self> {
        let mut seqtrace: Command = programs.seqtrace();
        seqtrace
            .args([
                "stat",
                "--quiet",
                "--backend",
                "sample",
                "--threshold",
                "1us",
            ])
            // The command ends with the pipe, however the tracer or this process ends.
            .args(["--", "sh", "-c", "touch \"$0\" && exec cat"])
            .arg(sign)
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        let child = seqtrace.spawn().context("failed to run seqtrace")?;
        let mut tracer = Self(child);
        let since = Instant::now();
        while !fs::exists(sign).is_ok_and(|exists| exists) {
            if let Some(status) = tracer.0.try_wait().context("failed to wait for seqtrace")? {
                bail!("seqtrace ended before it counted: {status}");
            }
            ensure!(since.elapsed() < START, "seqtrace did not begin to count");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(tracer)
    }

    fn end(&mut self) -> Result<()> {
        let pid = nix::unistd::Pid::from_raw(self.0.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT)
            .context("failed to interrupt seqtrace")?;
        self.0.wait().context("failed to wait for seqtrace")?;
        Ok(())
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // It is gone already unless something failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
