//! Two snapshots of one session → a snapshot of what happened between them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::Hash,
};

use crate::aggregate::{
    blame::{BlameRow, Party, State},
    histogram::{self, Histogram},
    seqcounts,
    snapshot::{EventRow, Row, Runs, Snapshot, StackRow, TaskRow},
};

impl Snapshot {
    /// What happened since `earlier`, a snapshot of the same session: its counts and times are those of
    /// this snapshot less the earlier one's. Rows stay in their order, also those where nothing happened.
    ///
    /// A longest event is exact where it is longer than all before `earlier`. Elsewhere it is the end of
    /// the highest bucket of the histogram that has an event, which no event of the time is above. Of the
    /// events those remain that the earlier snapshot has not.
    #[must_use]
    pub fn difference(&self, earlier: &Self) -> Self {
        let rows = rows(&self.rows, &earlier.rows);
        Self {
            elapsed_ns: self.elapsed_ns.saturating_sub(earlier.elapsed_ns),
            seqcounts: seqcounts::seqcounts(&rows),
            stacks: stacks(self, earlier),
            blames: blames(&self.blames, &earlier.blames),
            events: events(&self.events, &earlier.events),
            losses: numbers(&self.losses, &earlier.losses),
            rows,
            ..self.clone()
        }
    }
}

fn rows(now: &[Row], earlier: &[Row]) -> Vec<Row> {
    let before: HashMap<u32, &Row> = earlier.iter().map(|row| (row.slot, row)).collect();
    let rows = now.iter();
    let rows = rows.map(|row| {
        let before = before.get(&row.slot);
        before.map_or_else(|| row.clone(), |before| less(row, before))
    });
    rows.collect()
}

fn less(row: &Row, before: &Row) -> Row {
    let histogram = buckets(&row.histogram, &before.histogram);
    let max_ns = longest(row.max_ns, before.max_ns, &histogram);
    Row {
        hits: row.hits.saturating_sub(before.hits),
        count: row.count.saturating_sub(before.count),
        total_ns: row.total_ns.saturating_sub(before.total_ns),
        slept: row.slept.saturating_sub(before.slept),
        short: row.short.saturating_sub(before.short),
        owned: row.owned.saturating_sub(before.owned),
        max_ns,
        runs: runs(row.runs.as_ref(), before.runs.as_ref()),
        unblamed: numbers(&row.unblamed, &before.unblamed),
        p50_ns: histogram::quantile(&histogram, max_ns, 0.50),
        p99_ns: histogram::quantile(&histogram, max_ns, 0.99),
        histogram,
        readers: tasks(&row.readers, &before.readers),
        owners: tasks(&row.owners, &before.owners),
        ..row.clone()
    }
}

fn runs(now: Option<&Runs>, before: Option<&Runs>) -> Option<Runs> {
    let (Some(now), Some(before)) = (now, before) else {
        return now.cloned();
    };
    let lengths = buckets(&now.lengths, &before.lengths);
    let longest = if now.longest > before.longest {
        now.longest
    } else {
        lengths.last().map_or(0, |(length, _)| *length)
    };
    Some(Runs {
        count: now.count.saturating_sub(before.count),
        retries: now.retries.saturating_sub(before.retries),
        longest,
        lengths,
        unconverged: now.unconverged.saturating_sub(before.unconverged),
        in_flight: now.in_flight,
        in_flight_retries: now.in_flight_retries,
    })
}

/// The longest event, or what no event is above.
fn longest(now_ns: u64, before_ns: u64, histogram: &[(u64, u64)]) -> u64 {
    match histogram.last() {
        _ if now_ns > before_ns => now_ns,
        Some((lower_ns, _)) => lower_ns.saturating_mul(2).max(2).min(now_ns),
        None => 0,
    }
}

fn buckets(now: &[(u64, u64)], before: &[(u64, u64)]) -> Histogram {
    let before: HashMap<u64, u64> = before.iter().copied().collect();
    let buckets = now.iter().map(|&(lower, events)| {
        let earlier = before.get(&lower).copied().unwrap_or(0);
        (lower, events.saturating_sub(earlier))
    });
    buckets.filter(|(_, events)| *events > 0).collect()
}

fn numbers(now: &BTreeMap<String, u64>, before: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let numbers = now.iter().map(|(name, number)| {
        let earlier = before.get(name).copied().unwrap_or(0);
        (name.clone(), number.saturating_sub(earlier))
    });
    numbers.collect()
}

/// The items whose count rose, each less what `earlier` has under its key.
fn subtract<T: Clone, K: Eq + Hash>(
    now: impl Iterator<Item = (K, T)>,
    earlier: impl Iterator<Item = (K, T)>,
    less: impl Fn(&mut T, &T) -> bool,
) -> Vec<T> {
    let before: HashMap<K, T> = earlier.collect();
    let items = now.filter_map(|(key, mut item)| {
        let before = before.get(&key);
        before
            .is_none_or(|before| less(&mut item, before))
            .then_some(item)
    });
    items.collect()
}

fn tasks(now: &[TaskRow], earlier: &[TaskRow]) -> Vec<TaskRow> {
    let keyed = |row: &TaskRow| {
        let place = (row.cgroup, row.of_command);
        ((row.comm.clone(), row.tgid, place), row.clone())
    };
    let mut tasks = subtract(
        now.iter().map(keyed),
        earlier.iter().map(keyed),
        |row, before| {
            row.count = row.count.saturating_sub(before.count);
            row.total_ns = row.total_ns.saturating_sub(before.total_ns);
            row.count > 0
        },
    );
    tasks.sort_by_key(|row| std::cmp::Reverse((row.total_ns, row.count)));
    tasks
}

fn stacks(now: &Snapshot, earlier: &Snapshot) -> Vec<StackRow> {
    fn keyed(
        snapshot: &Snapshot,
    ) -> impl Iterator<Item = ((Option<u32>, String, Vec<String>), StackRow)> {
        snapshot.stacks.iter().map(|stack| {
            let slot = snapshot.rows.get(stack.row).map(|row| row.slot);
            (
                (slot, stack.comm.clone(), stack.frames.clone()),
                stack.clone(),
            )
        })
    }
    subtract(keyed(now), keyed(earlier), |stack, before| {
        stack.count = stack.count.saturating_sub(before.count);
        stack.total_ns = stack.total_ns.saturating_sub(before.total_ns);
        stack.count > 0
    })
}

/// One pair of reader and writer. Counters of one name are put together: their numbers in one document
/// are not those in another.
type Pair = (u32, Side, Side, (Option<String>, State, bool));
type Side = (String, u32, Vec<String>);

fn blames(now: &[BlameRow], earlier: &[BlameRow]) -> Vec<BlameRow> {
    let mut rows = subtract(
        pairs(now).into_iter(),
        pairs(earlier).into_iter(),
        |row, before| {
            row.count = row.count.saturating_sub(before.count);
            row.wait_ns = row.wait_ns.saturating_sub(before.wait_ns);
            let held_ns = row.held_ns.zip(before.held_ns);
            row.held_ns = held_ns.map(|(now, before)| now.saturating_sub(before));
            row.count > 0
        },
    );
    rows.sort_by_key(|row| std::cmp::Reverse((row.wait_ns, row.count)));
    rows
}

fn pairs(rows: &[BlameRow]) -> BTreeMap<Pair, BlameRow> {
    let mut pairs = BTreeMap::<Pair, BlameRow>::new();
    let side = |party: &Party| (party.comm.clone(), party.tgid, party.frames.clone());
    for row in rows {
        let rest = (row.writer_site.clone(), row.state, row.owned);
        let pair = (row.slot, side(&row.reader), side(&row.writer), rest);
        if let Some(sum) = pairs.get_mut(&pair) {
            sum.object = None;
            sum.count += row.count;
            sum.wait_ns = sum.wait_ns.saturating_add(row.wait_ns);
            sum.held_ns = sum
                .held_ns
                .zip(row.held_ns)
                .map(|(a, b)| a.saturating_add(b));
        } else {
            pairs.insert(pair, row.clone());
        }
    }
    pairs
}

fn events(now: &[EventRow], earlier: &[EventRow]) -> Vec<EventRow> {
    let key = |event: &EventRow| (event.time_ns, event.tid, event.site.clone());
    let before: BTreeSet<_> = earlier.iter().map(key).collect();
    let events = now.iter().filter(|event| !before.contains(&key(event)));
    events.cloned().collect()
}

#[cfg(test)]
mod tests {
    use seqtrace_common::counters::{SiteCounters, TaskKey, TaskValue, side};

    use super::*;
    use crate::{
        aggregate::{Aggregate, Facts, comm, tests::target},
        collect::batch::Batch,
        discover::catalog::Role,
        plan::Plan,
    };

    /// So many spins, of these durations.
    fn snapshot(durations: &[u64]) -> Snapshot {
        let mut counters = SiteCounters::ZERO;
        for duration_ns in durations {
            counters.hits += 1;
            counters.unblamed[2] += 1;
            counters.complete(*duration_ns);
        }
        let key = TaskKey {
            slot: 0,
            side: side::READER,
            tgid: 7,
            command: 0,
            cgroup: 0,
            comm: comm::bytes("reader"),
        };
        let value = TaskValue {
            count: durations.len() as u64,
            total_ns: durations.iter().sum(),
            tid: 7,
        };
        let plan = Plan {
            targets: vec![target("getrusage", Role::Spin)],
        };
        let mut aggregate = Aggregate::new(&plan, &[], Facts::default(), Box::new(|_| None));
        aggregate.add(Batch {
            elapsed_ns: durations.len() as u64 * 1_000,
            counters: vec![counters],
            tasks: vec![(key, value)],
            ..Batch::default()
        });
        aggregate.snapshot()
    }

    #[test]
    fn a_difference_is_a_sound_snapshot_of_the_time_between() {
        let all = [100, 5_000, 300, 900];
        let between = snapshot(&all).difference(&snapshot(&all[..2]));
        assert_eq!(between.check(), []);
        assert_eq!(between.elapsed_ns, 2_000);
        let row = &between.rows[0];
        assert_eq!((row.count, row.total_ns), (2, 1_200));
        assert_eq!(row.histogram, [(256, 1), (512, 1)]);
        assert_eq!((row.readers[0].count, row.readers[0].total_ns), (2, 1_200));
        assert_eq!(between.seqcounts[0].total_ns, 1_200);
    }

    #[test]
    fn the_longest_event_is_exact_if_it_is_new_and_else_a_bound() {
        let longest = |all: &[u64], before: usize| {
            snapshot(all).difference(&snapshot(&all[..before])).rows[0].max_ns
        };
        assert_eq!(longest(&[100, 5_000], 1), 5_000);
        assert_eq!(longest(&[5_000, 300], 1), 512);
        assert_eq!(longest(&[5_000, 4_999], 1), 5_000);
        assert_eq!(longest(&[5_000], 1), 0);
    }

    #[test]
    fn nothing_is_left_of_a_snapshot_without_itself() {
        let all = snapshot(&[100, 200]);
        let nothing = all.difference(&all);
        assert_eq!(nothing.check(), []);
        assert_eq!((nothing.elapsed_ns, nothing.events_counted()), (0, 0));
        assert_eq!(nothing.rows[0].readers, []);
    }
}
