//! One line for each reader that waited for a writer.

use std::collections::BTreeMap;

use super::{lost_per_second, time_or_blank};
use crate::{
    aggregate::{
        blame::{BlameRow, Party},
        snapshot::Snapshot,
    },
    tui::{
        data::Data,
        key::{Key, Pair, Task},
        table::{Cell, Column, Line, Table},
        text::safe,
    },
};

const COLUMNS: &[Column] = &[
    Column::text("READER/TID"),
    Column::text("→ WRITER/TID"),
    Column::text("SEQCOUNT"),
    Column::number("LOST/S"),
    Column::number("LOST"),
    Column::number("WAITS"),
    Column::text("WRITER WAS"),
    Column::text("READER AT"),
    Column::text("HELD FROM"),
    Column::number("EACH"),
    Column::number("HELD SO FAR"),
];

/// The column of the time lost for each second.
pub(super) const LOST: usize = 3;

/// Waits that differ only in their stacks and in which counter of a name it was.
struct Sum<'a> {
    first: &'a BlameRow,
    count: u64,
    wait_ns: u64,
    held_ns: Option<u64>,
}

/// The pair that a row belongs to.
pub(crate) fn pair_of(row: &BlameRow) -> Pair {
    let task = |party: &Party| Task {
        comm: party.comm.clone(),
        tgid: party.tgid,
    };
    Pair {
        slot: row.slot,
        reader: task(&row.reader),
        writer: task(&row.writer),
        writer_site: row.writer_site.clone(),
        state: row.state.word(),
    }
}

pub(super) fn table(data: &Data) -> Table {
    let last = sums(&data.last);
    let lines = sums(&data.total).into_iter().map(|(pair, sum)| {
        let last_ns = last.get(&pair).map_or(0, |sum| sum.wait_ns);
        line(data, pair, &sum, last_ns)
    });
    Table::new(COLUMNS, lines.collect())
}

fn line(data: &Data, pair: Pair, sum: &Sum<'_>, last_ns: u64) -> Line {
    let Sum {
        first,
        count,
        wait_ns,
        held_ns,
    } = sum;
    let party = |party: &Party| Cell::text(format!("{}/{}", safe(&party.comm), party.tid));
    let average = |time_ns: u64| time_ns / (*count).max(1);
    let mut writer = party(&first.writer);
    writer.text.insert_str(0, "→ ");
    let cells = vec![
        party(&first.reader),
        writer,
        Cell::text(safe(&first.seqcount)),
        lost_per_second(data, last_ns, false),
        time_or_blank(Some(*wait_ns)),
        Cell::count(*count),
        Cell::text(first.state.word()),
        Cell::text(safe(&first.site)),
        first
            .writer_site
            .as_ref()
            .map_or_else(Cell::blank, |site| Cell::text(safe(site))),
        time_or_blank(Some(average(*wait_ns))),
        time_or_blank(held_ns.map(average)),
    ];
    Line {
        key: Key::Pair(pair),
        cells,
    }
}

fn sums(snapshot: &Snapshot) -> BTreeMap<Pair, Sum<'_>> {
    let mut sums = BTreeMap::<Pair, Sum<'_>>::new();
    for row in &snapshot.blames {
        let sum = sums.entry(pair_of(row)).or_insert(Sum {
            first: row,
            count: 0,
            wait_ns: 0,
            held_ns: None,
        });
        sum.count += row.count;
        sum.wait_ns = sum.wait_ns.saturating_add(row.wait_ns);
        if let Some(held_ns) = row.held_ns {
            *sum.held_ns.get_or_insert_default() += held_ns;
        }
    }
    sums
}
