//! What a task tells a person, on standard error: standard output belongs to what the task runs.

#![expect(clippy::print_stderr, reason = "this is where the tasks print")]

use std::fmt::Display;

/// Names a step that is about to begin, as cargo does: `   Fetching linux-image-rt-amd64`.
pub(crate) fn step(verb: &str, what: impl Display) {
    eprintln!("{verb:>12} {what}");
}

/// A line that needs no verb: a warning, or a part of a log.
pub(crate) fn line(text: impl Display) {
    eprintln!("{text}");
}

/// Says in one line why a task could not do its work.
pub(crate) fn failure(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}
