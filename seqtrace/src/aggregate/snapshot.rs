//! Everything a view needs, complete by itself: names, numbers, stacks, coverage, losses.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use crate::governor::Figures;
use crate::{
    aggregate::{
        blame::BlameRow, cgroups::CgroupRow, command::CommandCost, filters::Filters,
        repeats::RepeatRow,
    },
    discover::catalog::Lockname,
    plan::{Backend, Kind},
};

/// The state of a session at one moment, as totals since its start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Version of this document's layout: [`Snapshot::FORMAT`].
    pub format: u32,
    /// Kernel release (`uname -r`).
    pub release: String,
    /// Build id of vmlinux, hexadecimal.
    pub build_id: String,
    /// Whether it is a PREEMPT_RT kernel.
    pub realtime: bool,
    /// How long events have been counted, nanoseconds.
    pub elapsed_ns: u64,
    /// What ended the run before its time: `by --max-events 1000`; `None`: nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// A run of failed checks that lasted for longer, in nanoseconds, is counted as not converging;
    /// `None`: no runs are followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub converge_ns: Option<u64>,
    /// One row for each site that was hit, most time lost first, then most events.
    pub rows: Vec<Row>,
    /// The same added up by seqcount, in the same order.
    pub seqcounts: Vec<SeqcountRow>,
    /// Kernel stacks of the readers, when stacks were asked for.
    pub stacks: Vec<StackRow>,
    /// Who kept whom waiting: blocks and spins whose writer is known, most time lost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blames: Vec<BlameRow>,
    /// When whose writers were probed because readers lost time, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub demands: Vec<DemandRow>,
    /// The runs of a command that was run several times, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repeats: Vec<RepeatRow>,
    /// What the command that was run lost itself; `None`: none was run, or its tasks are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandCost>,
    /// The longest events that came through the ring, longest first.
    pub events: Vec<EventRow>,
    /// The cgroups that readers and events name, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cgroups: Vec<CgroupRow>,
    /// What became of all sites.
    pub coverage: Coverage,
    /// What was asked for, and what was left out for it; `None`: everything was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filters: Option<Filters>,
    /// The clock samples, where there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<Samples>,
    /// Everything that was lost, by name; every name is present.
    pub losses: BTreeMap<String, u64>,
    /// What the stages before cost.
    pub costs: Costs,
    /// What the probes cost, and which were turned down for it; `None` where there is no budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub governor: Option<Governor>,
}

/// What the probes cost, and what became of them for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Governor {
    /// What they cost.
    #[serde(flatten)]
    pub figures: Figures,
    /// What was turned down and came back, oldest first.
    pub decisions: Vec<DecisionRow>,
}

/// One change of what is counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionRow {
    /// Time since the counting began, nanoseconds.
    pub time_ns: u64,
    /// Kind of the sites.
    pub kind: Kind,
    /// The sites: one, but for holds, where it is all of a seqcount.
    pub sites: Vec<String>,
    /// Name of the seqcount.
    pub seqcount: String,
    /// Of so many hits one counts from now on, by chance; 1: all; 0: none, the probe is off.
    pub one_of: u64,
    /// What all probes cost before.
    pub cost: f64,
    /// What these sites cost; for sites that come back what they did when they were turned down.
    pub own: f64,
}

impl Snapshot {
    /// Version of the layout that this build writes, and the newest it reads.
    pub const FORMAT: u32 = 1;

    /// Completed events of all kinds, holds included.
    pub fn events_counted(&self) -> u64 {
        self.rows.iter().map(|row| row.count).sum()
    }
}

/// The samples of the CPU clock: each hit one site, or none.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Samples {
    /// Time between two samples of a CPU, nanoseconds: what one stands for.
    pub period_ns: u64,
    /// Samples that hit no site.
    pub elsewhere: u64,
}

/// What one site did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Index of the site in the plan. Tells apart sites whose printed names are equal: static
    /// functions of the same name.
    pub slot: u32,
    /// Name of the seqcount.
    pub seqcount: String,
    /// What serialises its writers, where known.
    pub lockname: Option<Lockname>,
    /// `vmlinux`, or the module's name.
    pub image: String,
    /// The site: `d_lookup+0x4b`.
    pub site: String,
    /// Kind of event. For [`Kind::Write`] the events are holds and the readers are the writers.
    pub kind: Kind,
    /// Where the numbers come from.
    pub backend: Backend,
    /// Executions of the site's address: lock calls, `pause`s, retries, checks.
    pub hits: u64,
    /// Completed events; for spins also those whose end shows only in that no `pause` followed, for
    /// checks those that failed.
    pub count: u64,
    /// Blocks that have begun and not ended; zero for the other kinds.
    pub in_flight: u64,
    /// Time lost by readers, nanoseconds; for checks the time of the runs that are over, from the first
    /// failure to the check that passed, with all that the reader waited for in between.
    pub total_ns: u64,
    /// Longest event, nanoseconds; for checks the longest run.
    pub max_ns: u64,
    /// For checks of read sections that are loops: the failures in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs: Option<Runs>,
    /// Blocks in which the reader slept.
    pub slept: u64,
    /// Blocks whose lock had an owner at the call.
    pub owned: u64,
    /// Blocks and spins whose writer is not known, by reason; the others are in [`Snapshot::blames`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unblamed: BTreeMap<String, u64>,
    /// Hits that were passed over while the site was thinned; in no other number.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub thinned_out: u64,
    /// Hits of tasks or on CPUs that were not asked for; in no other number.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub filtered: u64,
    /// Blocks, spins and holds that lasted for less than was asked for; of the other numbers in `hits` only.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub short: u64,
    /// Durations by power of two: (lower bound in nanoseconds, events), ascending, empty buckets
    /// left out. Sums up to `count` for blocks and spins, for checks to the runs that are over; empty
    /// for retries and fallbacks.
    pub histogram: Vec<(u64, u64)>,
    /// Estimate of the median from the histogram, nanoseconds.
    pub p50_ns: Option<u64>,
    /// Estimate of the 99th percentile from the histogram, nanoseconds.
    pub p99_ns: Option<u64>,
    /// Tasks that waited or retried here, most time lost first.
    pub readers: Vec<TaskRow>,
    /// Tasks that owned the lock when readers came, most time first.
    pub owners: Vec<TaskRow>,
}

/// Checks of one read section that failed in a row, at one site. A run is over when a check passes.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Runs {
    /// Runs that are over.
    pub count: u64,
    /// Failed checks in these.
    pub retries: u64,
    /// (Failed checks in a row, runs that are over of that length), ascending; the length
    /// [`Runs::LAST_LENGTH`] stands for all above too.
    pub lengths: Vec<(u64, u64)>,
    /// Failed checks in the longest run that is over.
    pub longest: u64,
    /// Runs that lasted for longer than [`Snapshot::converge_ns`], over or not.
    pub unconverged: u64,
    /// Runs that are not over.
    pub in_flight: u64,
    /// Failed checks in these.
    pub in_flight_retries: u64,
}

/// What all sites of one seqcount did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeqcountRow {
    /// Name of the seqcount.
    pub seqcount: String,
    /// What serialises its writers, where known.
    pub lockname: Option<Lockname>,
    /// Sites that were hit.
    pub sites: u64,
    /// Samples that found a reader waiting; `total_ns` is an estimate where there are any.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub samples: u64,
    /// Blocks.
    pub blocks: u64,
    /// Blocks in which the reader slept.
    pub slept: u64,
    /// Spins.
    pub spins: u64,
    /// Retries, fallbacks not included; where its checks are probed every one of them.
    pub retries: u64,
    /// Fallbacks.
    pub fallbacks: u64,
    /// Time lost by readers in blocks and spins, nanoseconds.
    pub total_ns: u64,
    /// Longest block or spin, nanoseconds.
    pub max_ns: u64,
    /// Time of the runs of its checks, nanoseconds. It is not in `total_ns`, because the waits in a run
    /// are in both.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub run_ns: u64,
    /// Durations of blocks and spins, as in [`Row::histogram`].
    pub histogram: Vec<(u64, u64)>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a reference over"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// One process and command in one cgroup.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct TaskRow {
    /// Command name.
    pub comm: String,
    /// Process id.
    pub tgid: u32,
    /// Thread id of the first event seen.
    pub tid: u32,
    /// Id of its cgroup, see [`Snapshot::cgroups`]; `None` when it is not known, as of owners.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<u64>,
    /// Whether it is of the command that was run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_command: bool,
    /// Events.
    pub count: u64,
    /// Time, nanoseconds.
    pub total_ns: u64,
}

/// One kernel stack at one site.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct StackRow {
    /// Index of the site's row in [`Snapshot::rows`].
    pub row: usize,
    /// Command name of the reader.
    pub comm: String,
    /// Frames, outermost first, symbolised (`getrusage+0x3db` as `getrusage`), calls that were
    /// inlined with `_[i]` at their ends where debuginfo tells them; empty when the stack was
    /// lost.
    pub frames: Vec<String>,
    /// Events.
    pub count: u64,
    /// Time lost, nanoseconds.
    pub total_ns: u64,
}

/// The writers of one seqcount were probed for a while.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct DemandRow {
    /// Name of the seqcount.
    pub seqcount: String,
    /// Time that its readers lost for each second of the interval before, nanoseconds.
    pub lost_ns: u64,
    /// Increments that were probed.
    pub probes: u64,
    /// From when on, nanoseconds since the counting began.
    pub began_ns: u64,
    /// Until when; `None`: to the end.
    pub ended_ns: Option<u64>,
}

/// One event over the threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRow {
    /// Time of its end since boot, nanoseconds.
    pub time_ns: u64,
    /// How long the reader waited.
    pub duration_ns: u64,
    /// Name of the seqcount.
    pub seqcount: String,
    /// The site.
    pub site: String,
    /// Kind of event.
    pub kind: Kind,
    /// CPU on which it ended.
    pub cpu: u32,
    /// Reader's thread id; 0 for the idle tasks.
    pub tid: u32,
    /// Reader's command name.
    pub comm: String,
    /// Id of the reader's cgroup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<u64>,
    /// For runs the failed checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u64>,
    /// Whether it is a run that went on after [`Snapshot::converge_ns`], when this was recorded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unconverged: bool,
    /// Whether the reader slept.
    pub slept: bool,
    /// Owner's thread id; `None` when there was none or it is not known.
    pub owner_tid: Option<u32>,
    /// Owner's command name.
    pub owner_comm: Option<String>,
    /// Kernel stack as in [`StackRow::frames`]; empty when not asked for or lost.
    pub frames: Vec<String>,
}

/// What became of all sites: `sites = probed + contention + sampled + on demand + turned down + skipped +
/// refused`.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// All sites of the catalog.
    pub sites: u64,
    /// Sites with a live probe (or, before attaching, that would get one).
    pub probed: u64,
    /// Sites that the tracepoints of contended locks tell of.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub contention: u64,
    /// Sites that are sampled.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sampled: u64,
    /// Increments that are probed only while readers lose time for their seqcount.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub on_demand: u64,
    /// Sites whose probe is off to keep to the budget; their numbers end there.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub turned_down: u64,
    /// Sites left out by us.
    pub skipped: u64,
    /// Sites the kernel refused.
    pub refused: u64,
    /// Skipped sites by reason.
    pub skips: BTreeMap<String, u64>,
    /// Refused sites by errno name and meaning.
    pub refusals: BTreeMap<String, u64>,
    /// Sites by kind: all, those that some backend counts.
    pub kinds: BTreeMap<String, (u64, u64)>,
    /// Before attaching: where the text came from, and what is not known or stands in the way of
    /// attaching; a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Coverage {
    /// Sites that some backend counts.
    pub fn covered(&self) -> u64 {
        self.probed + self.contention + self.sampled
    }
}

/// What the stages cost.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Costs {
    /// Time to discover the sites, nanoseconds; from the cache where `cached`.
    pub discover_ns: u64,
    /// Whether every image came from the cache.
    pub cached: bool,
    /// Time to attach, nanoseconds.
    pub attach_ns: u64,
    /// Largest resident set of the process so far, bytes.
    pub peak_rss_bytes: u64,
}
