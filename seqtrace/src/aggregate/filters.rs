//! What was asked for, and what a snapshot leaves out for it.

use serde::{Deserialize, Serialize};

/// What was asked for, and what was left out for it.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Filters {
    /// The filters as they may be typed: `--pid 77`.
    pub words: Vec<String>,
    /// Hits of other tasks, or on other CPUs; in no other number. Sites whose hits were all left out have
    /// no row.
    pub filtered: u64,
    /// Of these the hits at sites that have no row; `None` in documents that do not tell them apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filtered_without_row: Option<u64>,
    /// Blocks, spins and holds that lasted for less than was asked for, those of all rows.
    pub short: u64,
    /// What was left out of the rows afterwards; `None`: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<LeftOut>,
}

/// What was left out of the rows of a snapshot.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Events.
    pub events: u64,
    /// Their time, nanoseconds.
    pub total_ns: u64,
    /// Of the events those that were left out because they have no stack, holds among them.
    pub without_stack: u64,
    /// Events that are counted, and whose stacks are left out, because stacks do not tell the process.
    pub untold: u64,
}

impl Filters {
    /// Whether rows have been taken apart: then they do not add up with what was lost.
    pub fn is_narrowed(&self) -> bool {
        self.left_out.is_some()
    }
}

impl LeftOut {
    /// Both together.
    #[must_use]
    pub fn and(self, more: Self) -> Self {
        let Self {
            events,
            total_ns,
            without_stack,
            untold,
        } = more;
        Self {
            events: self.events + events,
            total_ns: self.total_ns.saturating_add(total_ns),
            without_stack: self.without_stack + without_stack,
            untold: self.untold + untold,
        }
    }
}
