//! Two snapshots of one session → what happened between them.

use std::collections::HashMap;

use crate::aggregate::snapshot::{Row, Snapshot};

/// What happened between two snapshots.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    /// Its length, nanoseconds.
    pub elapsed_ns: u64,
    /// One entry for each row of the later snapshot, in its order.
    pub rows: Vec<Change>,
}

/// What one site did in an interval.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Change {
    /// Events that completed.
    pub count: u64,
    /// Time lost by readers, nanoseconds; a wait is credited whole to the interval it ended in.
    pub total_ns: u64,
}

impl Snapshot {
    /// What happened since `earlier`, a snapshot of the same session.
    pub fn since(&self, earlier: &Self) -> Interval {
        let before: HashMap<u32, &Row> = earlier.rows.iter().map(|row| (row.slot, row)).collect();
        let rows = self
            .rows
            .iter()
            .map(|row| {
                let (count, total_ns) = before
                    .get(&row.slot)
                    .map_or((0, 0), |row| (row.count, row.total_ns));
                Change {
                    count: row.count.saturating_sub(count),
                    total_ns: row.total_ns.saturating_sub(total_ns),
                }
            })
            .collect();
        Interval {
            elapsed_ns: self.elapsed_ns.saturating_sub(earlier.elapsed_ns),
            rows,
        }
    }

    /// The whole session as one interval.
    pub fn since_start(&self) -> Interval {
        Interval {
            elapsed_ns: self.elapsed_ns,
            rows: self
                .rows
                .iter()
                .map(|row| Change {
                    count: row.count,
                    total_ns: row.total_ns,
                })
                .collect(),
        }
    }
}

/// Events for each second; zero for an empty interval.
pub fn per_second(count: u64, elapsed_ns: u64) -> f64 {
    if elapsed_ns == 0 {
        0.0
    } else {
        count as f64 * 1e9 / elapsed_ns as f64
    }
}
