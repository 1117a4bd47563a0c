//! Waits that are taken out of `SPINS` because nothing has been heard of them for long: threads
//! exit, and the map must not fill up with them.
//!
//! Reaping begins when a quarter of the map is in use, so that a small load is never touched. A
//! reader that resumes the very wait at the moment it is taken begins another one. If it ends that
//! wait and begins the next between our reading and removing, the next is lost in place of the one
//! before: the numbers of waits stay right, one duration is counted for another.

use std::{collections::HashMap, hash::Hash};

use seqtrace_common::{
    blame::{BlameKey, BlameValue},
    counters::{SiteCounters, StackKey, StackValue, TaskKey, TaskValue, side},
    loss,
    wait::{SpinState, WaitKey},
};

use super::batch::Batch;

/// A wait in whose loop nothing was heard for so long, in nanoseconds, is taken to be over.
const QUIET_NS: u64 = 1_000_000_000;

/// Whether so many waits are too many for a map of `capacity` entries to be left alone.
pub(super) fn is_crowded(spins: usize, capacity: u32) -> bool {
    spins > capacity as usize / 4
}

/// The keys of the waits that are to be taken out of a map of `capacity` entries at `now_ns`
/// (`CLOCK_MONOTONIC`, as `bpf_ktime_get_ns`).
pub(super) fn quiet(
    spins: &HashMap<WaitKey, SpinState>,
    capacity: u32,
    now_ns: u64,
) -> Vec<WaitKey> {
    if !is_crowded(spins.len(), capacity) {
        return Vec::new();
    }
    let mut keys: Vec<_> = spins
        .iter()
        .filter(|(_, spin)| now_ns.saturating_sub(spin.last_ns) > QUIET_NS)
        .map(|(key, _)| *key)
        .collect();
    keys.sort_unstable_by_key(|key| (key.slot, key.tid));
    keys
}

/// What the waits that were taken out had counted, to be added to every later batch.
#[derive(Debug, Default)]
pub(super) struct Reaped {
    counters: HashMap<u32, SiteCounters>,
    tasks: HashMap<TaskKey, TaskValue>,
    stacks: HashMap<StackKey, StackValue>,
    blames: HashMap<BlameKey, BlameValue>,
    losses: [u64; loss::COUNT as usize],
}

/// How many entries of each kind are kept at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) tasks: usize,
    /// None where the session has no stacks.
    pub(super) stacks: usize,
    pub(super) blames: usize,
}

impl Reaped {
    /// Counts a wait as the kernel side would have.
    pub(super) fn count(&mut self, key: WaitKey, spin: &SpinState, room: Room) {
        let SpinState {
            tgid,
            stack,
            comm,
            command,
            cgroup,
            ..
        } = *spin;
        let WaitKey { slot, tid: _ } = key;
        let duration_ns = spin.duration_ns();
        let counters = self.counters.entry(slot).or_insert(SiteCounters::ZERO);
        counters.complete(duration_ns);
        let (event, edge) = (spin.event(key), &spin.edge);
        if let Some(reason) = edge.reason() {
            counters.unblamed[reason] += 1;
        } else if let Some(value) = bounded(&mut self.blames, edge.key(&event.wait()), room.blames)
        {
            value.add(&edge.value(&event.wait()));
        } else {
            self.losses[loss::BLAMES_FULL as usize] += 1;
        }
        let task = TaskKey {
            slot,
            side: side::READER,
            tgid,
            command,
            cgroup,
            comm,
        };
        if let Some(value) = bounded(&mut self.tasks, task, room.tasks) {
            add_task(
                value,
                &TaskValue {
                    count: 1,
                    total_ns: duration_ns,
                    tid: key.thread().into(),
                },
            );
        } else {
            self.losses[loss::TASKS_FULL as usize] += 1;
        }
        if room.stacks == 0 {
            return;
        }
        if let Some(value) = bounded(
            &mut self.stacks,
            StackKey { slot, stack, comm },
            room.stacks,
        ) {
            add_stack(
                value,
                &StackValue {
                    count: 1,
                    total_ns: duration_ns,
                },
            );
        } else {
            self.losses[loss::STACK_COUNTS_FULL as usize] += 1;
        }
    }

    /// Counts a wait that was too short, as the kernel side would have.
    pub(super) fn count_short(&mut self, key: WaitKey) {
        let counters = self.counters.entry(key.slot).or_insert(SiteCounters::ZERO);
        counters.short += 1;
    }

    /// Adds everything to a batch.
    pub(super) fn add_to(&self, batch: &mut Batch) {
        let Self {
            counters,
            tasks,
            stacks,
            blames,
            losses,
        } = self;
        for (slot, counters) in counters {
            batch.counters[*slot as usize].add(counters);
        }
        merge(&mut batch.tasks, tasks, add_task);
        merge(&mut batch.stacks, stacks, add_stack);
        merge(&mut batch.blames, blames, BlameValue::add);
        for (sum, more) in batch.losses.iter_mut().zip(losses) {
            *sum += more;
        }
    }
}

/// The value of `key`, put there if there is room.
fn bounded<K: Eq + Hash, V: Default>(
    map: &mut HashMap<K, V>,
    key: K,
    room: usize,
) -> Option<&mut V> {
    if map.len() >= room && !map.contains_key(&key) {
        return None;
    }
    Some(map.entry(key).or_default())
}

fn merge<K: Copy + Eq + Hash, V: Copy>(
    into: &mut Vec<(K, V)>,
    from: &HashMap<K, V>,
    add: fn(&mut V, &V),
) {
    if from.is_empty() {
        return;
    }
    let places: HashMap<K, usize> = into
        .iter()
        .enumerate()
        .map(|(place, (key, _))| (*key, place))
        .collect();
    for (key, value) in from {
        match places.get(key) {
            Some(place) => add(&mut into[*place].1, value),
            None => into.push((*key, *value)),
        }
    }
}

fn add_task(sum: &mut TaskValue, more: &TaskValue) {
    let TaskValue {
        count,
        total_ns,
        tid,
    } = more;
    if sum.count == 0 {
        sum.tid = *tid;
    }
    sum.count += count;
    sum.total_ns += total_ns;
}

fn add_stack(sum: &mut StackValue, more: &StackValue) {
    let StackValue { count, total_ns } = more;
    sum.count += count;
    sum.total_ns += total_ns;
}

#[cfg(test)]
mod tests {
    use seqtrace_common::blame::{Edge, reason, state};

    use super::*;

    fn spin(first_ns: u64, last_ns: u64) -> SpinState {
        SpinState {
            first_ns,
            last_ns,
            pauses: 9,
            sequence: 7,
            switches: 0,
            registers: 0,
            tgid: 50,
            stack: 3,
            cpu: 0,
            command: 0,
            cgroup: 0,
            comm: *b"reader\0\0\0\0\0\0\0\0\0\0",
            edge: Edge::unknown(reason::WRITER_GONE),
        }
    }

    const fn room(tasks: usize, stacks: usize) -> Room {
        Room {
            tasks,
            stacks,
            blames: 1,
        }
    }

    fn spins(number: u32, last_ns: u64) -> HashMap<WaitKey, SpinState> {
        (0..number)
            .map(|tid| (WaitKey { tid, slot: 1 }, spin(0, last_ns)))
            .collect()
    }

    #[test]
    fn a_small_load_is_left_alone_however_quiet() {
        assert_eq!(quiet(&spins(4, 0), 16, u64::MAX), []);
        assert_eq!(quiet(&spins(5, 0), 16, u64::MAX).len(), 5);
    }

    #[test]
    fn only_what_is_quiet_for_a_second_is_taken() {
        let mut all = spins(8, 10);
        all.insert(WaitKey { tid: 100, slot: 0 }, spin(0, 500));
        assert_eq!(quiet(&all, 8, QUIET_NS + 500).len(), 8);
        assert_eq!(quiet(&all, 8, QUIET_NS + 501).len(), 9);
    }

    fn batch() -> Batch {
        Batch {
            counters: vec![SiteCounters::ZERO; 2],
            ..Batch::default()
        }
    }

    #[test]
    fn what_was_reaped_stays_in_every_batch() {
        let mut reaped = Reaped::default();
        reaped.count(WaitKey { tid: 51, slot: 1 }, &spin(100, 1100), room(8, 8));
        reaped.count(WaitKey { tid: 52, slot: 1 }, &spin(100, 110), room(8, 8));
        for _ in 0..2 {
            let mut batch = batch();
            reaped.add_to(&mut batch);
            let counters = batch.counters[1];
            assert_eq!(
                (counters.count, counters.total_ns, counters.max_ns),
                (2, 1010, 1000)
            );
            assert_eq!(counters.histogram.iter().sum::<u64>(), 2);
            let [(task, value)] = batch.tasks[..] else {
                panic!("{:?}", batch.tasks)
            };
            assert_eq!(
                (task.tgid, value.count, value.total_ns, value.tid),
                (50, 2, 1010, 51)
            );
            assert_eq!(
                batch.stacks[0].1,
                StackValue {
                    count: 2,
                    total_ns: 1010
                }
            );
        }
    }

    #[test]
    fn reaped_tasks_are_added_to_those_of_the_kernel_side() {
        let mut reaped = Reaped::default();
        reaped.count(WaitKey { tid: 51, slot: 1 }, &spin(0, 10), room(8, 0));
        let mut batch = batch();
        let key = TaskKey {
            slot: 1,
            side: side::READER,
            tgid: 50,
            command: 0,
            cgroup: 0,
            comm: *b"reader\0\0\0\0\0\0\0\0\0\0",
        };
        batch.tasks.push((
            key,
            TaskValue {
                count: 3,
                total_ns: 30,
                tid: 77,
            },
        ));
        reaped.add_to(&mut batch);
        assert_eq!(
            batch.tasks,
            [(
                key,
                TaskValue {
                    count: 4,
                    total_ns: 40,
                    tid: 77
                }
            )]
        );
        assert_eq!(batch.stacks, []);
    }

    #[test]
    fn more_tasks_than_fit_are_a_loss() {
        let mut reaped = Reaped::default();
        for tgid in 0..3 {
            let spin = SpinState { tgid, ..spin(0, 1) };
            reaped.count(WaitKey { tid: tgid, slot: 0 }, &spin, room(2, 1));
        }
        let mut batch = batch();
        reaped.add_to(&mut batch);
        assert_eq!(batch.counters[0].count, 3);
        assert_eq!(batch.tasks.len(), 2);
        assert_eq!(batch.losses[loss::TASKS_FULL as usize], 1);
        assert_eq!(batch.losses[loss::STACK_COUNTS_FULL as usize], 0);
    }

    #[test]
    fn reaped_waits_are_blamed_as_far_as_there_is_room() {
        let mut reaped = Reaped::default();
        for (tid, verdict) in [
            (1, state::RUNNING),
            (2, state::RUNNING),
            (3, state::PREEMPTED),
            (4, reason::WRITER_GONE),
        ] {
            let spin = SpinState {
                edge: Edge::unknown(verdict),
                ..spin(0, 10)
            };
            reaped.count(WaitKey { tid, slot: 0 }, &spin, room(8, 0));
        }
        let mut batch = batch();
        reaped.add_to(&mut batch);
        let [(key, value)] = batch.blames[..] else {
            panic!("{:?}", batch.blames)
        };
        assert_eq!((key.state, value.count, value.wait_ns), (0, 2, 20));
        assert_eq!(batch.losses[loss::BLAMES_FULL as usize], 1);
        assert_eq!(batch.counters[0].unblamed.iter().sum::<u64>(), 1);
    }
}
