//! Snapshots from `tests/data/snapshots`, and what came before them.

use std::{fs, path::Path, sync::Arc};

use seqtrace::{aggregate::snapshot::Snapshot, export::json};

/// One of the committed snapshots.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Recorded {
    /// Renames, mounts and exiting threads on PREEMPT_RT, with stacks and blame.
    Storm,
    /// Retries of probed checks.
    Retries,
    /// Things were lost.
    Losses,
    /// Nothing happened.
    Quiet,
}

impl Recorded {
    fn name(self) -> &'static str {
        match self {
            Self::Storm => "realtime",
            Self::Retries => "retries",
            Self::Losses => "losses",
            Self::Quiet => "quiet",
        }
    }
}

/// How the session came to the snapshot: eight looks, at each of which a part of everything had happened.
pub(crate) fn recorded(which: Recorded) -> Vec<Arc<Snapshot>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/snapshots")
        .join(which.name())
        .with_extension("json");
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let end = json::read(&bytes).unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
    let mut all: Vec<_> = [5, 10, 25, 30, 55, 60, 80]
        .into_iter()
        .map(|percent| Arc::new(earlier(&end, percent)))
        .collect();
    all.push(Arc::new(end));
    all
}

/// The snapshot when so much of everything had happened. Only numbers that rates are made of.
fn earlier(end: &Snapshot, percent: u64) -> Snapshot {
    let mut snapshot = end.clone();
    let part = |number: &mut u64| *number = *number * percent / 100;
    part(&mut snapshot.elapsed_ns);
    for row in &mut snapshot.rows {
        part(&mut row.hits);
        part(&mut row.count);
        part(&mut row.total_ns);
        row.histogram
            .iter_mut()
            .for_each(|(_, events)| part(events));
        for task in row.readers.iter_mut().chain(&mut row.owners) {
            part(&mut task.count);
            part(&mut task.total_ns);
        }
    }
    for sum in &mut snapshot.seqcounts {
        for number in [
            &mut sum.samples,
            &mut sum.blocks,
            &mut sum.spins,
            &mut sum.retries,
            &mut sum.fallbacks,
            &mut sum.total_ns,
        ] {
            part(number);
        }
        sum.histogram
            .iter_mut()
            .for_each(|(_, events)| part(events));
    }
    for blame in &mut snapshot.blames {
        part(&mut blame.count);
        part(&mut blame.wait_ns);
    }
    for stack in &mut snapshot.stacks {
        part(&mut stack.count);
        part(&mut stack.total_ns);
    }
    snapshot.events.truncate(snapshot.events.len() / 2);
    snapshot
}
