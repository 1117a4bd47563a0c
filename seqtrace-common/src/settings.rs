//! Settings that user space gives to the kernel side when the object is loaded.

/// Time between two samples of a CPU's clock, nanoseconds: 997 in a second. Prime, so that what happens
/// a round number of times a second is not always or never hit.
pub const SAMPLE_NS: u64 = 1_000_000_000 / 997;

/// The kernel's structure has no such member.
pub const NO_MEMBER: u32 = u32::MAX;

/// Value of the read-only global `SETTINGS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Settings {
    /// Events that lasted at least this long, in nanoseconds, go to the ring buffer.
    pub threshold_ns: u64,
    /// A run of failed checks that lasts for longer, in nanoseconds, is said not to converge.
    pub converge_ns: u64,
    /// Time between two notes of one loss on one CPU, nanoseconds; 0: no notes.
    pub notes_ns: u64,
    /// Time between two samples of the CPU clock, nanoseconds: what one sample stands for.
    pub sample_ns: u64,
    /// 1: walk the reader's stack and count by stack.
    pub stacks: u32,
    /// 1: write events over the threshold to the ring buffer.
    pub events: u32,
    /// 1: write holds over the threshold there too.
    pub holds: u32,
    /// 1: the kernel has cgroups, and it is told in which events happen.
    pub cgroups: u32,
    /// 1: a command is run, and its processes are followed.
    pub command: u32,
    /// 1: the holds of some seqcounts are followed.
    pub follows: u32,
    /// Which low bits of a thread id are the place of its block among [`crate::wait::OpenBlocks`]: less than
    /// [`crate::wait::OpenBlocks::CELLS`].
    pub cells: u32,
    /// Zero; keeps the size a multiple of eight.
    pub reserved: u32,
    /// Offset of `task_struct.pid` (thread id), from the kernel's BTF.
    pub task_pid: u32,
    /// Offset of `task_struct.tgid`.
    pub task_tgid: u32,
    /// Offset of `task_struct.comm`.
    pub task_comm: u32,
    /// Offset of `task_struct.nvcsw`.
    pub task_nvcsw: u32,
    /// Offset of `task_struct.on_cpu`, or [`NO_MEMBER`].
    pub task_on_cpu: u32,
    /// Offset of `task_struct.__state`, or [`NO_MEMBER`].
    pub task_state: u32,
}

const _: () = assert!(size_of::<Settings>() == 88);

// SAFETY: `repr(C)`, no padding (asserted above), every bit pattern is valid.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Settings {}
