//! Who looks at a run while it lasts.

use std::{collections::HashMap, sync::Arc};

use anyhow::Result;
use seqtrace_common::event::Event;

use crate::{
    aggregate::{Aggregate, SiteLabel, occurrence::Occurrence, snapshot::Snapshot},
    collect::batch::Arrivals,
};

/// Records as they came through the ring, and what is needed to name them.
pub struct Records<'a> {
    /// Names sites and frames.
    pub aggregate: &'a Aggregate,
    /// The records, in the order in which they came.
    pub records: &'a [Event],
    /// Return addresses by stack id.
    pub frames: &'a HashMap<i32, Vec<u64>>,
}

impl<'a> Records<'a> {
    /// The functions in the stack of an event, outermost first; empty when it is not known.
    pub(super) fn frames_of(&self, event: &Event) -> Vec<String> {
        let addresses = self.frames.get(&event.stack);
        addresses.map_or_else(Vec::new, |found| self.aggregate.frames(found))
    }

    /// Those that the filters leave, each with the label of its site: a slot that no site has tells nothing
    /// that could be read, and its loss is counted.
    pub(super) fn wanted(&self) -> impl Iterator<Item = (&'a SiteLabel, Occurrence, &'a Event)> {
        self.records.iter().filter_map(|event| {
            let label = self.aggregate.label(event.slot)?;
            let mut occurrence = Occurrence::new(event);
            if !self.frames.contains_key(&event.stack) {
                occurrence.stack = None;
            }
            let frames = || self.frames_of(event);
            let is_wanted = self.aggregate.wants(label, &occurrence, frames);
            is_wanted.then_some((label, occurrence, event))
        })
    }

    pub(super) fn of(aggregate: &'a Aggregate, arrivals: &'a Arrivals) -> Self {
        Self {
            aggregate,
            records: &arrivals.records,
            frames: &arrivals.frames,
        }
    }
}

/// An observer of a run.
pub trait Observer {
    /// Whether it is shown every record, and not only snapshots.
    fn wants_records(&self) -> bool {
        false
    }

    /// Whether holds are to be among these records.
    fn wants_holds(&self) -> bool {
        false
    }

    /// Counting begins.
    ///
    /// # Errors
    ///
    /// An error of any of these ends the run without its numbers.
    fn begin(&mut self, _snapshot: &Snapshot) -> Result<()> {
        Ok(())
    }

    /// Records came.
    ///
    /// # Errors
    ///
    /// As above.
    fn records(&mut self, _records: &Records<'_>) -> Result<()> {
        Ok(())
    }

    /// These spins are not known to be over, at the end of an interval; only where they are
    /// [wanted](Self::wants_open).
    ///
    /// # Errors
    ///
    /// As above.
    fn open(&mut self, _open: &Records<'_>) -> Result<()> {
        Ok(())
    }

    /// An interval is over.
    ///
    /// # Errors
    ///
    /// As above.
    fn snapshot(&mut self, snapshot: &Arc<Snapshot>) -> Result<()>;

    /// Why the run is to end now, with its numbers: `because the disk is full`; `None`: it goes on.
    fn wants_end(&self) -> Option<String> {
        None
    }

    /// A wait came that is to be told, in these words; they are in the log already.
    fn told(&mut self, _line: &str) {}

    /// Whether it is shown the spins that are not known to be over.
    fn wants_open(&self) -> bool {
        false
    }

    /// A wait came for which the last of what was shown is to be saved.
    fn save(&mut self) {}

    /// Counting is over: at most records follow.
    fn over(&mut self) {}
}

/// An observer that looks at snapshots only, and is dropped when they end.
pub(super) struct OfSnapshots<F>(pub(super) Option<F>);

impl<F: FnMut(&Arc<Snapshot>) -> Result<()>> Observer for OfSnapshots<F> {
    fn snapshot(&mut self, snapshot: &Arc<Snapshot>) -> Result<()> {
        let Self(observe) = self;
        observe.as_mut().map_or(Ok(()), |observe| observe(snapshot))
    }

    fn over(&mut self) {
        // It may have the terminal, and what follows is told there.
        self.0 = None;
    }
}
