//! Batches in, snapshots out. Pure.
//!
//! Numbers come from the counting maps only; the ring adds the single longest events. Refuses to
//! guess: what was lost stays lost, under its name, and [`Snapshot::check`] says when the numbers
//! do not add up.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{collect::batch::Batch, governor::Report, plan::Plan};

pub mod blame;
pub mod cgroups;
pub mod command;
pub mod coverage;
pub mod difference;
pub mod filters;
pub mod histogram;
pub mod identity;
pub mod narrow;
pub mod occurrence;
pub mod order;
pub mod rates;
pub mod repeats;
pub mod snapshot;
pub mod watched;

pub(crate) mod comm;
mod container;
mod frames;
mod governor;
mod longest;
mod open_spins;
mod rows;
mod runs;
mod seqcounts;
mod stacks;

use self::{
    command::CommandCost,
    filters::Filters,
    frames::FrameNames,
    longest::Longest,
    narrow::Narrowing,
    repeats::Repeats,
    snapshot::{Costs, Coverage, DemandRow, Row, Samples, Snapshot},
};
pub use self::{frames::Symbolise, rows::SiteLabel};

/// What does not change during a session.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Kernel release (`uname -r`).
    pub release: String,
    /// Build id of vmlinux, hexadecimal.
    pub build_id: String,
    /// Whether it is a PREEMPT_RT kernel.
    pub realtime: bool,
    /// Whether the kernel side counts by stack.
    pub stacks: bool,
    /// Events that lasted at least this long are kept one by one; `None`: no events.
    pub threshold_ns: Option<u64>,
    /// A run of failed checks that lasts for longer does not converge; `None`: no runs are followed.
    pub converge_ns: Option<u64>,
    /// What cannot be seen with the backends in use; a line each.
    pub notes: Vec<String>,
    /// What the stages before cost.
    pub costs: Costs,
    /// What was asked for, as it may be typed; empty: everything.
    pub filters: Vec<String>,
    /// What of the numbers is left out of snapshots.
    pub narrowing: Narrowing,
}

/// The one owner of what a session has told so far.
pub struct Aggregate {
    facts: Facts,
    coverage: Coverage,
    labels: Vec<SiteLabel>,
    names: FrameNames,
    /// The newest totals; its open spins are counted already, its events are in `longest`.
    totals: Batch,
    longest: Longest,
    demands: Vec<DemandRow>,
    repeats: Repeats,
    ended: Option<String>,
    refusals: Vec<(u32, String)>,
    /// What the probes cost, where there is a budget.
    report: Option<Report>,
    /// Paths of cgroups by id, as far as they are known.
    cgroups: BTreeMap<u64, String>,
    /// How long the command ran so far, nanoseconds; `None`: none is followed.
    command_ns: Option<u64>,
}

impl Aggregate {
    /// An aggregate that has seen nothing yet.
    ///
    /// `refusals` has the slot of each site that the kernel refused, with the reason as it is to
    /// be printed.
    pub fn new(
        plan: &Plan,
        refusals: &[(u32, String)],
        facts: Facts,
        symbolise: Symbolise,
    ) -> Self {
        let mut aggregate = Self {
            facts,
            coverage: Coverage::default(),
            labels: plan.targets.iter().map(SiteLabel::new).collect(),
            names: FrameNames::new(symbolise),
            totals: Batch::default(),
            longest: Longest::default(),
            demands: Vec::new(),
            repeats: Repeats::default(),
            ended: None,
            refusals: Vec::new(),
            report: None,
            cgroups: BTreeMap::new(),
            command_ns: None,
        };
        aggregate.refuse(plan, refusals);
        aggregate
    }

    /// Takes over when whose writers were probed.
    pub fn tell_demands(&mut self, demands: &[DemandRow]) {
        self.demands = demands.to_vec();
    }

    /// A command is run whose tasks are told apart.
    pub fn follow_command(&mut self) {
        self.command_ns.get_or_insert(0);
    }

    /// The command ran for `wall_ns`, after what it ran before.
    pub fn lengthen_command(&mut self, wall_ns: u64) {
        if let Some(before_ns) = &mut self.command_ns {
            *before_ns += wall_ns;
        }
    }

    /// A run of several of the command is over, which lasted for `wall_ns`; all that it did has been added.
    pub fn end_run(&mut self, wall_ns: u64) {
        let Snapshot {
            seqcounts, command, ..
        } = self.snapshot();
        self.repeats.end(&seqcounts, command, wall_ns);
    }

    /// Takes over a longer list of refusals: sites whose module has left.
    pub fn refuse(&mut self, plan: &Plan, refusals: &[(u32, String)]) {
        self.refusals = refusals.to_vec();
        self.cover(plan);
    }

    /// What of the numbers is left out of snapshots.
    pub fn narrowing(&self) -> &Narrowing {
        &self.facts.narrowing
    }

    /// Adds a line to what cannot be seen or done.
    pub fn note(&mut self, plan: &Plan, note: String) {
        self.facts.notes.push(note);
        self.cover(plan);
    }

    /// Takes over what the probes cost, and which of them are off for it.
    pub fn govern(&mut self, plan: &Plan, report: Report) {
        let before = self.report.replace(report);
        let off = |report: &Option<Report>| report.as_ref().map(|report| report.off.clone());
        if off(&before) != off(&self.report) {
            self.cover(plan);
        }
    }

    fn cover(&mut self, plan: &Plan) {
        let report = self.report.as_ref();
        let off = report
            .map(|report| &report.off)
            .cloned()
            .unwrap_or_default();
        self.coverage = coverage::cover(plan, &self.refusals, &off);
        self.coverage.notes.clone_from(&self.facts.notes);
    }

    /// Notes what ended the run before its time: `by --max-events 1000`.
    pub fn end(&mut self, by: String) {
        self.ended = Some(by);
    }

    /// Takes over the totals of `batch` and its new events.
    pub fn add(&mut self, mut batch: Batch) {
        let events = std::mem::take(&mut batch.events);
        self.longest.add(events, &batch.frames);
        open_spins::count(&mut batch, self.facts.stacks);
        self.totals = batch;
    }

    /// The addresses of all stacks so far, as they are looked up.
    pub fn stack_addresses(&self) -> BTreeSet<u64> {
        let stacks = self.totals.frames.values().chain(self.longest.stacks());
        stacks
            .flatten()
            .map(|&address| frames::lookup_address(address))
            .collect()
    }

    /// Takes over the calls that were inlined at some of [`Aggregate::stack_addresses`], outermost
    /// first, without the functions themselves.
    pub fn inline(&mut self, calls: BTreeMap<u64, Vec<String>>) {
        self.names.inline(calls);
    }

    /// The cgroups that something was counted in so far.
    pub fn cgroups(&self) -> BTreeSet<u64> {
        let tasks = self.totals.tasks.iter().map(|(key, _)| key.cgroup);
        let ids = tasks.chain(self.longest.cgroups());
        ids.filter(|id| *id != 0).collect()
    }

    /// Takes over the paths of some of [`Aggregate::cgroups`].
    pub fn name_cgroups(&mut self, paths: impl IntoIterator<Item = (u64, String)>) {
        self.cgroups.extend(paths);
    }

    /// Everything known so far.
    pub fn snapshot(&self) -> Snapshot {
        let Facts {
            release,
            build_id,
            realtime,
            stacks: _,
            threshold_ns,
            converge_ns,
            notes: _,
            costs,
            filters: _,
            narrowing,
        } = &self.facts;
        let rows = rows::rows(&self.labels, &self.totals);
        let mut events = self.longest.clone();
        if let Some(threshold_ns) = *threshold_ns {
            events.add_open_spins(&self.totals, threshold_ns);
        }
        let filters = self.filters(&rows);
        narrowing.of(Snapshot {
            format: Snapshot::FORMAT,
            release: release.clone(),
            build_id: build_id.clone(),
            realtime: *realtime,
            elapsed_ns: self.totals.elapsed_ns,
            ended: self.ended.clone(),
            converge_ns: *converge_ns,
            seqcounts: seqcounts::seqcounts(&rows),
            stacks: stacks::stacks(&rows, &self.totals, &self.names),
            demands: self.demands.clone(),
            repeats: self.repeats.rows().to_vec(),
            command: self
                .command_ns
                .map(|wall_ns| CommandCost::of(&rows, wall_ns)),
            blames: blame::blames(&self.labels, &self.totals, &self.names),
            rows,
            events: events.rows(&self.labels, &self.names),
            cgroups: cgroups::rows(&self.cgroups(), &self.cgroups),
            coverage: self.coverage.clone(),
            filters,
            samples: self.totals.samples_elsewhere.map(|elsewhere| Samples {
                period_ns: seqtrace_common::settings::SAMPLE_NS,
                elsewhere,
            }),
            losses: seqtrace_common::loss::NAMES
                .iter()
                .zip(self.totals.losses)
                .map(|(name, count)| ((*name).to_owned(), count))
                .collect(),
            costs: costs.clone(),
            governor: self
                .report
                .as_ref()
                .map(|report| governor::rows(report, &self.labels)),
        })
    }

    fn filters(&self, rows: &[Row]) -> Option<Filters> {
        let words = self.facts.filters.clone();
        let counters = &self.totals.counters;
        let shown: BTreeSet<u32> = rows.iter().map(|row| row.slot).collect();
        let others = (0..)
            .zip(counters)
            .filter(|(slot, _)| !shown.contains(slot));
        (!words.is_empty()).then(|| Filters {
            words,
            filtered_without_row: Some(others.map(|(_, site)| site.filtered).sum()),
            filtered: counters.iter().map(|site| site.filtered).sum(),
            short: counters.iter().map(|site| site.short).sum(),
            left_out: None,
        })
    }
}

impl fmt::Debug for Aggregate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Aggregate")
            .field("facts", &self.facts)
            .field("totals", &self.totals)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
