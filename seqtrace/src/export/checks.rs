//! Rows of probed checks → the section on how many of them failed, and how many in a row.

use crate::{
    aggregate::snapshot::{Row, Runs, Snapshot},
    export::{
        account,
        columns::{self, Column, Overflow},
        quantity::{dash_if_zero, duration_inline, three_digits},
    },
    plan::Kind,
};

/// So many lengths of runs are told; the longer ones are put together.
const LENGTHS: usize = 6;

/// Whether the row belongs into the table of what readers lost. A check that never failed does not:
/// it is told in its own section.
pub fn is_loss(row: &Row) -> bool {
    match row.kind {
        Kind::Block | Kind::Spin => row.count + row.in_flight > 0 || row.short == 0,
        Kind::Retry | Kind::Fallback => true,
        Kind::Check => row.count > 0,
        // Told in a section of its own: what writers do is no loss by itself.
        Kind::Write => false,
    }
}

/// A line for each probed check, `None` where there is none.
pub(super) fn section(snapshot: &Snapshot, width: Option<usize>) -> Option<String> {
    let rows = snapshot.rows.iter().filter(|row| row.kind == Kind::Check);
    let rows: Vec<&Row> = rows.collect();
    if rows.is_empty() {
        return None;
    }
    let rows = || rows.iter().copied();
    let of_runs = |header, text: fn(&Runs) -> String| {
        let dash = || "-".to_owned();
        let cell = |row: &Row| row.runs.as_ref().map_or_else(dash, text);
        Column::number(header, rows().map(cell))
    };
    let site = Column::text("CHECK", rows().map(|row| row.site.clone()));
    let values = [
        Column::number("CHECKED", rows().map(|row| row.hits.to_string())),
        Column::number("FAILED", rows().map(|row| row.count.to_string())),
        Column::number("OF 1000", rows().map(per_thousand)),
        of_runs("RUNS", |runs| runs.count.to_string()),
        of_runs("LONGEST", |runs| runs.longest.to_string()),
        of_runs("TOO LONG", |runs| dash_if_zero(runs.unconverged)),
        Column::text("FAILED IN A ROW: RUNS", rows().map(lengths)),
    ];
    let values: Vec<&Column> = values.iter().filter(|column| !column.is_blank()).collect();
    Some(columns::render(
        &[&site],
        &values,
        width,
        Overflow::Continue,
    ))
}

/// Read sections whose last check had failed at the end: perhaps they go on for ever.
pub(super) fn in_flight(rows: &[Row], width: Option<usize>) -> String {
    let open = rows.iter().filter_map(|row| {
        let runs = row.runs.as_ref().filter(|runs| runs.in_flight > 0)?;
        Some(format!(
            "{} in {} ({} retries so far)",
            runs.in_flight, row.site, runs.in_flight_retries
        ))
    });
    let open: Vec<String> = open.collect();
    if open.is_empty() {
        return String::new();
    }
    let text = format!("readers whose last check failed: {}", open.join(", "));
    account::line("retrying", &text, width)
}

/// What is too long, if anything was.
pub(super) fn limit(snapshot: &Snapshot, width: Option<usize>) -> String {
    let runs = snapshot.rows.iter().filter_map(|row| row.runs.as_ref());
    let is_too_long = runs.map(|runs| runs.unconverged).sum::<u64>() > 0;
    let Some(converge_ns) = snapshot.converge_ns.filter(|_| is_too_long) else {
        return String::new();
    };
    let text = format!(
        "read sections that were retried for more than {}, over or not",
        duration_inline(converge_ns)
    );
    account::line("too long", &text, width)
}

/// Failed checks of a thousand.
fn per_thousand(row: &Row) -> String {
    if row.hits == 0 {
        "-".to_owned()
    } else {
        three_digits(row.count as f64 * 1000.0 / row.hits as f64)
    }
}

/// `1: 9012, 2: 14, 4+: 1`; `-` where runs are not followed or there was none.
fn lengths(row: &Row) -> String {
    let Some(runs) = row.runs.as_ref().filter(|runs| runs.count > 0) else {
        return "-".to_owned();
    };
    let shown = runs.lengths.len().min(LENGTHS);
    let (first, rest) = runs.lengths.split_at(shown);
    let mut texts: Vec<String> = first
        .iter()
        .map(|&(length, count)| {
            let more = if length == Runs::LAST_LENGTH { "+" } else { "" };
            format!("{length}{more}: {count}")
        })
        .collect();
    if let Some(&(length, _)) = rest.first() {
        let count: u64 = rest.iter().map(|&(_, count)| count).sum();
        texts.push(format!("{length}+: {count}"));
    }
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::snapshot::Runs;

    fn row(lengths: &[(u64, u64)]) -> Row {
        let document = serde_json::json!({
            "slot": 0, "seqcount": "a", "lockname": null, "image": "vmlinux", "site": "f+0x1",
            "kind": "check", "backend": "probe", "hits": 0, "count": 0, "in_flight": 0,
            "total_ns": 0, "max_ns": 0, "slept": 0, "owned": 0, "histogram": [],
            "p50_ns": null, "p99_ns": null, "readers": [], "owners": [],
        });
        let row: Row = serde_json::from_value(document).expect("a row");
        let runs = Runs {
            count: lengths.iter().map(|(_, count)| count).sum(),
            lengths: lengths.to_vec(),
            ..Runs::default()
        };
        Row {
            runs: Some(runs),
            ..row
        }
    }

    #[test]
    fn few_lengths_are_told_and_the_last_stands_for_all_above() {
        assert_eq!(lengths(&row(&[])), "-");
        assert_eq!(
            lengths(&row(&[(1, 9012), (2, 14), (32, 1)])),
            "1: 9012, 2: 14, 32+: 1"
        );
        let many: Vec<(u64, u64)> = (1..=9).map(|length| (length, 10)).collect();
        assert_eq!(
            lengths(&row(&many)),
            "1: 10, 2: 10, 3: 10, 4: 10, 5: 10, 6: 10, 7+: 30"
        );
    }
}
