//! A snapshot and its last interval → one screen of the live table.

use std::cmp::Reverse;

use crate::{
    aggregate::{
        rates::{Change, Interval, per_second},
        snapshot::{Row, Snapshot},
    },
    export::{
        account, checks,
        columns::{self, Column, Overflow},
        filters, governor,
        quantity::{plural, three_digits},
        table::{self, headline, names, nothing, top_owner, top_reader, total, waited},
    },
};

/// Lines besides the rows: headline, blank, table header, blank, sites, losses, and the line that
/// tells of rows left out; one more where there is a budget, and one with filters.
const FRAME: usize = 7;

/// One screen: most time lost in `interval` first, then most events in it, then as in the closing
/// table. Rows beyond `height` lines and columns beyond `width` are left out; `None`: no bound.
///
/// `interval` comes from [`Snapshot::since`] of the same snapshot.
pub fn screen(
    snapshot: &Snapshot,
    interval: &Interval,
    width: Option<usize>,
    height: Option<usize>,
) -> String {
    let head = account::line("seqtrace", &headline(snapshot), None);
    let body = if snapshot.rows.iter().any(checks::is_loss) {
        let more = [snapshot.governor.is_some(), snapshot.filters.is_some()];
        let frame = FRAME + more.map(usize::from).iter().sum::<usize>();
        let room = height.map_or(usize::MAX, |height| height.saturating_sub(frame).max(1));
        rows(snapshot, interval, width, room)
    } else {
        nothing(snapshot)
    };
    format!("{head}\n{body}\n{}", foot(snapshot))
        .lines()
        .map(|line| cut(line, width) + "\n")
        .collect()
}

fn rows(snapshot: &Snapshot, interval: &Interval, width: Option<usize>, room: usize) -> String {
    let mut rows: Vec<(&Row, Change)> = snapshot
        .rows
        .iter()
        .zip(interval.rows.iter().copied())
        .filter(|(row, _)| checks::is_loss(row))
        .collect();
    rows.sort_by_key(|(_, change)| Reverse((change.total_ns, change.count)));
    let left_out = rows.len().saturating_sub(room);
    rows.truncate(room);

    let rate =
        |(_, change): &(&Row, Change)| three_digits(per_second(change.count, interval.elapsed_ns));
    let lost = |(row, change): &(&Row, Change)| {
        let per_second_ns = per_second(change.total_ns, interval.elapsed_ns);
        table::time_lost(row, per_second_ns as u64)
    };
    let rows = || rows.iter();
    let values = [
        Column::number("/S", rows().map(rate)),
        Column::number("LOST/S", rows().map(lost)),
        Column::text("KIND", rows().map(|(row, _)| row.kind.word().to_owned())),
        table::backends(rows().map(|(row, _)| *row)),
        Column::number("COUNT", rows().map(|(row, _)| row.count.to_string())),
        Column::number("TOTAL", rows().map(|(row, _)| total(row))),
        Column::number("MAX", rows().map(|(row, _)| waited(row, row.longest_ns()))),
        Column::text("TOP READER/PID", rows().map(|(row, _)| top_reader(row))),
        Column::text("TOP OWNER/TID", rows().map(|(row, _)| top_owner(row))),
        Column::number("~P50", rows().map(|(row, _)| waited(row, row.p50_ns))),
        Column::number("~P99", rows().map(|(row, _)| waited(row, row.p99_ns))),
    ];
    let names = names(rows().map(|(row, _)| *row));
    let values: Vec<&Column> = values
        .iter()
        .filter(|column| !(column.is_blank() && column.is_called(table::BACKEND)))
        .collect();
    let mut table = columns::render(&names.each_ref(), &values, width, Overflow::Drop);
    if left_out > 0 {
        table = table + "(" + &plural(left_out as u64, "more site") + ")\n";
    }
    table
}

/// Coverage and losses, a line each.
fn foot(snapshot: &Snapshot) -> String {
    let sites = account::sum(&snapshot.coverage);
    filters::inline(snapshot).map_or_else(String::new, |words| {
        account::line("filters", &format!("only {words}"), None)
    }) + &account::line("sites", &sites, None)
        + &governor::inline(snapshot.governor.as_ref())
        + &account::line("losses", &account::losses_inline(snapshot), None)
}

/// The line, cut to `width`: a line that the terminal wraps would push others off the screen.
fn cut(line: &str, width: Option<usize>) -> String {
    line.chars().take(width.unwrap_or(usize::MAX)).collect()
}
