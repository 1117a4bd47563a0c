//! One line for each seqcount: what its readers lose now and have lost, and the worst of them.

use std::collections::BTreeMap;

use super::{is_sampled, lost_per_second, per_second, time, with_share};
use crate::{
    aggregate::{
        histogram,
        snapshot::{Row, SeqcountRow, Snapshot, TaskRow},
    },
    export::table::lock,
    plan::Kind,
    tui::{
        data::Data,
        key::{Key, Seqcount},
        table::{Cell, Column, Line, Table},
        text::safe,
    },
};

const COLUMNS: &[Column] = &[
    Column::text("SEQCOUNT"),
    Column::number("WAITS/S"),
    Column::number("LOST/S"),
    Column::number("RETRIES/S"),
    Column::text("LAST MINUTE"),
    Column::text("WORST READER/PID"),
    Column::text("WORST WRITER/TID"),
    Column::number("WAITS"),
    Column::number("TOTAL"),
    Column::number("MAX"),
    Column::number("~P99"),
    Column::number("SLEPT"),
    Column::number("RETRIES"),
    Column::number("FALLBACKS"),
    Column::number("SITES"),
    Column::text("WRITERS' LOCK"),
];

/// The column of the time lost for each second.
pub(super) const LOST: usize = 2;

pub(super) fn table(data: &Data, bars: usize) -> Table {
    let sums = data.total.seqcounts.iter();
    let lines = sums.filter_map(|sum| line(data, sum, bars));
    Table::new(COLUMNS, lines.collect())
}

fn line(data: &Data, sum: &SeqcountRow, bars: usize) -> Option<Line> {
    let id = Seqcount {
        name: sum.seqcount.clone(),
        lockname: sum.lockname,
    };
    let last = data.last_seqcount(&id);
    let last = |number: fn(&SeqcountRow) -> u64| last.map_or(0, number);
    let rows: Vec<&Row> = rows(&data.total, &id).collect();
    let in_flight = rows.iter().any(|row| row.in_flight > 0);
    if sum.events() == 0 && !in_flight {
        return None;
    }
    let is_estimate = sum.samples > 0;
    let waits = |sum: &SeqcountRow| sum.samples + sum.blocks + sum.spins;
    let has_waits = waits(sum) > 0;
    let time_of = |time_ns| {
        if has_waits {
            time(time_ns, is_estimate)
        } else {
            Cell::blank()
        }
    };
    let p99_ns = histogram::quantile(&sum.histogram, sum.max_ns, 0.99);
    let cells = vec![
        Cell::text(safe(&id.name)),
        per_second(data, last(waits)),
        lost_per_second(data, last(|sum| sum.total_ns), is_estimate),
        per_second(data, last(|sum| sum.retries + sum.fallbacks)),
        Cell::text(data.history.bars(&id, bars)),
        worst_reader(&rows, sum),
        worst_writer(&data.total, &rows, sum),
        Cell::count(waits(sum)),
        time_of(sum.total_ns),
        longest(data, &rows, sum.max_ns),
        p99_ns.map_or_else(Cell::blank, |time_ns| time(time_ns, false)),
        Cell::count(sum.slept),
        Cell::count(sum.retries),
        Cell::count(sum.fallbacks),
        Cell::count(rows.iter().filter(|row| row.count > 0).count() as u64),
        Cell::text(lock(sum.lockname)),
    ];
    Some(Line {
        key: Key::Seqcount(id),
        cells,
    })
}

/// The sites of a seqcount where readers lose time or tries.
fn rows<'a>(snapshot: &'a Snapshot, id: &Seqcount) -> impl Iterator<Item = &'a Row> {
    snapshot.rows.iter().filter(move |row| {
        row.kind != Kind::Write && row.seqcount == id.name && row.lockname == id.lockname
    })
}

fn longest(data: &Data, rows: &[&Row], max_ns: u64) -> Cell {
    if rows.iter().all(|row| is_sampled(row)) || max_ns == 0 {
        return Cell::blank();
    }
    let mut cell = time(max_ns, false);
    if data.is_bound(rows.iter().copied(), max_ns) {
        cell.text.insert(0, '<');
    }
    cell
}

fn worst_reader(rows: &[&Row], sum: &SeqcountRow) -> Cell {
    let worst = worst(rows.iter().flat_map(|row| &row.readers), |task| task.tgid);
    worst.map_or_else(Cell::blank, |task| {
        with_share(&task, task.tgid, sum.total_ns + sum.run_ns, sum.events())
    })
}

/// The writer that most time was lost for: by blame, or else by who owned the lock.
fn worst_writer(snapshot: &Snapshot, rows: &[&Row], sum: &SeqcountRow) -> Cell {
    let blames = snapshot.blames.iter();
    let blames = blames.filter(|blame| rows.iter().any(|row| row.slot == blame.slot));
    let writers = blames.map(|blame| TaskRow {
        comm: blame.writer.comm.clone(),
        tgid: blame.writer.tgid,
        tid: blame.writer.tid,
        count: blame.count,
        total_ns: blame.wait_ns,
        ..TaskRow::default()
    });
    let writers: Vec<TaskRow> = writers.collect();
    let owners = rows.iter().flat_map(|row| &row.owners);
    let worst = worst(writers.iter(), |task| task.tid).or_else(|| worst(owners, |task| task.tid));
    worst.map_or_else(Cell::blank, |task| {
        with_share(&task, task.tid, sum.total_ns, sum.events())
    })
}

/// The task with most time, or most events where none has any, added up by name and `id`.
fn worst<'a>(
    tasks: impl Iterator<Item = &'a TaskRow>,
    id: impl Fn(&TaskRow) -> u32,
) -> Option<TaskRow> {
    let mut sums = BTreeMap::<(&str, u32), TaskRow>::new();
    for task in tasks {
        if let Some(sum) = sums.get_mut(&(&task.comm, id(task))) {
            sum.count += task.count;
            sum.total_ns = sum.total_ns.saturating_add(task.total_ns);
        } else {
            sums.insert((&task.comm, id(task)), task.clone());
        }
    }
    // Of equals the first by name, so that the same numbers give the same screen.
    let sums = sums.into_values().rev();
    sums.max_by_key(|task| (task.total_ns, task.count))
}
