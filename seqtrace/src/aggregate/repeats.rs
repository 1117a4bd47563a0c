//! Totals at the ends of the runs of a command → what happened in each run, and how far the runs lie apart.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{command::CommandCost, snapshot::SeqcountRow};

/// One run of a command that is run several times.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct RepeatRow {
    /// How long it ran, nanoseconds.
    pub wall_ns: u64,
    /// Events and time lost of all readers meanwhile, nanoseconds, by seqcount.
    pub seqcounts: BTreeMap<String, Share>,
    /// What the command lost itself; `None`: its tasks are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandCost>,
}

/// Events and their time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Events of readers.
    pub events: u64,
    /// Time lost in blocks and spins, nanoseconds.
    pub total_ns: u64,
}

/// What the runs so far have brought.
#[derive(Clone, Debug, Default)]
pub(super) struct Repeats {
    before: BTreeMap<String, Share>,
    command_before: CommandCost,
    rows: Vec<RepeatRow>,
}

impl Repeats {
    /// A run is over that lasted for `wall_ns`: what was added to the totals since the last one is its.
    pub(super) fn end(
        &mut self,
        totals: &[SeqcountRow],
        command: Option<CommandCost>,
        wall_ns: u64,
    ) {
        let now = shares(totals);
        let seqcounts = now.iter().map(|(name, now)| {
            let before = self.before.get(name).copied().unwrap_or_default();
            let share = Share {
                events: now.events.saturating_sub(before.events),
                total_ns: now.total_ns.saturating_sub(before.total_ns),
            };
            (name.clone(), share)
        });
        self.rows.push(RepeatRow {
            wall_ns,
            seqcounts: seqcounts.collect(),
            command: command.as_ref().map(|now| now.since(&self.command_before)),
        });
        self.before = now;
        self.command_before = command.unwrap_or_default();
    }

    pub(super) fn rows(&self) -> &[RepeatRow] {
        &self.rows
    }
}

fn shares(totals: &[SeqcountRow]) -> BTreeMap<String, Share> {
    let mut shares = BTreeMap::<String, Share>::new();
    for sum in totals {
        let share = shares.entry(sum.seqcount.clone()).or_default();
        share.events += sum.events();
        share.total_ns = share.total_ns.saturating_add(sum.total_ns);
    }
    shares
}

impl RepeatRow {
    /// What happened at one seqcount.
    pub fn of(&self, seqcount: &str) -> Share {
        self.seqcounts.get(seqcount).copied().unwrap_or_default()
    }

    /// What happened at all.
    pub fn all(&self) -> Share {
        let shares = self.seqcounts.values();
        shares.fold(Share::default(), |sum, share| Share {
            events: sum.events + share.events,
            total_ns: sum.total_ns.saturating_add(share.total_ns),
        })
    }
}

/// The mean of some numbers, and its standard error as a part of it, as `perf stat` has them; `None`: of
/// one number there is no error, and of zero no part.
pub fn mean(values: &[u64]) -> (f64, Option<f64>) {
    let count = values.len() as f64;
    if values.is_empty() {
        return (0.0, None);
    }
    let mean = values.iter().map(|&value| value as f64).sum::<f64>() / count;
    if values.len() < 2 || mean <= 0.0 {
        return (mean, None);
    }
    let squares = values.iter().map(|&value| (value as f64 - mean).powi(2));
    let variance = squares.sum::<f64>() / (count - 1.0);
    (mean, Some((variance / count).sqrt() / mean))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(events: u64, total_ns: u64) -> Vec<SeqcountRow> {
        let row = serde_json::json!({
            "seqcount": "rename_lock", "lockname": null, "sites": 1, "blocks": events, "slept": 0,
            "spins": 0, "retries": 0, "fallbacks": 0, "total_ns": total_ns, "max_ns": total_ns,
            "histogram": [],
        });
        vec![serde_json::from_value(row).expect("a row")]
    }

    #[test]
    fn a_run_has_what_was_added_since_the_one_before() {
        let mut repeats = Repeats::default();
        let command = |wall_ns, lost_ns| CommandCost {
            wall_ns,
            lost_ns,
            ..CommandCost::default()
        };
        repeats.end(&totals(8, 90), Some(command(1000, 30)), 1000);
        repeats.end(&totals(9, 101), Some(command(2200, 37)), 1200);
        let own = repeats.rows().iter().map(|run| run.command.clone());
        let own: Vec<_> = own.collect();
        assert_eq!(own, [Some(command(1000, 30)), Some(command(1200, 7))]);
        let shares: Vec<_> = repeats.rows().iter().map(RepeatRow::all).collect();
        let share = |events, total_ns| Share { events, total_ns };
        assert_eq!(shares, [share(8, 90), share(1, 11)]);
        assert_eq!(repeats.rows()[1].wall_ns, 1200);
    }

    #[test]
    fn the_error_is_that_of_the_mean() {
        assert_eq!(mean(&[]), (0.0, None));
        assert_eq!(mean(&[7]), (7.0, None));
        assert_eq!(mean(&[0, 0]), (0.0, None));
        assert_eq!(mean(&[5, 5, 5]), (5.0, Some(0.0)));
        // Deviation sqrt(2) * 10, error of the mean 10, of 100.
        let (value, error) = mean(&[90, 110]);
        assert!((value - 100.0).abs() < 1e-9);
        assert!(error.is_some_and(|error| (error - 0.1).abs() < 1e-9));
    }
}
