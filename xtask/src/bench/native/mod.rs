//! Rows of what needs no guest: times on the host, several runs each. They are times, so none has a part
//! in a quick run, and their bounds say what was aimed at.

mod discover;
mod growth;
mod log;
mod recording;
mod ring;
mod start;
mod timed;

use std::{cell::Cell, path::PathBuf, process::Command, thread};

use anyhow::Result;

use super::{
    Wanted,
    row::{Bound, Measured, Row},
};
use crate::{static_build, tool, vm};

/// Where the times were taken.
fn place() -> String {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    format!("{processors} processors, not emulated")
}

/// All rows that are wanted.
///
/// # Errors
///
/// When a program does not build, or fails.
pub(crate) fn rows(wanted: &Wanted) -> Result<Vec<Row>> {
    if wanted.quick || !ROWS.iter().any(|(name, _)| wanted.takes(name)) {
        return Ok(Vec::new());
    }
    let programs = Programs::build()?;
    let mut rows = Vec::new();
    for (name, measure) in ROWS {
        if wanted.takes(name) {
            rows.push(measure(&programs, wanted)?);
        }
    }
    Ok(rows)
}

/// The name of a row, and who measures it.
type Entry = (&'static str, fn(&Programs, &Wanted) -> Result<Row>);

const ROWS: &[Entry] = &[
    (discover::SCAN, discover::scan),
    (discover::DWARF, discover::dwarf),
    (recording::REPORT, recording::report),
    (recording::FILTERED, recording::filtered),
    (recording::FLAME, recording::flame),
    (recording::PPROF, recording::pprof),
    (recording::PERFETTO, recording::perfetto),
    (recording::MEMORY, recording::memory),
    (ring::THOUSAND, ring::thousand),
    (ring::TEN_THOUSAND, ring::ten_thousand),
    (ring::HUNDRED_THOUSAND, ring::hundred_thousand),
    (ring::MEMORY, ring::memory),
    (log::GIGABYTE, log::gigabyte),
    (log::MEMORY, log::memory),
    (start::CACHED, start::cached),
    (growth::TEXT, growth::text),
    (growth::MODULES, growth::modules),
    (growth::STACKS, growth::stacks),
    (growth::TASKS, growth::tasks),
];

/// A row that has neither a limit nor peers.
fn row(name: &str, unit: &str, what: &str, own: Measured) -> Row {
    Row::of(name, unit, what, &place(), own)
}

/// As [`row`], of what may be so much at most.
fn bounded(name: &str, unit: &str, what: &str, own: Measured, most: f64) -> Row {
    Row {
        bound: Some(Bound::AtMost(most)),
        ..row(name, unit, what, own)
    }
}

/// The optimised programs, linked as those for guests are.
struct Programs {
    folder: PathBuf,
    /// Whether the recording of this run was written.
    has_recording: Cell<bool>,
}

impl Programs {
    fn build() -> Result<Self> {
        tool::run(&mut vm::Programs::command(vm::With::Tests))?;
        Ok(Self {
            folder: static_build::programs(),
            has_recording: Cell::new(false),
        })
    }

    fn seqtrace(&self) -> Command {
        Command::new(self.folder.join("seqtrace"))
    }

    /// One of the examples.
    fn example(&self, name: &str) -> Command {
        Command::new(self.folder.join("examples").join(name))
    }
}
