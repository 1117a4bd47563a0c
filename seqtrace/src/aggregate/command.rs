//! Rows of sites → what the command that was run lost itself.

use serde::{Deserialize, Serialize};

use super::snapshot::{Row, Snapshot};
use crate::plan::{Backend, Kind};

/// What the tasks of the command lost: its process, all that it made, and all that these made. An interrupt that
/// came upon one of them counts as its; the kernel's threads, which may work for it, do not.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct CommandCost {
    /// How long the command ran, nanoseconds; all its runs together.
    pub wall_ns: u64,
    /// Time that its tasks lost in blocks and spins, nanoseconds; added up over tasks, so that it may be more than
    /// the time that the command ran.
    pub lost_ns: u64,
    /// Blocks and spins of its tasks; of samples their number.
    pub waits: u64,
    /// Retries and fallbacks of its tasks.
    pub retries: u64,
}

impl CommandCost {
    /// What `rows` have of it.
    pub(super) fn of(rows: &[Row], wall_ns: u64) -> Self {
        let mut cost = Self {
            wall_ns,
            ..Self::default()
        };
        for row in rows {
            for task in row.readers.iter().filter(|task| task.of_command) {
                match row.kind {
                    Kind::Block | Kind::Spin => {
                        cost.waits += task.count;
                        cost.lost_ns = cost.lost_ns.saturating_add(task.total_ns);
                    }
                    Kind::Retry | Kind::Fallback | Kind::Check => cost.retries += task.count,
                    Kind::Write => {}
                }
            }
        }
        cost
    }

    /// What was added since `earlier`.
    #[must_use]
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let Self {
            wall_ns,
            lost_ns,
            waits,
            retries,
        } = self;
        Self {
            wall_ns: wall_ns.saturating_sub(earlier.wall_ns),
            lost_ns: lost_ns.saturating_sub(earlier.lost_ns),
            waits: waits.saturating_sub(earlier.waits),
            retries: retries.saturating_sub(earlier.retries),
        }
    }

    /// The part of the time that the command ran.
    pub fn part(&self) -> Option<f64> {
        (self.wall_ns > 0).then(|| self.lost_ns as f64 / self.wall_ns as f64)
    }
}

impl Snapshot {
    /// Whether something was lost that the command may have waited for: its time is this or more.
    pub fn is_command_at_least(&self) -> bool {
        const LOSSES: [&str; 6] = [
            "command_lost",
            "tasks_full",
            "blocks_full",
            "spins_full",
            "missed",
            "nested",
        ];
        let lost = |name: &&str| self.losses.get(*name).is_some_and(|count| *count > 0);
        LOSSES.iter().any(lost)
    }

    /// Whether readers were sampled: the time that the command lost is an estimate.
    pub fn is_command_sampled(&self) -> bool {
        self.rows.iter().any(|row| row.backend == Backend::Sample)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::snapshot::TaskRow;

    #[test]
    fn only_what_its_tasks_lost_as_readers_is_the_commands() {
        let text = include_str!("../../tests/data/snapshots/realtime.json");
        let snapshot: Snapshot = serde_json::from_str(text).expect("a snapshot");
        let mut rows = snapshot.rows;
        assert_eq!(
            CommandCost::of(&rows, 9),
            CommandCost {
                wall_ns: 9,
                ..CommandCost::default()
            }
        );
        let task = |count, total_ns, of_command| TaskRow {
            of_command,
            count,
            total_ns,
            ..TaskRow::default()
        };
        for row in &mut rows {
            row.readers = vec![task(3, 50, true), task(100, 1_000, false), task(1, 5, true)];
        }
        let of =
            |wanted: &[Kind]| rows.iter().filter(|row| wanted.contains(&row.kind)).count() as u64;
        let cost = CommandCost::of(&rows, 1_000);
        let waiting = of(&[Kind::Block, Kind::Spin]);
        assert_eq!((cost.waits, cost.lost_ns), (4 * waiting, 55 * waiting));
        assert_eq!(
            cost.retries,
            4 * of(&[Kind::Retry, Kind::Fallback, Kind::Check])
        );
        assert!(waiting > 0 && cost.retries > 0);
    }
}
