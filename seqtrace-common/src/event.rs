//! Records that the kernel side writes to the ring buffer.

/// What an [`Event`] tells of.
pub mod kind {
    /// A reader took and dropped the writer's lock (PREEMPT_RT).
    pub const BLOCK: u32 = 0;
    /// A reader looped on an odd sequence.
    pub const SPIN: u32 = 1;
    /// A read section failed its check, or gave up and took the lock; the slot tells which.
    pub const RETRY: u32 = 2;
}

/// One event over the threshold.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Event {
    /// End of the event, `bpf_ktime_get_ns`.
    pub time_ns: u64,
    /// How long the reader waited; zero for retries.
    pub duration_ns: u64,
    /// Address of the writer's lock for blocks, else zero.
    pub lock: u64,
    /// Slot of the site.
    pub slot: u32,
    /// One of the constants in [`kind`].
    pub kind: u32,
    /// CPU on which the event ended.
    pub cpu: u32,
    /// Reader's thread id.
    pub tid: u32,
    /// Reader's process id.
    pub tgid: u32,
    /// Key in the `STACKS` map, or a negative errno.
    pub stack: i32,
    /// Thread id of the lock's owner at the call; 0 when there was none or it is not known.
    pub owner_tid: u32,
    /// 1 when the reader slept.
    pub slept: u32,
    /// Reader's command name, zero-terminated.
    pub comm: [u8; 16],
    /// Owner's command name, zero-terminated.
    pub owner_comm: [u8; 16],
}

const _: () = assert!(size_of::<Event>() == 88);

// SAFETY: `repr(C)`, no padding (asserted above), every bit pattern is valid.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Event {}
