//! Values of the counting maps. Aggregated numbers come from here only, never from the ring.

use core::hint::black_box;

use crate::{
    blame::reason,
    recent::{RecentBlame, RecentReader},
};

/// Buckets of a duration histogram: bucket `b` holds durations of `2^b ..= 2^(b+1)-1`
/// nanoseconds, bucket 0 also the duration zero.
pub const HISTOGRAM_BUCKETS: usize = 64;

/// Bucket of the histogram that a duration falls into.
#[inline]
pub fn bucket(duration_ns: u64) -> usize {
    let bucket = 63 - (duration_ns | 1).leading_zeros() as usize;
    // The compiler knows the bound and would drop the mask; the BPF verifier cannot find it out.
    black_box(bucket) & (HISTOGRAM_BUCKETS - 1)
}

/// What one site did on one CPU. Value of the per-CPU array `COUNTERS`, indexed by slot.
///
/// When the probes are gone, these hold exactly, added up over the CPUs:
///
/// * blocks: `hits = count + short + in flight + blocks_full + start_without_end`, where the last two are
///   losses (their sums over all slots) and *in flight* are the entries of `BLOCKS`;
/// * spins: `count`, `short` and the waits still in `SPINS` are all waits;
/// * retries and fallbacks: `hits = count`;
/// * checks: `count` is the checks that failed, and `RunCounters` says what it is the sum of.
///
/// While the probes are live a reading may catch one event between two of its fields.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SiteCounters {
    /// Executions of the site's start address: lock calls, `pause`s, retries, checks.
    pub hits: u64,
    /// Completed events: blocks that ended, waits of spinning readers that ended, retries.
    pub count: u64,
    /// Summed duration of the completed events, nanoseconds; zero for retries, but for checks that
    /// of the runs.
    pub total_ns: u64,
    /// Longest completed event, nanoseconds.
    pub max_ns: u64,
    /// Blocks in which the reader was switched out voluntarily between the lock call and the
    /// re-load: it really slept.
    pub slept: u64,
    /// Blocks whose lock had an owner at the call.
    pub owned: u64,
    /// Completed blocks and spins whose writer is not known, by reason ([`reason`]); the others are in
    /// the `BLAMES` map.
    pub unblamed: [u64; reason::COUNT],
    /// Hits that were passed over, because the site is thinned; in no other counter.
    pub thinned_out: u64,
    /// Hits of tasks or on CPUs that the filter leaves out; in no other counter.
    pub filtered: u64,
    /// Blocks, spins and holds that were over in less than [`crate::filter::Filter::min_ns`]; of the
    /// other counters in `hits` only.
    pub short: u64,
    /// The reader that came last, of one CPU: not added up.
    pub recent: RecentReader,
    /// Who waited last, and for whom, likewise.
    pub blame: RecentBlame,
    /// Completed blocks, spins and runs by duration; sums up to `count` for blocks and spins.
    pub histogram: [u64; HISTOGRAM_BUCKETS],
}

const _: () = assert!(
    size_of::<SiteCounters>()
        == 8 * (9 + reason::COUNT + HISTOGRAM_BUCKETS)
            + size_of::<RecentReader>()
            + size_of::<RecentBlame>()
);

impl SiteCounters {
    /// Nothing has happened.
    pub const ZERO: Self = Self {
        hits: 0,
        count: 0,
        total_ns: 0,
        max_ns: 0,
        slept: 0,
        owned: 0,
        unblamed: [0; reason::COUNT],
        thinned_out: 0,
        filtered: 0,
        short: 0,
        recent: RecentReader::NONE,
        blame: RecentBlame::NONE,
        histogram: [0; HISTOGRAM_BUCKETS],
    };

    /// Counts one completed block or wait.
    #[inline]
    pub fn complete(&mut self, duration_ns: u64) {
        self.count += 1;
        self.lengthen(duration_ns);
    }

    /// Adds the time of a run, whose retries were counted one by one.
    #[inline]
    pub fn lengthen(&mut self, duration_ns: u64) {
        self.total_ns += duration_ns;
        self.max_ns = self.max_ns.max(duration_ns);
        self.histogram[bucket(duration_ns)] += 1;
    }

    /// Adds what another CPU counted.
    pub fn add(&mut self, other: &Self) {
        let Self {
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
        } = other;
        self.hits += hits;
        self.count += count;
        self.total_ns += total_ns;
        self.max_ns = self.max_ns.max(*max_ns);
        self.slept += slept;
        self.owned += owned;
        for (sum, more) in self.unblamed.iter_mut().zip(unblamed) {
            *sum += more;
        }
        self.thinned_out += thinned_out;
        self.filtered += filtered;
        self.short += short;
        for (sum, more) in self.histogram.iter_mut().zip(histogram) {
            *sum += more;
        }
    }
}

/// Who takes part in an event.
pub mod side {
    /// The task that waited or retried.
    pub const READER: u32 = 0;
    /// The task that owned the lock when the reader came.
    pub const OWNER: u32 = 1;
}

/// Key of the `TASKS` map: one process and command at one site, in one cgroup.
///
/// The thread-group id, not the thread id: a storm of short threads must not fill the map.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TaskKey {
    /// Slot of the site.
    pub slot: u32,
    /// One of the constants in [`side`].
    pub side: u32,
    /// Process (thread group) id in the initial namespace; 0 for the idle tasks.
    pub tgid: u32,
    /// 1: of the command that is run. Of readers only.
    pub command: u32,
    /// Id of the cgroup that it was in, of the hierarchy of version 2; zero where the kernel has none, and of
    /// owners.
    pub cgroup: u64,
    /// Command name, zero-terminated.
    pub comm: [u8; 16],
}

const _: () = assert!(size_of::<TaskKey>() == 40);

/// Value of the `TASKS` map; shared by all CPUs, added to atomically.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TaskValue {
    /// Completed events.
    pub count: u64,
    /// Summed duration, nanoseconds.
    pub total_ns: u64,
    /// Thread id of one of them, the first seen.
    pub tid: u64,
}

const _: () = assert!(size_of::<TaskValue>() == 24);

/// Key of the `STACK_COUNTS` map: one kernel stack at one site.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct StackKey {
    /// Slot of the site.
    pub slot: u32,
    /// Key in the `STACKS` map, or a negative errno when the stack was lost.
    pub stack: i32,
    /// Command name of the reader, zero-terminated.
    pub comm: [u8; 16],
}

const _: () = assert!(size_of::<StackKey>() == 24);

/// Value of the `STACK_COUNTS` map; shared by all CPUs, added to atomically.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct StackValue {
    /// Completed events.
    pub count: u64,
    /// Summed duration, nanoseconds.
    pub total_ns: u64,
}

const _: () = assert!(size_of::<StackValue>() == 16);

#[cfg(feature = "user")]
mod pod {
    use super::{SiteCounters, StackKey, StackValue, TaskKey, TaskValue};

    // SAFETY: `repr(C)`, no padding (asserted above), every bit pattern is valid.
    unsafe impl aya::Pod for SiteCounters {}
    // SAFETY: as above.
    unsafe impl aya::Pod for TaskKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for TaskValue {}
    // SAFETY: as above.
    unsafe impl aya::Pod for StackKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for StackValue {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_is_the_power_of_two_below() {
        assert_eq!([0, 1, 2, 3, 4].map(bucket), [0, 0, 1, 1, 2]);
        assert_eq!(bucket((1 << 20) - 1), 19);
        assert_eq!(bucket(1 << 20), 20);
        assert_eq!(bucket(u64::MAX), 63);
    }

    #[test]
    fn counters_add_up_and_keep_the_longest() {
        let mut one = SiteCounters::ZERO;
        one.complete(5);
        let mut two = SiteCounters::ZERO;
        two.complete(1000);
        two.complete(7);
        one.add(&two);
        assert_eq!((one.count, one.total_ns, one.max_ns), (3, 1012, 1000));
        assert_eq!(one.histogram.iter().sum::<u64>(), one.count);
        assert_eq!(one.histogram[2], 2);
    }
}
