//! Names of everything the kernel side can lose. Each drop is counted in the per-CPU array
//! `LOSSES` under one of these indices.

/// An event over the threshold found the ring buffer full. Counters are not affected.
pub const RING_FULL: u32 = 0;
/// A block could not be followed: the map `BLOCKS` or `CONTENTIONS` refused it, being full. The hit is counted, the
/// block is not.
pub const BLOCKS_FULL: u32 = 1;
/// A `pause` could not be followed: the `SPINS` map refused it, being full. The hit is counted, the
/// wait is not; counted once for each `pause`.
pub const SPINS_FULL: u32 = 2;
/// An event could not be credited to its task: the `TASKS` map was full.
pub const TASKS_FULL: u32 = 3;
/// The kernel gave no stack (`bpf_get_stackid` failed).
pub const STACK_LOST: u32 = 4;
/// An event could not be credited to its stack: the `STACK_COUNTS` map was full.
pub const STACK_COUNTS_FULL: u32 = 5;
/// A block ended whose start was not seen: the reader was inside when counting began.
pub const END_WITHOUT_START: u32 = 6;
/// A probe fired at an address that the site table does not have.
pub const UNKNOWN_ADDRESS: u32 = 7;
/// A block began while the same reader was inside a block at the same site: the end of the first
/// was not seen.
pub const START_WITHOUT_END: u32 = 8;
/// A probe fired while its CPU was in another program or in a map operation, and the kernel passed our
/// program over: the event is in no counter. Counted by the kernel (since 6.7), not by the programs.
pub const MISSED: u32 = 9;
/// A failed check could not be followed: the `RUNS` map refused it, being full. The retry is counted, but
/// in no run.
pub const RUNS_FULL: u32 = 10;
/// A hold could not be followed: the `HOLDS` map refused it, being full. The hit is counted, the hold is
/// not.
pub const HOLDS_FULL: u32 = 11;
/// A hold began while another of the same sequence was open: the end of the first was not seen, or
/// nothing serialises the writers.
pub const HOLD_WITHOUT_END: u32 = 12;
/// A hold ended whose begin was not seen: the writer was inside when counting began, or came in where
/// no probe is.
pub const END_WITHOUT_HOLD: u32 = 13;
/// The sequence at a probed increment could not be read.
pub const WORD_UNREAD: u32 = 14;
/// A task began to wait for a lock, and the kernel gave no stack that tells who called it: it may have
/// been a reader.
pub const CALLER_UNKNOWN: u32 = 15;
/// A wait could not be credited to its writer: the `BLAMES` map was full.
pub const BLAMES_FULL: u32 = 16;
/// A probe fired while its CPU was in the handler of another, and the kernel did not handle it: the
/// event is in no counter, and not in `MISSED`. Counted by the kernel, not by the programs.
pub const NESTED: u32 = 17;
/// A probe was hit and passed over, because its site is thinned to save time. Counted by site
/// (`SiteCounters::thinned_out`) and added up by user space.
pub const THINNED_OUT: u32 = 18;
/// A process of the command that is run could not be noted: the `COMMANDS` map was full, or the process could
/// not be read. What it waits for is counted, but not as the command's.
pub const COMMAND_LOST: u32 = 19;
/// Number of losses; the size of the `LOSSES` array.
pub const COUNT: u32 = 20;

/// What to call each loss in the output, by index.
pub const NAMES: [&str; COUNT as usize] = [
    "ring_full",
    "blocks_full",
    "spins_full",
    "tasks_full",
    "stack_lost",
    "stack_counts_full",
    "end_without_start",
    "unknown_address",
    "start_without_end",
    "missed",
    "runs_full",
    "holds_full",
    "hold_without_end",
    "end_without_hold",
    "word_unread",
    "caller_unknown",
    "blames_full",
    "nested",
    "thinned_out",
    "command_lost",
];
