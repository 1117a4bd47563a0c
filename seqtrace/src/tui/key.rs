//! What a line of a table is about: it stays selected while its numbers change.

use crate::{aggregate::snapshot::EventRow, discover::catalog::Lockname, plan::Kind};

/// One line of one table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Key {
    /// A seqcount.
    Seqcount(Seqcount),
    /// A site, by its index in the plan.
    Site(u32),
    /// A task.
    Task(Task),
    /// A reader that waited for a writer.
    Pair(Pair),
    /// A single long wait.
    Event(Event),
}

/// A seqcount: one name may stand for counters of different kinds.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Seqcount {
    pub(super) name: String,
    pub(super) lockname: Option<Lockname>,
}

/// A process and command.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Task {
    pub(super) comm: String,
    pub(super) tgid: u32,
}

/// A reader at a site and the writer that it waited for.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Pair {
    pub(super) slot: u32,
    pub(super) reader: Task,
    pub(super) writer: Task,
    /// Where the writer's hold began, and what the writer was doing.
    pub(super) writer_site: Option<String>,
    pub(super) state: &'static str,
}

/// One wait of one reader.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Event {
    pub(super) time_ns: u64,
    pub(super) tid: u32,
    pub(super) site: String,
    pub(super) kind: Kind,
}

impl Event {
    pub(super) fn of(event: &EventRow) -> Self {
        Self {
            time_ns: event.time_ns,
            tid: event.tid,
            site: event.site.clone(),
            kind: event.kind,
        }
    }
}
