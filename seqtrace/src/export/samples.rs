//! A snapshot → stacks of readers with what they weigh: for formats that have stacks of their own.

use std::collections::BTreeMap;

use super::folded::{self, Stacks, Weight};
use crate::aggregate::snapshot::Snapshot;

/// One stack: the command, the frames outermost first, and the seqcount innermost.
pub(super) struct Sample {
    pub(super) frames: Vec<String>,
    /// Waits and retries.
    pub(super) events: u64,
    /// Time lost, nanoseconds.
    pub(super) lost_ns: u64,
}

/// The stacks in the order of their names. They are those of the folded stacks, so that all formats
/// have the same total.
pub(super) fn samples(snapshot: &Snapshot) -> Vec<Sample> {
    let mut sums: BTreeMap<String, [u64; 2]> = BTreeMap::new();
    for (at, weight) in [Weight::Events, Weight::Time].into_iter().enumerate() {
        for line in folded::lines(snapshot, weight, Stacks::Readers) {
            if let Some((stack, number)) = line.rsplit_once(' ')
                && let Ok(number) = number.parse::<u64>()
            {
                sums.entry(stack.to_owned()).or_default()[at] += number;
            }
        }
    }
    sums.into_iter()
        .map(|(stack, [events, lost_ns])| Sample {
            frames: stack.split(';').map(str::to_owned).collect(),
            events,
            lost_ns,
        })
        .collect()
}
