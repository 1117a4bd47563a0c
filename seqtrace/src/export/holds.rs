//! The holds of the seqcounts whose increments are probed → a table of writers.

use crate::{
    aggregate::snapshot::{Row, Snapshot},
    export::{
        columns::{self, Column, Overflow},
        quantity::dash_if_zero,
        table::{top_reader, waited},
    },
    plan::Kind,
};

/// A line for each increment by which holds began, `None` where there is none.
pub(super) fn section(snapshot: &Snapshot, width: Option<usize>) -> Option<String> {
    let rows = snapshot.rows.iter().filter(|row| row.kind == Kind::Write);
    let rows: Vec<&Row> = rows.collect();
    if rows.is_empty() {
        return None;
    }
    let rows = || rows.iter().copied();
    let time = |header, get: fn(&Row) -> Option<u64>| {
        Column::number(header, rows().map(|row| waited(row, get(row))))
    };
    let names = [
        Column::text("SEQCOUNT", rows().map(|row| row.seqcount.clone())),
        Column::text("WRITER", rows().map(|row| row.site.clone())),
    ];
    let values = [
        Column::number("HOLDS", rows().map(|row| row.count.to_string())),
        time("HELD", |row| Some(row.total_ns)),
        time("MAX", |row| Some(row.max_ns)),
        time("~P99", |row| row.p99_ns),
        Column::number("SLEPT", rows().map(|row| dash_if_zero(row.slept))),
        Column::number("OPEN", rows().map(|row| dash_if_zero(row.in_flight))),
        Column::text("TOP WRITER/PID", rows().map(top_reader)),
    ];
    let values: Vec<&Column> = values.iter().filter(|column| !column.is_blank()).collect();
    Some(columns::render(
        &names.each_ref(),
        &values,
        width,
        Overflow::Continue,
    ))
}
