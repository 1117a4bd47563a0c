//! Totals of the counting maps → one row for each site that was hit.

use std::{cmp::Reverse, collections::HashMap};

use seqtrace_common::counters::{SiteCounters, TaskKey, TaskValue, side};
use serde::{Deserialize, Serialize};

use crate::{
    aggregate::{
        blame, comm, histogram, runs,
        snapshot::{Row, Runs, TaskRow},
    },
    collect::batch::Batch,
    discover::catalog::Lockname,
    plan::{Backend, Kind, Target},
};

/// How a site is called in the output; the fields are those of [`Row`].
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct SiteLabel {
    /// Name of the seqcount.
    pub seqcount: String,
    /// What serialises its writers, where known.
    pub lockname: Option<Lockname>,
    /// `vmlinux`, or the module's name.
    pub image: String,
    /// The site: `d_lookup+0x4b`.
    pub site: String,
    /// Kind of its events.
    pub kind: Kind,
    /// What counts there.
    pub backend: Backend,
}

impl SiteLabel {
    pub(super) fn new(target: &Target) -> Self {
        Self {
            seqcount: target.place.seqcount().label(),
            lockname: target.place.seqcount().lockname,
            image: target.image.clone(),
            site: target.place.label(),
            kind: target.kind,
            backend: target.backend,
        }
    }
}

/// Tasks of one side at one site: by process, cgroup, whether it is of the command that is run, and name.
type Tasks<'a> = HashMap<(u32, u32), HashMap<(u32, u64, u32, &'a [u8; 16]), TaskValue>>;

/// One row for each site that was hit, most time lost first, then most events, then by name.
pub(super) fn rows(labels: &[SiteLabel], batch: &Batch) -> Vec<Row> {
    let tasks = tasks(&batch.tasks);
    let mut rows: Vec<Row> = labels
        .iter()
        .zip(&batch.counters)
        .zip(0..)
        .filter_map(|((label, counters), slot)| {
            let open = [&batch.blocks_in_flight, &batch.holds_in_flight];
            let in_flight = open.iter().filter_map(|open| open.get(&slot)).sum();
            let SiteCounters {
                hits,
                count,
                thinned_out,
                ..
            } = counters;
            let runs = runs::runs(batch, slot);
            let is_hit = hits | count | in_flight | thinned_out != 0;
            is_hit.then(|| row(label, slot, counters, (in_flight, runs), &tasks))
        })
        .collect();
    rows.sort_by_cached_key(|row| {
        (
            Reverse((row.total_ns, row.count, row.hits)),
            row.seqcount.clone(),
            row.image.clone(),
            row.site.clone(),
            row.slot,
        )
    });
    rows
}

fn row(
    label: &SiteLabel,
    slot: u32,
    counters: &SiteCounters,
    (in_flight, runs): (u64, Option<Runs>),
    tasks: &Tasks<'_>,
) -> Row {
    let SiteLabel {
        seqcount,
        lockname,
        image,
        site,
        kind,
        backend,
    } = label;
    let SiteCounters {
        hits,
        count,
        total_ns,
        max_ns,
        slept,
        owned,
        unblamed,
        thinned_out,
        filtered,
        short,
        recent: _,
        blame: _,
        histogram,
    } = counters;
    let histogram = histogram::sparse(histogram);
    Row {
        slot,
        seqcount: seqcount.clone(),
        lockname: *lockname,
        image: image.clone(),
        site: site.clone(),
        kind: *kind,
        backend: *backend,
        hits: *hits,
        count: *count,
        in_flight,
        total_ns: *total_ns,
        max_ns: *max_ns,
        runs,
        slept: *slept,
        owned: *owned,
        unblamed: blame::unblamed(unblamed),
        thinned_out: *thinned_out,
        filtered: *filtered,
        short: *short,
        p50_ns: histogram::quantile(&histogram, *max_ns, 0.50),
        p99_ns: histogram::quantile(&histogram, *max_ns, 0.99),
        histogram,
        readers: task_rows(tasks, slot, side::READER),
        owners: task_rows(tasks, slot, side::OWNER),
    }
}

/// Sorts the tasks by site and side; what stands twice under one key (an open spin) is added up.
fn tasks(tasks: &[(TaskKey, TaskValue)]) -> Tasks<'_> {
    let mut sorted = Tasks::new();
    for (key, value) in tasks {
        let TaskKey {
            slot,
            side,
            tgid,
            command,
            cgroup,
            comm,
        } = key;
        let sum = sorted
            .entry((*slot, *side))
            .or_default()
            .entry((*tgid, *cgroup, *command, comm))
            .or_insert(TaskValue {
                tid: value.tid,
                ..TaskValue::default()
            });
        sum.count += value.count;
        sum.total_ns = sum.total_ns.saturating_add(value.total_ns);
    }
    sorted
}

fn task_rows(tasks: &Tasks<'_>, slot: u32, side: u32) -> Vec<TaskRow> {
    let mut rows: Vec<TaskRow> = tasks
        .get(&(slot, side))
        .into_iter()
        .flatten()
        .map(|((tgid, cgroup, command, comm), value)| TaskRow {
            comm: comm::text(comm),
            tgid: *tgid,
            tid: value.tid as u32,
            cgroup: (*cgroup != 0).then_some(*cgroup),
            of_command: *command != 0,
            count: value.count,
            total_ns: value.total_ns,
        })
        .collect();
    rows.sort_by_cached_key(|row| {
        (
            Reverse((row.total_ns, row.count)),
            row.comm.clone(),
            row.tgid,
            row.cgroup,
            row.of_command,
        )
    });
    rows
}
