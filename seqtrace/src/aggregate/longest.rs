//! Events from the ring → the longest of them.

use std::{cmp::Reverse, collections::HashMap};

use seqtrace_common::event::{Event, kind};

use crate::{
    aggregate::{comm, frames::FrameNames, rows::SiteLabel, snapshot::EventRow},
    collect::batch::Batch,
};

/// How many events are kept. Fewer than a batch brings at most, so what a batch left out for being
/// shorter is not missed here.
const KEPT: usize = 100;

/// The longest events so far, longest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Longest(Vec<Kept>);

/// One event, names not yet looked up. Its stack is kept: its addresses come with the same batch
/// only.
#[derive(Clone, Debug)]
struct Kept {
    slot: u32,
    time_ns: u64,
    duration_ns: u64,
    cpu: u32,
    tid: u32,
    comm: [u8; 16],
    cgroup: u64,
    slept: bool,
    kind: u32,
    lock: u64,
    owner: Option<(u32, [u8; 16])>,
    stack: i32,
    frames: Option<Vec<u64>>,
}

impl Longest {
    /// Keeps what of `events` is among the longest.
    pub(super) fn add(&mut self, events: Vec<Event>, frames: &HashMap<i32, Vec<u64>>) {
        self.0.extend(events.into_iter().map(|event| Kept {
            slot: event.slot,
            time_ns: event.time_ns,
            duration_ns: event.duration_ns,
            cpu: event.cpu,
            tid: event.tid,
            comm: event.comm,
            cgroup: event.cgroup,
            slept: event.slept != 0,
            kind: event.kind,
            lock: event.lock,
            owner: (event.owner_tid != 0).then_some((event.owner_tid, event.owner_comm)),
            stack: event.stack,
            frames: None,
        }));
        self.cut(frames);
    }

    /// Adds the open spins of `batch` that lasted for `threshold_ns` at least: the kernel side
    /// sends a record only when a spin ends.
    pub(super) fn add_open_spins(&mut self, batch: &Batch, threshold_ns: u64) {
        let open = batch
            .spins
            .iter()
            .filter(|(_, spin)| spin.duration_ns() >= threshold_ns);
        self.0.extend(open.map(|(key, spin)| Kept {
            slot: key.slot,
            time_ns: spin.last_ns,
            duration_ns: spin.duration_ns(),
            cpu: spin.cpu,
            tid: key.thread(),
            comm: spin.comm,
            cgroup: spin.cgroup,
            slept: false,
            kind: kind::SPIN,
            lock: 0,
            owner: None,
            stack: spin.stack,
            frames: None,
        }));
        self.cut(&batch.frames);
    }

    /// The addresses of the stacks of those that are kept.
    pub(super) fn stacks(&self) -> impl Iterator<Item = &Vec<u64>> {
        self.0.iter().filter_map(|event| event.frames.as_ref())
    }

    /// The cgroups of those that are kept.
    pub(super) fn cgroups(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(|event| event.cgroup)
    }

    /// Drops all but the longest and looks up the stacks of those that stay.
    fn cut(&mut self, frames: &HashMap<i32, Vec<u64>>) {
        self.0.sort_by_key(|event| {
            (
                Reverse(event.duration_ns),
                event.time_ns,
                event.slot,
                event.tid,
            )
        });
        self.0.truncate(KEPT);
        for event in &mut self.0 {
            let stack = || frames.get(&event.stack).cloned().unwrap_or_default();
            event.frames.get_or_insert_with(stack);
        }
    }

    /// The events as rows; one whose slot is in no plan is left out.
    pub(super) fn rows(self, labels: &[SiteLabel], names: &FrameNames) -> Vec<EventRow> {
        self.0
            .into_iter()
            .filter_map(|event| {
                let label = labels.get(event.slot as usize)?;
                let is_run = matches!(event.kind, kind::RUN | kind::UNCONVERGED);
                Some(EventRow {
                    time_ns: event.time_ns,
                    duration_ns: event.duration_ns,
                    seqcount: label.seqcount.clone(),
                    site: label.site.clone(),
                    kind: label.kind,
                    cpu: event.cpu,
                    tid: event.tid,
                    comm: comm::text(&event.comm),
                    cgroup: (event.cgroup != 0).then_some(event.cgroup),
                    retries: is_run.then_some(event.lock),
                    unconverged: event.kind == kind::UNCONVERGED,
                    slept: event.slept,
                    owner_tid: event.owner.map(|(tid, _)| tid),
                    owner_comm: event.owner.map(|(_, comm)| comm::text(&comm)),
                    frames: names.frames(&event.frames.unwrap_or_default()),
                })
            })
            .collect()
    }
}
