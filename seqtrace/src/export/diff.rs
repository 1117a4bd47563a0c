//! Two snapshots → a table of what changed, what got worse first.
//!
//! The two were watched for different times, so what is compared is what was lost in each second.

use std::{cmp::Reverse, collections::BTreeMap};

use crate::{
    aggregate::{
        rates::per_second,
        snapshot::{Row, Snapshot},
    },
    export::{
        account, checks,
        columns::{self, Column, Overflow},
        quantity::{duration, three_digits},
        table,
    },
    plan::Kind,
};

/// What one site lost each second, before and after.
#[derive(Default)]
struct Change<'a> {
    seqcount: &'a str,
    site: &'a str,
    kind: &'a str,
    /// Whether its events have a duration.
    lasts: bool,
    lost_ns: [f64; 2],
    events: [f64; 2],
    max_ns: [u64; 2],
}

/// A line for each site that lost time or had events in either, the one that got worst first.
pub fn table(before: &Snapshot, after: &Snapshot, width: Option<usize>) -> String {
    let mut text = account::line("before", &table::headline(before), width);
    text += &account::line("after", &table::headline(after), width);
    if before.build_id != after.build_id {
        let note = "the kernels are not the same: sites are compared by their names";
        text += &account::line("note", note, width);
    }
    let changes = changes(before, after);
    if changes.is_empty() {
        return text + "\nNo reader waited or retried, neither before nor after.\n";
    }
    let rows = || changes.iter();
    let names = [
        Column::text("SEQCOUNT", rows().map(|change| change.seqcount.to_owned())),
        Column::text("SITE", rows().map(|change| change.site.to_owned())),
    ];
    let time = |at: usize| rows().map(move |change| change.time(change.lost_ns[at] as u64));
    let rate = |at: usize| rows().map(move |change| three_digits(change.events[at]));
    let max = |at: usize| rows().map(move |change| change.time(change.max_ns[at]));
    let values = [
        Column::text("KIND", rows().map(|change| change.kind.to_owned())),
        Column::number("MORE LOST/S", rows().map(Change::more_lost)),
        Column::number("BEFORE", time(0)),
        Column::number("AFTER", time(1)),
        Column::number("/S BEFORE", rate(0)),
        Column::number("/S AFTER", rate(1)),
        Column::number("MAX BEFORE", max(0)),
        Column::number("MAX AFTER", max(1)),
    ];
    let values: Vec<&Column> = values.iter().collect();
    let lines = columns::render(&names.each_ref(), &values, width, Overflow::Continue);
    let [lost_before, lost_after] =
        [0, 1].map(|at| changes.iter().map(|change| change.lost_ns[at]).sum::<f64>());
    let sums = format!(
        "{} lost in a second before, {} after",
        duration(lost_before as u64).trim_end(),
        duration(lost_after as u64).trim_end()
    );
    let mut losses = String::new();
    for (word, snapshot) in [("before", before), ("after", after)] {
        let text = format!("losses {word}: {}", account::losses_inline(snapshot));
        losses += &account::line("", &text, width);
    }
    format!(
        "{text}\n{lines}\n{}{losses}",
        account::line("all", &sums, width)
    )
}

impl Change<'_> {
    fn worse_ns(&self) -> f64 {
        self.lost_ns[1] - self.lost_ns[0]
    }

    /// A time, where the events have one.
    fn time(&self, duration_ns: u64) -> String {
        if self.lasts {
            duration(duration_ns)
        } else {
            "-".to_owned()
        }
    }

    /// By how much more or less is lost.
    fn more_lost(&self) -> String {
        if !self.lasts {
            return "-".to_owned();
        }
        let sign = if self.worse_ns() < 0.0 { '-' } else { '+' };
        format!("{sign}{}", duration(self.worse_ns().abs() as u64))
    }
}

fn changes<'a>(before: &'a Snapshot, after: &'a Snapshot) -> Vec<Change<'a>> {
    let mut changes: BTreeMap<_, Change<'a>> = BTreeMap::new();
    for (at, snapshot) in [before, after].into_iter().enumerate() {
        for row in snapshot.rows.iter().filter(|row| checks::is_loss(row)) {
            let Row {
                seqcount,
                image,
                site,
                kind,
                count,
                total_ns,
                max_ns,
                ..
            } = row;
            let change = changes
                .entry((seqcount, image, site, kind.word()))
                .or_default();
            (change.seqcount, change.site, change.kind) = (seqcount, site, kind.word());
            // Not of checks: the time of a run is in that of the waits, where it waited.
            change.lasts = matches!(kind, Kind::Block | Kind::Spin);
            if change.lasts {
                change.lost_ns[at] += per_second(*total_ns, snapshot.elapsed_ns);
            }
            change.events[at] += per_second(*count, snapshot.elapsed_ns);
            change.max_ns[at] = change.max_ns[at].max(*max_ns);
        }
    }
    let mut changes: Vec<Change<'a>> = changes.into_values().collect();
    changes.sort_by_key(|change| {
        let more = change.events[1] - change.events[0];
        Reverse((change.worse_ns() as i64, (more * 1e3) as i64))
    });
    changes
}
