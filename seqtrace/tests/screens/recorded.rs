//! Sessions: a recording from `tests/data/recordings`, or a snapshot from `tests/data/snapshots` and what came
//! before it.

use std::{fs, iter, path::Path, sync::Arc};

use seqtrace::{
    aggregate::snapshot::Snapshot,
    export::json,
    recording::{Entry, Reader},
};

/// A session.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Recorded {
    /// Renames, mounts and exiting threads on PREEMPT_RT, recorded in a guest, with stacks and blame.
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
            Self::Storm => "6.12-rt",
            Self::Retries => "retries",
            Self::Losses => "losses",
            Self::Quiet => "quiet",
        }
    }
}

/// The snapshots of the session, oldest first.
pub(crate) fn recorded(which: Recorded) -> Vec<Arc<Snapshot>> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let name = which.name();
    match which {
        Recorded::Storm => recording(&data.join("recordings").join(format!("{name}.seqtrace"))),
        Recorded::Retries | Recorded::Losses | Recorded::Quiet => {
            snapshot(&data.join("snapshots").join(name).with_extension("json"))
        }
    }
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn recording(path: &Path) -> Vec<Arc<Snapshot>> {
    let bytes = read(path);
    let mut reader = Reader::open(&bytes[..]).expect("it is a recording");
    let entries = iter::from_fn(|| reader.next(false));
    let snapshots = entries.filter_map(|entry| match entry {
        Entry::Snapshot(taken) => Some(Arc::new(taken.snapshot)),
        Entry::Event(_) => None,
    });
    snapshots.collect()
}

/// How the session came to the snapshot: eight looks, at each of which a part of everything had happened.
fn snapshot(path: &Path) -> Vec<Arc<Snapshot>> {
    let end = json::read(&read(path)).expect("it is a snapshot");
    let parts = [5, 10, 25, 30, 55, 60, 80].into_iter();
    let parts = parts.map(|percent| earlier(&end, percent));
    parts.chain([end.clone()]).map(Arc::new).collect()
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
