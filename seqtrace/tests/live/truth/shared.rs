//! Runs of forced episodes that several cases look at: to attach, to detach and the episodes themselves
//! take longer than all comparisons. The first case that asks makes the run.

use std::sync::OnceLock;

use ::seqtrace::aggregate::snapshot::Snapshot;

use super::module::{Kind, Module};
use crate::guest::Guest;

/// Episodes of each reader, and of each kind's writer. A long run has as many as make a million.
pub(crate) const EPISODES: u64 = 10_000;
const LONG_WAITS: u64 = 50_000;
const LONG_HOLDS: u64 = 170_000;

/// Waits of each reader whose writers are probed.
const BLAMED: u64 = 1_000;

/// What the tracer and the module told.
pub(crate) struct Run {
    pub(crate) snapshot: Snapshot,
    pub(crate) truth: Vec<Kind>,
    /// Waits of each reader that waits.
    pub(crate) waits: u64,
    /// Least number of holds of each kind but the latch.
    pub(crate) holds: u64,
}

/// Waits, and then retries: one in a row and three, of each reader that takes part in such; nothing is probed
/// but what always is.
pub(crate) fn plain(guest: &Guest) -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| {
        let waits = guest.episodes(EPISODES, LONG_WAITS);
        let commands = [
            format!("odd all {waits}"),
            format!("retry all {EPISODES}"),
            format!("runs all 3 {EPISODES}"),
        ];
        run(|_| Vec::new(), &commands, waits, 0)
    })
}

/// Waits, and then holds, with each writer probed. A latch has none: its readers never wait for one.
pub(crate) fn with_writers(guest: &Guest) -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| {
        let holds = guest.episodes(EPISODES, LONG_HOLDS);
        let kinds = [
            "plain",
            "raw_spinlock",
            "spinlock",
            "rwlock",
            "mutex",
            "seqlock",
        ];
        let mut commands = vec![format!("odd all {BLAMED}")];
        commands.extend(kinds.map(|kind| format!("hold {kind} task {holds}")));
        let writers = |kind: &Kind| match &*kind.name {
            "latch" => Vec::new(),
            _ => vec!["--writers".to_owned(), kind.seqcount.clone()],
        };
        run(writers, &commands, BLAMED, holds)
    })
}

fn run(
    options_of: impl Fn(&Kind) -> Vec<String>,
    commands: &[String],
    waits: u64,
    holds: u64,
) -> Run {
    let module = Module::load();
    let options: Vec<String> = module.truth().iter().flat_map(options_of).collect();
    let mut words = vec!["--threshold", "1s"];
    words.extend(options.iter().map(String::as_str));
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    let (snapshot, truth) = module.trace(&words, &commands);
    Run {
        snapshot,
        truth,
        waits,
        holds,
    }
}
