//! Counters of the runs of a check → what a row says about them.

use seqtrace_common::run::{LENGTHS, RunCounters};

use crate::{aggregate::snapshot::Runs, collect::batch::Batch};

/// The runs of a slot; `None` where they are not followed.
pub(super) fn runs(batch: &Batch, slot: u32) -> Option<Runs> {
    let RunCounters {
        runs,
        retries,
        longest,
        unconverged,
        lengths,
    } = batch.runs.get(&slot)?;
    let (in_flight, in_flight_retries) =
        batch.runs_in_flight.get(&slot).copied().unwrap_or_default();
    let lengths = (1..).zip(lengths.iter().copied());
    Some(Runs {
        count: *runs,
        retries: *retries,
        lengths: lengths.filter(|&(_, runs)| runs > 0).collect(),
        longest: *longest,
        unconverged: *unconverged,
        in_flight,
        in_flight_retries,
    })
}

impl Runs {
    /// The last length of [`Runs::lengths`], which stands for itself and all above.
    pub const LAST_LENGTH: u64 = LENGTHS as u64;
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use seqtrace_common::{
        counters::{SiteCounters, TaskKey, TaskValue, side},
        event::{Event, kind},
        loss,
    };

    use super::*;
    use crate::{
        aggregate::{Aggregate, Facts, comm, snapshot::Snapshot, tests::target},
        discover::catalog::Role,
        plan::{Kind, Plan},
    };

    /// A check that failed in runs of these lengths, each a microsecond long, with a run of two
    /// in flight and one failure that found no room.
    fn batch(lengths: &[u64]) -> Batch {
        let mut runs = RunCounters::ZERO;
        let mut counters = SiteCounters::ZERO;
        for &length in lengths {
            runs.finish(length);
            counters.lengthen(1_000);
        }
        counters.count = runs.retries + 3;
        counters.hits = 1_000;
        let mut losses = [0; loss::COUNT as usize];
        losses[loss::RUNS_FULL as usize] = 1;
        let task = TaskKey {
            slot: 0,
            side: side::READER,
            tgid: 7,
            command: 0,
            cgroup: 0,
            comm: comm::bytes("reader"),
        };
        let value = TaskValue {
            count: counters.count,
            total_ns: counters.total_ns,
            tid: 7,
        };
        Batch {
            counters: vec![counters],
            tasks: vec![(task, value)],
            runs: HashMap::from([(0, runs)]),
            runs_in_flight: HashMap::from([(0, (1, 2))]),
            losses,
            ..Batch::default()
        }
    }

    fn snapshot(batch: Batch) -> Snapshot {
        let mut check = target("ktime_get", Role::Retry);
        check.kind = Kind::Check;
        let plan = Plan {
            targets: vec![check],
        };
        let symbolise = Box::new(|_| None);
        let mut aggregate = Aggregate::new(&plan, &[], Facts::default(), symbolise);
        aggregate.add(batch);
        aggregate.snapshot()
    }

    #[test]
    fn every_failed_check_is_in_a_run_or_in_a_loss() {
        let snapshot = snapshot(batch(&[1, 1, 3, 40]));
        assert_eq!(snapshot.check(), []);
        let row = &snapshot.rows[0];
        assert_eq!((row.count, row.total_ns, row.max_ns), (48, 4_000, 1_000));
        let runs = row.runs.as_ref().expect("they are followed");
        assert_eq!(runs.lengths, [(1, 2), (3, 1), (Runs::LAST_LENGTH, 1)]);
        assert_eq!((runs.count, runs.retries, runs.longest), (4, 45, 40));
        assert_eq!((runs.in_flight, runs.in_flight_retries), (1, 2));
        let sum = &snapshot.seqcounts[0];
        assert_eq!((sum.retries, sum.total_ns, sum.run_ns), (48, 0, 4_000));
    }

    #[test]
    fn a_failed_check_that_is_nowhere_is_told() {
        for spoil in [
            |batch: &mut Batch| batch.counters[0].count += 1,
            |batch: &mut Batch| batch.losses[loss::RUNS_FULL as usize] = 0,
            |batch: &mut Batch| batch.runs_in_flight.clear(),
            |batch: &mut Batch| batch.runs.get_mut(&0).expect("there").lengths[0] += 1,
            |batch: &mut Batch| batch.counters[0].hits = 1,
            |batch: &mut Batch| batch.counters[0].histogram[9] += 1,
            |batch: &mut Batch| batch.runs.get_mut(&0).expect("there").unconverged = 9,
        ] {
            let mut batch = batch(&[1, 1, 3]);
            spoil(&mut batch);
            assert_ne!(snapshot(batch).check(), []);
        }
    }

    #[test]
    fn a_run_that_goes_on_is_told_with_its_reader() {
        let mut batch = batch(&[1]);
        let event = Event {
            time_ns: 20_000_000,
            duration_ns: 10_000_001,
            lock: 17,
            cgroup: 0,
            hold_ns: 0,
            slot: 0,
            kind: kind::UNCONVERGED,
            cpu: 1,
            tid: 9,
            tgid: 9,
            stack: -14,
            owner_tid: 0,
            slept: 0,
            hold_slot: u32::MAX,
            command: 0,
            comm: comm::bytes("reader"),
            owner_comm: [0; 16],
        };
        batch.events = vec![event];
        let snapshot = snapshot(batch);
        let told = &snapshot.events[0];
        assert_eq!((told.kind, told.comm.as_str()), (Kind::Check, "reader"));
        assert_eq!((told.retries, told.unconverged), (Some(17), true));
    }
}
