//! Snapshots as they come → the numbers to show: since the beginning or the last reset, in the last
//! interval, and of the last minute.

use std::sync::Arc;

use crate::{
    aggregate::{
        rates::per_second,
        snapshot::{Row, SeqcountRow, Snapshot},
    },
    tui::{history::History, key::Seqcount},
};

/// What is known at one moment.
#[derive(Clone, Debug)]
pub(super) struct Data {
    /// As it came: what is saved, and what tells of losses, coverage and cost.
    pub(super) newest: Arc<Snapshot>,
    /// Since the beginning, or the last reset.
    pub(super) total: Arc<Snapshot>,
    /// In the last interval.
    pub(super) last: Arc<Snapshot>,
    pub(super) history: History,
    base: Option<Arc<Snapshot>>,
}

impl Data {
    /// The first snapshot: its whole time is one interval.
    pub(super) fn first(snapshot: Arc<Snapshot>) -> Self {
        let mut history = History::default();
        history.add(&snapshot);
        Self {
            total: Arc::clone(&snapshot),
            last: Arc::clone(&snapshot),
            newest: snapshot,
            history,
            base: None,
        }
    }

    /// Takes over a later snapshot of the same session.
    pub(super) fn add(&mut self, snapshot: Arc<Snapshot>) {
        let last = snapshot.difference(&self.newest);
        // The last one comes again when the session is over.
        if last.elapsed_ns > 0 {
            self.history.add(&last);
            self.last = Arc::new(last);
        }
        self.total = match &self.base {
            Some(base) => Arc::new(snapshot.difference(base)),
            None => Arc::clone(&snapshot),
        };
        self.newest = snapshot;
    }

    /// Counts from now on.
    pub(super) fn reset(&mut self) {
        self.base = Some(Arc::clone(&self.newest));
        self.total = Arc::new(self.newest.difference(&self.newest));
    }

    /// Whether the numbers are not those of the whole session.
    pub(super) fn is_reset(&self) -> bool {
        self.base.is_some()
    }

    /// The row of a site in the last interval.
    pub(super) fn last_row(&self, slot: u32) -> Option<&Row> {
        self.last.rows.iter().find(|row| row.slot == slot)
    }

    /// The sum of a seqcount in the last interval.
    pub(super) fn last_seqcount(&self, id: &Seqcount) -> Option<&SeqcountRow> {
        let mut sums = self.last.seqcounts.iter();
        sums.find(|sum| sum.seqcount == id.name && sum.lockname == id.lockname)
    }

    /// Of a number in the last interval, so many for each second.
    pub(super) fn rate(&self, number: u64) -> f64 {
        per_second(number, self.last.elapsed_ns)
    }

    /// Whether the longest event of these sites is a bound only: none was longer than those before the
    /// reset.
    pub(super) fn is_bound<'a>(
        &self,
        mut rows: impl Iterator<Item = &'a Row>,
        max_ns: u64,
    ) -> bool {
        let Some(base) = &self.base else {
            return false;
        };
        let before = |slot| base.rows.iter().find(|row| row.slot == slot);
        max_ns > 0
            && rows.all(|row| {
                let whole = self.newest.rows.iter().find(|other| other.slot == row.slot);
                let whole_ns = whole.map_or(0, |row| row.max_ns);
                row.max_ns < max_ns || before(row.slot).is_some_and(|row| row.max_ns == whole_ns)
            })
    }
}
