//! Runs of one command → means and how far the runs lie apart.

use std::collections::BTreeSet;

use crate::{
    aggregate::{
        repeats::{RepeatRow, Share, mean},
        snapshot::Snapshot,
    },
    export::{
        account,
        columns::{self, Column, Overflow},
        quantity::{duration, duration_inline, percent, three_digits},
    },
};

/// A line for each seqcount, `None` where no command was run several times.
pub(super) fn section(snapshot: &Snapshot, width: Option<usize>) -> Option<String> {
    let runs = &snapshot.repeats;
    if runs.is_empty() {
        return None;
    }
    let names: BTreeSet<&str> = runs
        .iter()
        .flat_map(|run| run.seqcounts.iter())
        .filter(|(_, share)| share.events > 0)
        .map(|(name, _)| name.as_str())
        .collect();
    // In the order of the table of seqcounts: most time lost first.
    let known = snapshot.seqcounts.iter().map(|sum| sum.seqcount.as_str());
    let mut ordered: Vec<&str> = Vec::new();
    for name in known.filter(|name| names.contains(name)) {
        if !ordered.contains(&name) {
            ordered.push(name);
        }
    }
    let of = |get: fn(Share) -> u64| {
        let means = ordered.iter().map(move |name| {
            let values: Vec<u64> = runs.iter().map(|run| get(run.of(name))).collect();
            mean(&values)
        });
        means.collect::<Vec<_>>()
    };
    let [events, times] = [of(|share| share.events), of(|share| share.total_ns)];
    let name = Column::text("SEQCOUNT", ordered.iter().map(|name| (*name).to_owned()));
    let values = [
        Column::number(
            "EVENTS/RUN",
            events.iter().map(|(mean, _)| three_digits(*mean)),
        ),
        Column::number("+-", events.iter().map(|(_, error)| part(*error))),
        Column::number(
            "LOST/RUN",
            times.iter().map(|(mean, _)| duration(*mean as u64)),
        ),
        Column::number("+-", times.iter().map(|(_, error)| part(*error))),
    ];
    let values: Vec<&Column> = values.iter().collect();
    let table = if ordered.is_empty() {
        String::new()
    } else {
        columns::render(&[&name], &values, width, Overflow::Continue)
    };
    Some(table + &account::line("runs", &summary(runs), width))
}

/// How long the runs took, and what all readers and the command's own lost meanwhile.
fn summary(runs: &[RepeatRow]) -> String {
    let of = |get: fn(&RepeatRow) -> u64| mean(&runs.iter().map(get).collect::<Vec<_>>());
    let is_known = runs.iter().all(|run| run.command.is_some());
    let (own_ns, own_error) = of(|run| run.command.as_ref().map_or(0, |cost| cost.lost_ns));
    let (wall_ns, wall_error) = of(|run| run.wall_ns);
    let (lost_ns, lost_error) = of(|run| run.all().total_ns);
    let own = if is_known {
        format!(
            "; its own tasks {} ( +- {} ), {} of the time",
            duration_inline(own_ns as u64),
            part(own_error),
            percent(own_ns / wall_ns.max(1.0)),
        )
    } else {
        String::new()
    };
    format!(
        "{} runs of {} ( +- {} ); readers lost {} ( +- {} ) in each, those of other commands among them{own}",
        runs.len(),
        duration_inline(wall_ns as u64),
        part(wall_error),
        duration_inline(lost_ns as u64),
        part(lost_error),
    )
}

fn part(error: Option<f64>) -> String {
    error.map_or_else(|| "-".to_owned(), percent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::command::CommandCost;

    #[test]
    fn runs_are_told_by_their_mean_and_its_error() {
        let run = |wall_ns, events, total_ns| RepeatRow {
            wall_ns,
            seqcounts: [("rename_lock".to_owned(), Share { events, total_ns })].into(),
            command: Some(CommandCost {
                wall_ns,
                lost_ns: total_ns / 10,
                ..CommandCost::default()
            }),
        };
        let text = include_str!("../../tests/data/snapshots/realtime.json");
        let mut snapshot: Snapshot = serde_json::from_str(text).expect("a snapshot");
        assert_eq!(section(&snapshot, None), None);
        snapshot.repeats = vec![
            run(1_000_000_000, 90, 9_000_000),
            run(1_000_000_000, 110, 11_000_000),
        ];
        let told = section(&snapshot, None).expect("there are runs");
        let words: Vec<&str> = told.split_whitespace().collect();
        let line = ["rename_lock", "100", "10.0%", "10.0", "ms", "10.0%"];
        assert!(words.windows(6).any(|found| found == line), "{told}");
        let sum = "2 runs of 1.00 s ( +- 0% ); readers lost 10.0 ms ( +- 10.0% ) in each";
        assert!(told.contains(sum), "{told}");
        let own = "its own tasks 1.00 ms ( +- 10.0% ), 0.10% of the time";
        assert!(told.contains(own), "{told}");
    }
}
