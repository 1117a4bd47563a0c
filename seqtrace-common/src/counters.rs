//! Values of the counting maps. Aggregated numbers come from here only, never from the ring.

/// Buckets of a duration histogram: bucket `b` holds durations of `2^b ..= 2^(b+1)-1`
/// nanoseconds, bucket 0 also the duration zero.
pub const HISTOGRAM_BUCKETS: usize = 64;

/// What one site did on one CPU. Value of the per-CPU array `COUNTERS`, indexed by slot.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SiteCounters {
    /// Executions of the site's start address: lock calls, `pause`s, retries.
    pub hits: u64,
    /// Completed events: blocks that ended, waits of spinning readers that ended, retries.
    pub count: u64,
    /// Summed duration of the completed events, nanoseconds; zero for retries.
    pub total_ns: u64,
    /// Longest completed event, nanoseconds.
    pub max_ns: u64,
    /// Blocks in which the reader was switched out voluntarily between the lock call and the
    /// re-load: it really slept.
    pub slept: u64,
    /// Blocks whose lock had an owner at the call.
    pub owned: u64,
    /// Completed blocks and spins by duration; sums up to `count` for those kinds.
    pub histogram: [u64; HISTOGRAM_BUCKETS],
}

const _: () = assert!(size_of::<SiteCounters>() == 8 * (6 + HISTOGRAM_BUCKETS));

/// Who takes part in an event.
pub mod side {
    /// The task that waited or retried.
    pub const READER: u32 = 0;
    /// The task that owned the lock when the reader came.
    pub const OWNER: u32 = 1;
}

/// Key of the `TASKS` map: one process and command at one site.
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
    /// Zero; keeps the size a multiple of eight.
    pub reserved: u32,
    /// Command name, zero-terminated.
    pub comm: [u8; 16],
}

const _: () = assert!(size_of::<TaskKey>() == 32);

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

/// Key of the maps of waits that have begun and not ended (`BLOCKS`, `SPINS`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct WaitKey {
    /// Thread id; for the idle tasks, which share id 0, [`WaitKey::IDLE`] plus the CPU.
    pub tid: u32,
    /// Slot of the site.
    pub slot: u32,
}

const _: () = assert!(size_of::<WaitKey>() == 8);

impl WaitKey {
    /// Added to the CPU number to make a `tid` for the idle task of that CPU.
    pub const IDLE: u32 = 0x8000_0000;
}

/// A reader inside a lock call. Value of the `BLOCKS` map.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BlockState {
    /// When the lock was called, `bpf_ktime_get_ns`.
    pub start_ns: u64,
    /// Address of the writer's lock.
    pub lock: u64,
    /// Voluntary context switches of the reader so far (`task_struct.nvcsw`).
    pub switches: u64,
    /// Thread id of the lock's owner at the call; 0 when there was none.
    pub owner_tid: u32,
    /// Process id of the owner.
    pub owner_tgid: u32,
    /// Command name of the owner, zero-terminated; all zero when there was none.
    pub owner_comm: [u8; 16],
}

const _: () = assert!(size_of::<BlockState>() == 48);

/// A reader that spins, or that spun and has not met this site again. Value of the `SPINS` map.
///
/// One wait is one reader waiting for one write section: it ends when the same reader pauses at
/// the same site on another odd value. What is still in the map when the probes are gone has ended
/// too and is counted by user space.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SpinState {
    /// Time of the first `pause`.
    pub first_ns: u64,
    /// Time of the latest `pause`.
    pub last_ns: u64,
    /// Number of `pause`s.
    pub pauses: u64,
    /// The odd sequence value waited on, in the low 32 bits; all ones when not known.
    pub sequence: u64,
    /// Process id of the reader.
    pub tgid: u32,
    /// Key in the `STACKS` map of the stack at the first `pause`, or a negative errno.
    pub stack: i32,
    /// Command name of the reader, zero-terminated.
    pub comm: [u8; 16],
}

const _: () = assert!(size_of::<SpinState>() == 56);

#[cfg(feature = "user")]
mod pod {
    use super::{
        BlockState, SiteCounters, SpinState, StackKey, StackValue, TaskKey, TaskValue, WaitKey,
    };

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
    // SAFETY: as above.
    unsafe impl aya::Pod for WaitKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for BlockState {}
    // SAFETY: as above.
    unsafe impl aya::Pod for SpinState {}
}
