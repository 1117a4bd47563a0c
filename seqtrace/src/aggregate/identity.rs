//! A snapshot → the identities between its numbers that do not hold.
//!
//! All hold when the numbers were read after the last probe was detached. While probes are live the
//! maps are read one after the other and an event may fall between two reads, so a live snapshot
//! may be off by the events of that moment.

use std::fmt;

use crate::{
    aggregate::{
        filters::Filters,
        histogram,
        snapshot::{Coverage, Row, Runs, SeqcountRow, Snapshot, TaskRow},
    },
    plan::{Backend, Kind},
};

/// An identity that does not hold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Broken {
    /// The identity: `hits = count`.
    pub identity: &'static str,
    /// What it was checked on: a site, a seqcount, or `all`.
    pub subject: String,
    /// The two sides as they are.
    pub sides: (u64, u64),
}

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            identity,
            subject,
            sides: (left, right),
        } = self;
        write!(formatter, "{subject}: {identity}: {left} against {right}")
    }
}

/// Collects what does not hold.
#[derive(Default)]
struct Check(Vec<Broken>);

impl Check {
    fn equal(&mut self, identity: &'static str, subject: &str, left: u64, right: u64) {
        self.push_unless(left == right, identity, subject, (left, right));
    }

    fn at_most(&mut self, identity: &'static str, subject: &str, left: u64, right: u64) {
        self.push_unless(left <= right, identity, subject, (left, right));
    }

    fn push_unless(
        &mut self,
        holds: bool,
        identity: &'static str,
        subject: &str,
        sides: (u64, u64),
    ) {
        if !holds {
            self.0.push(Broken {
                identity,
                subject: subject.to_owned(),
                sides,
            });
        }
    }
}

impl Snapshot {
    /// The identities that do not hold; none in a snapshot that was taken after detaching.
    pub fn check(&self) -> Vec<Broken> {
        let mut check = Check::default();
        coverage(&mut check, &self.coverage);
        // What was left out of the rows is not left out of the losses.
        if self.filters.as_ref().is_some_and(Filters::is_narrowed) {
            return check.0;
        }
        for row in &self.rows {
            site(&mut check, row);
        }
        let sum = |number: fn(&Row) -> u64| self.rows.iter().map(number).sum::<u64>();
        let of = |kind, number: fn(&Row) -> u64| {
            let rows = self.rows.iter().filter(|row| row.kind == kind);
            rows.map(number).sum::<u64>()
        };
        let blocks = |number| of(Kind::Block, number);
        let holds = |number| of(Kind::Write, number);
        let lost = |name: &str| self.losses.get(name).copied().unwrap_or(0);
        check.equal(
            "hits of blocks = count + short + in flight + blocks_full + start_without_end",
            "all",
            blocks(|row| row.hits),
            blocks(|row| row.count + row.short + row.in_flight)
                + lost("blocks_full")
                + lost("start_without_end"),
        );
        check.equal(
            "hits of holds = count + short + in flight + holds_full + hold_without_end",
            "all",
            holds(|row| row.hits),
            holds(|row| row.count + row.short + row.in_flight)
                + lost("holds_full")
                + lost("hold_without_end"),
        );
        check.equal(
            "thinned_out = those of all sites",
            "all",
            lost("thinned_out"),
            sum(|row| row.thinned_out),
        );
        check.equal(
            "short = those of all sites",
            "all",
            self.filters.as_ref().map_or(0, |filters| filters.short),
            sum(|row| row.short),
        );
        if let Some((filters, without_row)) = self
            .filters
            .as_ref()
            .and_then(|filters| Some((filters, filters.filtered_without_row?)))
        {
            check.equal(
                "filtered = those of all sites + at sites without a row",
                "all",
                filters.filtered,
                sum(|row| row.filtered) + without_row,
            );
        }
        self.check_runs(&mut check, lost("runs_full"));
        check.equal(
            "events not credited to a task = tasks_full",
            "all",
            sum(|row| (row.count + row.owned).saturating_sub(credited(row))),
            lost("tasks_full"),
        );
        self.check_stacks(&mut check, lost("stack_counts_full"));
        self.check_blames(&mut check, lost("blames_full"));
        self.check_seqcounts(&mut check);
        check.0
    }

    fn check_runs(&self, check: &mut Check, lost: u64) {
        let mut sides = (0, 0);
        for row in &self.rows {
            let Some(runs) = &row.runs else { continue };
            sides.0 += row.count;
            sides.1 += runs.retries + runs.in_flight_retries;
        }
        check.equal(
            "retries of followed checks = those in runs + in flight + runs_full",
            "all",
            sides.0,
            sides.1 + lost,
        );
    }

    fn check_stacks(&self, check: &mut Check, lost: u64) {
        // Without stacks there is nothing to add up to.
        if self.stacks.is_empty() {
            return;
        }
        let mut missing = 0;
        let rows = self.rows.iter().enumerate();
        // The stacks are those of readers.
        for (index, row) in rows.filter(|(_, row)| row.kind != Kind::Write) {
            let stacks = self.stacks.iter().filter(|stack| stack.row == index);
            let count = stacks.map(|stack| stack.count).sum::<u64>();
            check.at_most("stacks <= count", &row.site, count, row.count);
            missing += row.count.saturating_sub(count);
        }
        check.equal(
            "events not credited to a stack = stack_counts_full",
            "all",
            missing,
            lost,
        );
    }

    /// Every single wait that was seen has a writer, or a reason why none is known.
    fn check_blames(&self, check: &mut Check, lost: u64) {
        let waits = self.rows.iter().filter(|row| {
            row.backend != Backend::Sample && matches!(row.kind, Kind::Block | Kind::Spin)
        });
        // Documents that are older than blame.
        let told = self.rows.iter().any(|row| !row.unblamed.is_empty());
        if self.blames.is_empty() && !told && lost == 0 {
            return;
        }
        let mut missing = 0;
        for row in waits {
            let blames = self.blames.iter().filter(|blame| blame.slot == row.slot);
            let (count, wait_ns) = blames.fold((0, 0), |(count, wait_ns), blame| {
                (count + blame.count, wait_ns + blame.wait_ns)
            });
            let known = count + row.unblamed.values().sum::<u64>();
            check.at_most("blamed + unblamed <= count", &row.site, known, row.count);
            check.at_most("time blamed <= total", &row.site, wait_ns, row.total_ns);
            missing += row.count.saturating_sub(known);
        }
        check.equal(
            "waits neither blamed nor unblamed = blames_full",
            "all",
            missing,
            lost,
        );
    }

    fn check_seqcounts(&self, check: &mut Check) {
        for sum in &self.seqcounts {
            let name = &sum.seqcount;
            let rows = self
                .rows
                .iter()
                .filter(|row| row.kind != Kind::Write)
                .filter(|row| row.seqcount == *name && row.lockname == sum.lockname);
            let count = rows.clone().map(|row| row.count).sum();
            check.equal("events = those of its sites", name, sum.events(), count);
            let time_ns = |is_check: bool| {
                let rows = rows.clone();
                let rows = rows.filter(|row| (row.kind == Kind::Check) == is_check);
                rows.map(|row| row.total_ns).sum()
            };
            let waits = "time = that of its sites";
            check.equal(waits, name, sum.total_ns, time_ns(false));
            check.equal(
                "time of runs = that of its checks",
                name,
                sum.run_ns,
                time_ns(true),
            );
            check.equal(
                "histogram = blocks + spins",
                name,
                histogram::count(&sum.histogram),
                sum.blocks + sum.spins,
            );
        }
        let readers = self.rows.iter().filter(|row| row.kind != Kind::Write);
        let of_sites = readers.map(|row| row.count).sum();
        let of_seqcounts = self.seqcounts.iter().map(SeqcountRow::events);
        check.equal("seqcounts = sites", "all", of_seqcounts.sum(), of_sites);
    }
}

fn coverage(check: &mut Check, coverage: &Coverage) {
    let Coverage {
        sites,
        probed,
        contention,
        sampled,
        on_demand,
        turned_down,
        skipped,
        refused,
        skips,
        refusals,
        notes: _,
        kinds,
    } = coverage;
    let mut equal = |identity, left, right| check.equal(identity, "coverage", left, right);
    equal(
        "sites = probed + contention + sampled + on demand + turned down + skipped + refused",
        *sites,
        probed + contention + sampled + on_demand + turned_down + skipped + refused,
    );
    equal("skipped = reasons", *skipped, skips.values().sum());
    equal("refused = reasons", *refused, refusals.values().sum());
    let all = kinds.values().map(|(all, _)| all).sum();
    equal("sites = kinds", *sites, all);
    let kinds_covered = kinds.values().map(|(_, covered)| covered).sum();
    equal("covered = kinds", coverage.covered(), kinds_covered);
}

fn site(check: &mut Check, row: &Row) {
    let name = &row.site;
    let histogram = histogram::count(&row.histogram);
    match row.kind {
        // A sample is no event, and has no duration of its own.
        _ if row.backend == Backend::Sample => {
            check.equal("histogram = 0", name, histogram, 0);
            check.equal("count = samples", name, row.count, row.hits);
        }
        Kind::Block | Kind::Write => {
            check.equal("histogram = count", name, histogram, row.count);
            let seen = row.count + row.short + row.in_flight;
            check.at_most("count + short + in flight <= hits", name, seen, row.hits);
        }
        Kind::Spin => {
            check.equal("histogram = count", name, histogram, row.count);
            let seen = row.count + row.short;
            check.at_most("count + short <= hits", name, seen, row.hits);
        }
        Kind::Check => {
            check.at_most("count <= hits", name, row.count, row.hits);
            let over = row.runs.as_ref().map_or(0, |runs| runs.count);
            check.equal("histogram = runs", name, histogram, over);
            row.runs.iter().for_each(|of| runs(check, row, of));
        }
        Kind::Retry | Kind::Fallback => {
            check.equal("histogram = 0", name, histogram, 0);
            check.equal("count = hits", name, row.count, row.hits);
        }
    }
    check.at_most("longest <= total", name, row.max_ns, row.total_ns);
    check.at_most("slept <= count", name, row.slept, row.count);
    check.at_most("owned <= count", name, row.owned, row.count);
    let (readers, reader_ns) = sums(&row.readers);
    check.at_most("readers <= count", name, readers, row.count);
    check.at_most("time of readers <= total", name, reader_ns, row.total_ns);
    let (owners, owner_ns) = sums(&row.owners);
    check.at_most("owners <= owned", name, owners, row.owned);
    check.at_most("time of owners <= total", name, owner_ns, row.total_ns);
}

fn runs(check: &mut Check, row: &Row, runs: &Runs) {
    let Runs {
        count,
        retries,
        lengths,
        longest,
        unconverged,
        in_flight,
        in_flight_retries,
    } = runs;
    let name = &row.site;
    let by_length = lengths.iter().map(|(_, runs)| runs).sum();
    check.equal("runs = those of all lengths", name, *count, by_length);
    let followed = retries + in_flight_retries;
    check.at_most("retries in runs <= count", name, followed, row.count);
    let known = lengths.iter().map(|(length, runs)| length * runs).sum();
    if *longest < Runs::LAST_LENGTH {
        check.equal("retries = lengths x runs", name, *retries, known);
    } else {
        check.at_most("lengths x runs <= retries", name, known, *retries);
    }
    check.at_most("unconverged <= runs", name, *unconverged, count + in_flight);
}

/// Events and time of `tasks`.
fn sums(tasks: &[TaskRow]) -> (u64, u64) {
    tasks.iter().fold((0, 0), |(count, total_ns), task| {
        (count + task.count, total_ns + task.total_ns)
    })
}

/// Events credited to readers and to owners.
fn credited(row: &Row) -> u64 {
    sums(&row.readers).0 + sums(&row.owners).0
}
