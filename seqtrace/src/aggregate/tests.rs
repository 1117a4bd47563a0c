//! Whole batches through the aggregate.

use std::collections::HashMap;

use seqtrace_common::{
    blame::{Edge, reason},
    counters::{SiteCounters, StackKey, StackValue, TaskKey, TaskValue, side},
    event::{self, Event},
    loss,
    wait::{SpinState, WaitKey},
};

use super::*;
use crate::{
    discover::catalog::{Lockname, Name, Role, Seqcount, Site},
    plan::{Backend, Kind, Place, Target},
};

/// A site of `signal_struct.stats_lock`.
pub(super) fn target(function: &str, role: Role) -> Target {
    Target {
        image: "vmlinux".to_owned(),
        kind: Kind::of_role(role),
        backend: Backend::Probe,
        place: Place::Site(Site {
            function: function.to_owned(),
            offset: 0x40,
            image_offset: 0x1000,
            role,
            seqcount: Seqcount {
                name: Name::Member("signal_struct.stats_lock".to_owned()),
                lockname: Some(Lockname::Seqlock),
                lock: None,
            },
            end: None,
            lock_function: None,
            sequence_register: None,
            location: None,
            cold: Vec::new(),
            chain: Vec::new(),
        }),
        address: 0,
        end_address: None,
        owner_offset: None,
        skip: None,
        on_demand: false,
        word: None,
    }
}

fn aggregate(targets: Vec<Target>) -> Aggregate {
    let facts = Facts {
        stacks: true,
        threshold_ns: Some(100),
        ..Facts::default()
    };
    let symbolise = Box::new(|address: u64| match address >> 12 {
        1 => Some("getrusage".to_owned()),
        2 => Some("do_syscall_64".to_owned()),
        _ => None,
    });
    Aggregate::new(&Plan { targets }, &[], facts, symbolise)
}

/// Counters of completed waits of the given durations.
fn waits(durations: &[u64]) -> SiteCounters {
    let mut counters = SiteCounters::ZERO;
    for &duration_ns in durations {
        counters.hits += 1;
        counters.complete(duration_ns);
    }
    counters
}

fn task(slot: u32, side: u32, comm: &str, count: u64, total_ns: u64) -> (TaskKey, TaskValue) {
    let key = TaskKey {
        slot,
        side,
        tgid: 100,
        command: 0,
        cgroup: 0,
        comm: comm::bytes(comm),
    };
    let value = TaskValue {
        count,
        total_ns,
        tid: 101,
    };
    (key, value)
}

fn stack(slot: u32, stack: i32, count: u64, total_ns: u64) -> (StackKey, StackValue) {
    let comm = comm::bytes("reader");
    (
        StackKey { slot, stack, comm },
        StackValue { count, total_ns },
    )
}

fn open_spin(slot: u32, tid: u32, duration_ns: u64) -> (WaitKey, SpinState) {
    let spin = SpinState {
        first_ns: 1_000,
        last_ns: 1_000 + duration_ns,
        pauses: 3,
        sequence: 7,
        switches: 0,
        registers: 0,
        tgid: 100,
        stack: 5,
        cpu: 1,
        command: 0,
        cgroup: 0,
        comm: comm::bytes("reader"),
        edge: Edge::unknown(reason::NOT_FOLLOWED),
    };
    (WaitKey { tid, slot }, spin)
}

fn event(slot: u32, time_ns: u64, duration_ns: u64) -> Event {
    Event {
        time_ns,
        duration_ns,
        lock: 0,
        cgroup: 0,
        hold_ns: 0,
        slot,
        kind: event::kind::SPIN,
        cpu: 1,
        tid: 9,
        tgid: 9,
        stack: 5,
        owner_tid: 0,
        slept: 0,
        hold_slot: Edge::NO_SLOT,
        command: 0,
        comm: comm::bytes("reader"),
        owner_comm: [0; 16],
    }
}

/// One block site and one spin site with an open spin of 900 ns, all numbers in agreement.
fn batch() -> Batch {
    let mut block = waits(&[10, 500, 2_000]);
    block.hits += 2;
    block.owned = 2;
    let mut spin = waits(&[40, 50]);
    spin.hits += 30;
    block.unblamed[0] = 3;
    spin.unblamed[1] = 2;
    let mut losses = [0; loss::COUNT as usize];
    losses[loss::BLOCKS_FULL as usize] = 1;
    Batch {
        elapsed_ns: 1_000_000_000,
        counters: vec![block, spin, waits(&[])],
        tasks: vec![
            task(0, side::READER, "reader", 2, 510),
            task(0, side::READER, "other", 1, 2_000),
            task(0, side::OWNER, "writer", 2, 2_500),
            task(1, side::READER, "reader", 2, 90),
        ],
        stacks: vec![
            stack(0, 5, 1, 10),
            stack(0, 6, 2, 2_500),
            stack(1, -14, 2, 90),
        ],
        frames: HashMap::from([(5, vec![0x1041, 0x2010]), (6, vec![0x1041, 0x2080])]),
        blocks_in_flight: HashMap::from([(0, 1)]),
        spins: vec![open_spin(1, 9, 900)],
        events: vec![event(1, 70, 50)],
        events_left_out: 0,
        samples_elsewhere: None,
        losses,
        ..Batch::default()
    }
}

fn two_sites() -> Vec<Target> {
    vec![
        target("getrusage", Role::Block),
        target("thread_group_cputime", Role::Spin),
        target("never_hit", Role::Spin),
    ]
}

#[test]
fn numbers_that_agree_break_no_identity() {
    let mut aggregate = aggregate(two_sites());
    aggregate.add(batch());
    assert_eq!(aggregate.snapshot().check(), []);
}

#[test]
fn each_identity_is_reported_when_it_breaks() {
    let mut aggregate = aggregate(two_sites());
    aggregate.add(batch());
    let whole = aggregate.snapshot();
    let broken = |breaks: fn(&mut Snapshot)| {
        let mut snapshot = whole.clone();
        breaks(&mut snapshot);
        let identities: Vec<_> = snapshot.check().iter().map(|b| b.identity).collect();
        identities.join("; ")
    };
    for (breaks, expected) in [
        (
            (|s| s.coverage.probed -= 1) as fn(&mut Snapshot),
            "sites = probed + contention + sampled + on demand + turned down + skipped + refused; covered = kinds",
        ),
        (|s| s.coverage.skipped += 1, "skipped = reasons"),
        (|s| s.rows[0].histogram[0].1 += 1, "histogram = count"),
        (
            |s| s.rows[0].in_flight = 0,
            "hits of blocks = count + short + in flight + blocks_full + start_without_end",
        ),
        (|s| s.rows[1].hits = 1, "count + short <= hits"),
        (|s| s.rows[0].max_ns = 1 << 40, "longest <= total"),
        (
            |s| s.rows[0].readers[0].count -= 1,
            "events not credited to a task = tasks_full",
        ),
        (|s| s.rows[0].owners[0].count += 1, "owners <= owned"),
        (
            |s| s.stacks[0].count -= 1,
            "events not credited to a stack = stack_counts_full",
        ),
        (
            |s| s.rows[0].unblamed.clear(),
            "waits neither blamed nor unblamed = blames_full",
        ),
        (|s| s.seqcounts[0].total_ns += 1, "time = that of its sites"),
        (|s| s.rows[1].short = 1, "short = those of all sites"),
    ] {
        let found = broken(breaks);
        assert!(found.contains(expected), "{expected}: found {found:?}");
    }
}

#[test]
fn open_spins_are_counted_everywhere_as_one_wait() {
    let mut aggregate = aggregate(two_sites());
    aggregate.add(batch());
    let snapshot = aggregate.snapshot();
    let spin = snapshot.rows.iter().find(|row| row.kind == Kind::Spin);
    let spin = spin.expect("the spin site was hit");
    assert_eq!((spin.count, spin.total_ns, spin.max_ns), (3, 990, 900));
    assert_eq!(spin.histogram, [(32, 2), (512, 1)]);
    assert_eq!((spin.readers[0].count, spin.readers[0].total_ns), (3, 990));
    let events: Vec<_> = snapshot
        .events
        .iter()
        .map(|e| (e.duration_ns, e.cpu))
        .collect();
    assert_eq!(events, [(900, 1), (50, 1)]);
}

#[test]
fn open_spins_are_counted_once_however_often_they_are_seen() {
    let mut aggregate = aggregate(two_sites());
    aggregate.add(batch());
    let once = aggregate.snapshot();
    aggregate.add(Batch {
        events: Vec::new(),
        ..batch()
    });
    assert_eq!(aggregate.snapshot(), once);
}

#[test]
fn rows_are_sorted_by_time_lost_then_events_then_name() {
    let names = ["b_retry", "a_retry", "many_retries", "spin"];
    let targets = names.map(|name| target(name, Role::Retry));
    let retries = |count| SiteCounters {
        hits: count,
        count,
        ..waits(&[])
    };
    let mut aggregate = aggregate(targets.into());
    aggregate.add(Batch {
        counters: vec![retries(1), retries(1), retries(9), waits(&[5])],
        ..Batch::default()
    });
    let sites: Vec<_> = aggregate
        .snapshot()
        .rows
        .into_iter()
        .map(|row| row.site)
        .collect();
    assert_eq!(
        sites,
        [
            "spin+0x40",
            "many_retries+0x40",
            "a_retry+0x40",
            "b_retry+0x40"
        ]
    );
}

#[test]
fn stacks_are_named_outermost_first_and_merged_by_name() {
    let mut aggregate = aggregate(two_sites());
    aggregate.add(batch());
    let snapshot = aggregate.snapshot();
    let block = &snapshot.stacks[0];
    assert_eq!(block.frames, ["do_syscall_64", "getrusage"]);
    assert_eq!((block.count, block.total_ns), (3, 2_510));
    let lost = snapshot.stacks.iter().find(|stack| stack.frames.is_empty());
    assert_eq!(lost.map(|stack| stack.count), Some(2));
}

#[test]
fn calls_inlined_into_a_stack_are_shown_in_all_stacks() {
    let mut aggregate = aggregate(two_sites());
    aggregate.add(batch());
    let addresses: Vec<u64> = aggregate.stack_addresses().into_iter().collect();
    assert_eq!(addresses, [0x1040, 0x200f, 0x207f]);
    aggregate.inline(BTreeMap::from([(0x1040, vec!["read_seqbegin".to_owned()])]));
    let snapshot = aggregate.snapshot();
    let expected = ["do_syscall_64", "getrusage", "read_seqbegin_[i]"];
    let stacks = snapshot.stacks.iter().map(|stack| &stack.frames);
    let events = snapshot.events.iter().map(|event| &event.frames);
    for frames in stacks.chain(events).filter(|frames| !frames.is_empty()) {
        assert_eq!(*frames, expected);
    }
}

#[test]
fn the_longest_events_of_all_batches_are_kept() {
    let mut aggregate = aggregate(two_sites());
    for round in 0..10 {
        aggregate.add(Batch {
            events: (0..50).map(|at| event(1, at, round * 50 + at)).collect(),
            frames: batch().frames,
            ..Batch::default()
        });
    }
    let events = aggregate.snapshot().events;
    let durations: Vec<_> = events.iter().map(|event| event.duration_ns).collect();
    assert_eq!(durations, (400..500).rev().collect::<Vec<_>>());
    assert_eq!(events[0].frames, ["do_syscall_64", "getrusage"]);
}

#[test]
fn events_of_a_slot_that_is_in_no_plan_do_no_harm() {
    let mut aggregate = aggregate(two_sites());
    aggregate.add(Batch {
        spins: vec![open_spin(77, 9, 900)],
        events: vec![event(77, 1, 1)],
        stacks: vec![stack(77, 5, 1, 1)],
        tasks: vec![task(77, side::READER, "reader", 1, 1)],
        ..Batch::default()
    });
    let snapshot = aggregate.snapshot();
    assert!(snapshot.rows.is_empty() && snapshot.events.is_empty());
}

#[test]
fn an_interval_has_what_came_between_two_snapshots() {
    let mut aggregate = aggregate(two_sites());
    aggregate.add(batch());
    let earlier = aggregate.snapshot();
    let mut later = batch();
    later.elapsed_ns = 3_000_000_000;
    later.counters[0].count += 4;
    later.counters[0].total_ns += 400;
    later.counters[2] = waits(&[1_000_000]);
    aggregate.add(later);
    let interval = aggregate.snapshot().since(&earlier);
    assert_eq!(interval.elapsed_ns, 2_000_000_000);
    let changes: Vec<_> = interval
        .rows
        .iter()
        .map(|c| (c.count, c.total_ns))
        .collect();
    assert_eq!(changes, [(1, 1_000_000), (4, 400), (0, 0)]);
}
