//! `stat`: a traced run and what is printed of it.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::{Result, bail};
use log::error;

use crate::{
    aggregate::snapshot::Snapshot,
    command::{
        child,
        interrupt::Interrupt,
        trace::{self, Outcome, Request},
    },
    config::{Span, Trace},
    export::{account, json, table},
};

/// Exit status of a run that was ended because probing had gone wild.
pub(super) const WILD: u8 = 4;

/// Exit status of a run in which something was lost, with `--strict`.
const LOST: u8 = 5;

/// Exit status of a run that the kill file ended.
const KILLED: u8 = 6;

/// Totals at the end.
///
/// # Errors
///
/// When the run cannot be done or its output cannot be written.
pub async fn stat(json: bool, span: &Span, trace: &Trace, progress: bool) -> Result<u8> {
    let outcome = quiet(span, trace, progress).await?;
    if json {
        print(&json::document(&outcome.snapshot))?;
    } else {
        print(&table::closing(&outcome.snapshot, size().0))?;
    }
    finish(&outcome, trace)
}

/// A run that prints nothing before its end.
pub(super) async fn quiet(span: &Span, trace: &Trace, progress: bool) -> Result<Outcome> {
    let request = Request {
        trace,
        span,
        interval: None,
        chosen: None,
        progress,
    };
    let interrupt = Interrupt::listen()?;
    trace::trace(&request, &interrupt, |_| Ok(())).await
}

/// The exit status: that of the command, unless it is zero and there is more to say.
pub(super) fn finish(outcome: &Outcome, trace: &Trace) -> Result<u8> {
    if !outcome.departed.is_empty() {
        let modules: Vec<_> = outcome.departed.iter().map(String::as_str).collect();
        bail!(
            "unloaded while probed: {}; the numbers of its sites end there, run seqtrace again to \
             trace what is loaded now",
            modules.join(", ")
        );
    }
    let is_whole = !trace.limits.strict || told_whole(&outcome.snapshot);
    if outcome.is_wild {
        error!(
            "ended: the probes cost far more than the budget, and turning them down did not help; \
             name fewer seqcounts, or raise `--budget`"
        );
        return Ok(WILD);
    }
    Ok(match outcome.status.map_or(0, child::exit_code) {
        0 if outcome.killed => KILLED,
        0 if !is_whole => LOST,
        status => status,
    })
}

/// Whether nothing was lost and all adds up; tells on stderr what does not.
fn told_whole(snapshot: &Snapshot) -> bool {
    let lost = account::lost(snapshot).map(|lost| format!("lost: {lost}"));
    let broken = snapshot.check();
    let broken = broken
        .iter()
        .map(|broken| format!("does not add up: {broken}"));
    let told: Vec<String> = lost.into_iter().chain(broken).collect();
    if !told.is_empty() {
        error!("{}", told.join("; "));
    }
    told.is_empty()
}

/// Columns and lines of the terminal on standard output; `None` where it is none.
pub(super) fn size() -> (Option<usize>, Option<usize>) {
    if !io::stdout().is_terminal() {
        return (None, None);
    }
    match terminal_size::terminal_size() {
        Some((width, height)) => (Some(usize::from(width.0)), Some(usize::from(height.0))),
        None => (None, None),
    }
}

pub(super) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}
