//! A snapshot → what is left of it when only some sites, tasks or stacks are wanted.
//!
//! Whole rows stay as they are. Of a row of which a part is wanted only events and time are known by task
//! and by stack; its other numbers are left out, not guessed.

use std::collections::{BTreeMap, BTreeSet};

use globset::GlobMatcher;

use crate::{
    aggregate::{
        blame::BlameRow,
        filters::LeftOut,
        occurrence::Occurrence,
        rows::SiteLabel,
        seqcounts,
        snapshot::{EventRow, Row, Snapshot, StackRow, TaskRow},
    },
    plan::{Backend, Kind, SiteFilter},
};

/// What is wanted; what is empty does not choose.
#[derive(Clone, Debug, Default)]
pub struct Narrowing {
    /// The filters as they may be typed, to be told with the snapshot; they are added to those that it
    /// has.
    pub words: Vec<String>,
    /// Sites.
    pub sites: SiteFilter,
    /// Command names of readers, of holds the writers'.
    pub comms: Vec<GlobMatcher>,
    /// Process ids of the same.
    pub pids: BTreeSet<u32>,
    /// Parts of names, one of which must be in the reader's stack.
    pub stacks: Vec<String>,
}

impl Narrowing {
    /// Whether everything is wanted.
    pub fn is_everything(&self) -> bool {
        self.sites.is_everything() && !self.is_of_tasks() && self.stacks.is_empty()
    }

    /// What is left.
    #[must_use]
    pub fn of(&self, snapshot: Snapshot) -> Snapshot {
        if self.is_everything() {
            return snapshot;
        }
        let Snapshot {
            rows,
            stacks,
            blames,
            events,
            filters,
            ..
        } = &snapshot;
        let mut left_out = LeftOut::default();
        let mut kept: Vec<Row> = Vec::new();
        let mut kept_stacks: Vec<StackRow> = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let own = stacks.iter().filter(|stack| stack.row == index);
            let Some((row, stacks)) = self.row(row, own.collect(), events, &mut left_out) else {
                left_out.events += row.count;
                left_out.total_ns = left_out.total_ns.saturating_add(row.total_ns);
                continue;
            };
            let row_index = kept.len();
            kept_stacks.extend(stacks.into_iter().map(|stack| StackRow {
                row: row_index,
                ..stack.clone()
            }));
            kept.push(row);
        }
        kept_stacks.sort_by_key(|stack| std::cmp::Reverse((stack.total_ns, stack.count)));
        let mut filters = filters.clone().unwrap_or_default();
        filters.words.extend(self.words.iter().cloned());
        filters.left_out = Some(filters.left_out.unwrap_or_default().and(left_out));
        let blames = blames.iter().filter(|blame| self.takes_blame(blame, &kept));
        let events = events.iter().filter(|event| self.takes_event(event, &kept));
        Snapshot {
            blames: blames.cloned().collect(),
            events: events.cloned().collect(),
            seqcounts: seqcounts::seqcounts(&kept),
            stacks: kept_stacks,
            rows: kept,
            filters: Some(filters),
            ..snapshot
        }
    }

    fn is_of_tasks(&self) -> bool {
        !self.comms.is_empty() || !self.pids.is_empty()
    }

    /// What is left of a row, with its stacks; `None`: nothing.
    fn row<'a>(
        &self,
        row: &Row,
        mut stacks: Vec<&'a StackRow>,
        events: &[EventRow],
        left_out: &mut LeftOut,
    ) -> Option<(Row, Vec<&'a StackRow>)> {
        if !self.sites.takes_row(&row.seqcount, &row.site, row.kind) {
            return None;
        }
        if !self.is_of_tasks() && self.stacks.is_empty() {
            return Some((row.clone(), stacks));
        }
        let wanted = |task: &&TaskRow| self.takes_task(&task.comm, Some(task.tgid));
        let mut readers: Vec<TaskRow> = row.readers.iter().filter(wanted).cloned().collect();
        if self.is_of_tasks() {
            let (known, untold) = stacks
                .into_iter()
                .partition(|stack| takes_comm(row, &readers, stack));
            let untold: Vec<&StackRow> = untold;
            let is_wanted = |stack: &&&StackRow| readers.iter().any(|task| task.comm == stack.comm);
            left_out.untold += untold
                .iter()
                .filter(is_wanted)
                .map(|stack| stack.count)
                .sum::<u64>();
            stacks = known;
        }
        if !self.stacks.is_empty() {
            let known: u64 = stacks
                .iter()
                .filter(|stack| !stack.frames.is_empty())
                .map(|stack| stack.count)
                .sum();
            let all: u64 = if self.is_of_tasks() {
                sum(&readers).0
            } else {
                row.count
            };
            left_out.without_stack += all.saturating_sub(known);
            stacks.retain(|stack| self.takes_stack(&stack.frames));
            readers = by_comm(row, &stacks);
        }
        let (count, total_ns) = sum(&readers);
        if count == 0 {
            return None;
        }
        left_out.events += row.count.saturating_sub(count);
        left_out.total_ns = left_out
            .total_ns
            .saturating_add(row.total_ns.saturating_sub(total_ns));
        let own = events.iter().filter(|event| is_of(event, row));
        let own = own.filter(|event| self.takes_event_of(event, &readers));
        let max_ns = own.map(|event| event.duration_ns).max();
        Some((part(row, readers, max_ns), stacks))
    }

    /// Whether a single event is wanted, of a site and with a stack.
    pub fn takes(&self, label: &SiteLabel, event: &Occurrence, frames: &[&str]) -> bool {
        let has = |part: &String| frames.iter().any(|frame| frame.contains(part.as_str()));
        self.sites
            .takes_row(&label.seqcount, &label.site, label.kind)
            && self.takes_task(&event.comm, Some(event.tgid))
            && (self.stacks.is_empty() || self.stacks.iter().any(has))
    }

    fn takes_task(&self, comm: &str, tgid: Option<u32>) -> bool {
        (self.comms.is_empty() || self.comms.iter().any(|glob| glob.is_match(comm)))
            && (self.pids.is_empty() || tgid.is_some_and(|tgid| self.pids.contains(&tgid)))
    }

    fn takes_stack(&self, frames: &[String]) -> bool {
        let has = |part: &String| frames.iter().any(|frame| frame.contains(part.as_str()));
        self.stacks.is_empty() || self.stacks.iter().any(has)
    }

    fn takes_blame(&self, blame: &BlameRow, kept: &[Row]) -> bool {
        kept.iter().any(|row| row.slot == blame.slot)
            && self.takes_task(&blame.reader.comm, Some(blame.reader.tgid))
            && self.takes_stack(&blame.reader.frames)
    }

    fn takes_event(&self, event: &EventRow, kept: &[Row]) -> bool {
        let mut rows = kept.iter().filter(|row| is_of(event, row));
        rows.any(|row| self.takes_event_of(event, &row.readers))
    }

    /// Events do not tell their process: its readers of that name do.
    fn takes_event_of(&self, event: &EventRow, readers: &[TaskRow]) -> bool {
        let is_reader = || readers.iter().any(|task| task.comm == event.comm);
        (!self.is_of_tasks() || is_reader()) && self.takes_stack(&event.frames)
    }
}

fn is_of(event: &EventRow, row: &Row) -> bool {
    row.site == event.site && row.seqcount == event.seqcount && row.kind == event.kind
}

/// Whether all readers with the command of the stack are among `readers`: a stack does not tell its
/// process.
fn takes_comm(row: &Row, readers: &[TaskRow], stack: &StackRow) -> bool {
    let mut own = row
        .readers
        .iter()
        .filter(|task| task.comm == stack.comm)
        .peekable();
    own.peek().is_some() && own.all(|task| readers.contains(task))
}

/// The readers of `stacks`, with their process where there is one of that name only.
fn by_comm(row: &Row, stacks: &[&StackRow]) -> Vec<TaskRow> {
    let mut sums: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for stack in stacks {
        let (count, total_ns) = sums.entry(&stack.comm).or_default();
        *count += stack.count;
        *total_ns = total_ns.saturating_add(stack.total_ns);
    }
    let readers = sums.into_iter().map(|(comm, (count, total_ns))| {
        let mut own = row.readers.iter().filter(|task| task.comm == comm);
        let only = own.next().filter(|_| own.next().is_none());
        TaskRow {
            comm: comm.to_owned(),
            tgid: only.map_or(0, |task| task.tgid),
            tid: only.map_or(0, |task| task.tid),
            cgroup: only.and_then(|task| task.cgroup),
            of_command: only.is_some_and(|task| task.of_command),
            count,
            total_ns,
        }
    });
    let mut readers: Vec<TaskRow> = readers.collect();
    readers.sort_by_key(|task| std::cmp::Reverse((task.total_ns, task.count)));
    readers
}

/// The part of a row that is of `readers`.
fn part(row: &Row, readers: Vec<TaskRow>, max_ns: Option<u64>) -> Row {
    let (count, total_ns) = sum(&readers);
    Row {
        slot: row.slot,
        seqcount: row.seqcount.clone(),
        lockname: row.lockname,
        image: row.image.clone(),
        site: row.site.clone(),
        kind: row.kind,
        backend: row.backend,
        // A spin has many, a check those that passed too.
        hits: match row.kind {
            Kind::Block | Kind::Retry | Kind::Fallback | Kind::Write => count,
            Kind::Spin | Kind::Check => 0,
        },
        count,
        in_flight: 0,
        total_ns,
        max_ns: max_ns.unwrap_or(0),
        runs: None,
        slept: 0,
        owned: 0,
        unblamed: BTreeMap::new(),
        thinned_out: 0,
        filtered: 0,
        short: 0,
        histogram: Vec::new(),
        p50_ns: None,
        p99_ns: None,
        readers,
        owners: Vec::new(),
    }
}

fn sum(readers: &[TaskRow]) -> (u64, u64) {
    readers.iter().fold((0, 0), |(count, total_ns), task| {
        (count + task.count, total_ns.saturating_add(task.total_ns))
    })
}

impl Row {
    /// Whether these are some events of a site, of which only number and time are known.
    pub fn is_part(&self) -> bool {
        let is_told = matches!(self.kind, Kind::Block | Kind::Spin | Kind::Write);
        is_told && self.backend != Backend::Sample && self.count > 0 && self.histogram.is_empty()
    }

    /// The longest event, nanoseconds; `None` where it is not known.
    pub fn longest_ns(&self) -> Option<u64> {
        (self.max_ns > 0 || !self.is_part()).then_some(self.max_ns)
    }
}

#[cfg(test)]
mod tests;
