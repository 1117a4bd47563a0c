//! A snapshot → the cells of a list by seqcount, site, process or stack.

use std::{cmp::Reverse, collections::BTreeMap};

use super::{
    checks,
    listing::{Cell, Heading},
    table::lock,
};
use crate::{
    aggregate::{
        histogram,
        snapshot::{Row, SeqcountRow, Snapshot, TaskRow},
    },
    plan::Kind,
};

/// Columns, how many of them are names, and the lines.
pub(super) type Lines = (&'static [Heading], usize, Vec<Vec<Cell>>);

macro_rules! headings {
    ($($name:literal $header:literal),* $(,)?) => {
        &[$(Heading { name: $name, header: $header }),*]
    };
}

const SEQCOUNTS: &[Heading] = headings![
    "seqcount" "SEQCOUNT", "total_ns" "TOTAL", "max_ns" "MAX", "p99_ns" "~P99", "blocks" "BLOCKS",
    "slept" "SLEPT", "spins" "SPINS", "retries" "RETRIES", "fallbacks" "FALLBACKS",
    "samples" "SAMPLES", "retrying_ns" "RETRYING", "sites" "SITES", "lock" "WRITERS' LOCK",
];

const SITES: &[Heading] = headings![
    "seqcount" "SEQCOUNT", "site" "SITE", "kind" "KIND", "backend" "BACKEND", "count" "COUNT",
    "total_ns" "TOTAL", "max_ns" "MAX", "p99_ns" "~P99", "p50_ns" "~P50", "slept" "SLEPT",
    "hits" "HITS", "module" "MODULE",
];

const TASKS: &[Heading] = headings![
    "task" "TASK", "pid" "PID", "total_ns" "TOTAL", "count" "WAITS AND RETRIES",
    "blamed_ns" "OTHERS WAITED", "blamed_waits" "THEIR WAITS",
];

const STACKS: &[Heading] = headings![
    "seqcount" "SEQCOUNT", "task" "TASK", "kind" "KIND", "total_ns" "TOTAL", "count" "COUNT",
    "stack" "STACK",
];

pub(super) fn seqcounts(snapshot: &Snapshot) -> Lines {
    let lines = snapshot.seqcounts.iter().map(|sum| {
        let SeqcountRow {
            seqcount,
            lockname,
            sites,
            samples,
            blocks,
            slept,
            spins,
            retries,
            fallbacks,
            total_ns,
            max_ns,
            run_ns,
            histogram,
        } = sum;
        vec![
            Cell::Text(seqcount.clone()),
            Cell::Time(*total_ns),
            Cell::Time(*max_ns),
            time(histogram::quantile(histogram, *max_ns, 0.99)),
            Cell::Number(*blocks),
            Cell::Number(*slept),
            Cell::Number(*spins),
            Cell::Number(*retries),
            Cell::Number(*fallbacks),
            Cell::Number(*samples),
            Cell::Time(*run_ns),
            Cell::Number(*sites),
            Cell::Text(lock(*lockname)),
        ]
    });
    (SEQCOUNTS, 1, lines.collect())
}

pub(super) fn sites(snapshot: &Snapshot) -> Lines {
    let rows = snapshot.rows.iter().filter(|row| checks::is_loss(row));
    let lines = rows.map(|row| {
        let has_time = lasts(row);
        let time_of = |duration_ns| {
            if has_time {
                time(duration_ns)
            } else {
                Cell::None
            }
        };
        vec![
            Cell::Text(row.seqcount.clone()),
            Cell::Text(row.site.clone()),
            Cell::Text(row.kind.word().to_owned()),
            Cell::Text(row.backend.word().to_owned()),
            Cell::Number(row.count),
            time_of(Some(row.total_ns)),
            time_of(row.longest_ns()),
            time_of(row.p99_ns),
            time_of(row.p50_ns),
            known(row.slept, !row.is_part()),
            known(row.hits, row.hits > 0),
            Cell::Text(row.image.clone()),
        ]
    });
    (SITES, 2, lines.collect())
}

/// A number, unless it is not known.
fn known(number: u64, is_known: bool) -> Cell {
    if is_known {
        Cell::Number(number)
    } else {
        Cell::None
    }
}

/// Time and number of what a task lost, and of what others lost to it.
#[derive(Default)]
struct Sums {
    lost: (u64, u64),
    blamed: (u64, u64),
}

/// Time is that of blocks and spins: runs of failed checks have it in them too.
pub(super) fn tasks(snapshot: &Snapshot) -> Lines {
    let mut sums: BTreeMap<(&str, u32), Sums> = BTreeMap::new();
    for row in &snapshot.rows {
        if row.kind == Kind::Write {
            continue;
        }
        let is_wait = matches!(row.kind, Kind::Block | Kind::Spin);
        for TaskRow {
            comm,
            tgid,
            tid: _,
            count,
            total_ns,
        } in &row.readers
        {
            let sum = &mut sums.entry((comm, *tgid)).or_default().lost;
            sum.0 += if is_wait { *total_ns } else { 0 };
            sum.1 += count;
        }
    }
    for blame in &snapshot.blames {
        let writer = &blame.writer;
        let sum = &mut sums.entry((&writer.comm, writer.tgid)).or_default().blamed;
        sum.0 += blame.wait_ns;
        sum.1 += blame.count;
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, sums)| Reverse((sums.lost, sums.blamed)));
    let lines = sums.into_iter().map(|((comm, tgid), sums)| {
        vec![
            Cell::Text(comm.to_owned()),
            Cell::Number(tgid.into()),
            Cell::Time(sums.lost.0),
            Cell::Number(sums.lost.1),
            Cell::Time(sums.blamed.0),
            Cell::Number(sums.blamed.1),
        ]
    });
    (TASKS, 2, lines.collect())
}

pub(super) fn stacks(snapshot: &Snapshot) -> Lines {
    let lines = snapshot.stacks.iter().filter_map(|stack| {
        let row = snapshot.rows.get(stack.row)?;
        let total = if lasts(row) {
            Cell::Time(stack.total_ns)
        } else {
            Cell::None
        };
        let frames = if stack.frames.is_empty() {
            "[stack lost]".to_owned()
        } else {
            stack.frames.join(";")
        };
        Some(vec![
            Cell::Text(row.seqcount.clone()),
            Cell::Text(stack.comm.clone()),
            Cell::Text(row.kind.word().to_owned()),
            total,
            Cell::Number(stack.count),
            Cell::Text(frames),
        ])
    });
    (STACKS, 2, lines.collect())
}

/// Whether events of a site have a time.
fn lasts(row: &Row) -> bool {
    match row.kind {
        Kind::Block | Kind::Spin | Kind::Write => true,
        Kind::Retry | Kind::Fallback => false,
        Kind::Check => row.runs.is_some(),
    }
}

fn time(duration_ns: Option<u64>) -> Cell {
    duration_ns.map_or(Cell::None, Cell::Time)
}
