//! One line for each of the longest events.

use super::time;
use crate::{
    aggregate::snapshot::EventRow,
    plan::Kind,
    tui::{
        data::Data,
        key::{Event, Key},
        table::{Cell, Column, Line, Table},
        text::safe,
    },
};

const COLUMNS: &[Column] = &[
    Column::number("LASTED"),
    Column::text("READER/TID"),
    Column::text("OWNER/TID"),
    Column::text("SEQCOUNT"),
    Column::text("SITE"),
    Column::text("KIND"),
    Column::number("CPU"),
    Column::number("ENDED AT (S)"),
];

/// The column of how long it was.
pub(super) const LASTED: usize = 0;

pub(super) fn table(data: &Data) -> Table {
    let events = data.total.events.iter();
    Table::new(COLUMNS, events.map(line).collect())
}

fn line(event: &EventRow) -> Line {
    let kind = match event.kind {
        Kind::Block if event.slept => "block, slept".to_owned(),
        Kind::Check => {
            let so_far = if event.unconverged { " and on" } else { "" };
            format!("{} retries{so_far}", event.retries.unwrap_or(0))
        }
        kind => kind.word().to_owned(),
    };
    let owner = match (&event.owner_comm, event.owner_tid) {
        (Some(comm), Some(tid)) => Cell::text(format!("{}/{tid}", safe(comm))),
        (None, Some(tid)) => Cell::text(tid.to_string()),
        (_, None) => Cell::blank(),
    };
    let ended_s = event.time_ns as f64 / 1e9;
    let cells = vec![
        time(event.duration_ns, false),
        Cell::text(format!("{}/{}", safe(&event.comm), event.tid)),
        owner,
        Cell::text(safe(&event.seqcount)),
        Cell::text(safe(&event.site)),
        Cell::text(kind),
        Cell::number(f64::from(event.cpu), event.cpu.to_string()),
        Cell::number(ended_s, format!("{ended_s:.6}")),
    ];
    Line {
        key: Key::Event(Event::of(event)),
        cells,
    }
}
