//! Waits that have begun and not ended, as the kernel side keeps them: `OPEN_BLOCKS`, and the maps `BLOCKS`,
//! `CONTENTIONS` and `SPINS`.

use core::mem::zeroed;

use crate::{
    blame::{Edge, reason},
    event::{Event, kind},
};

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
    /// Added to the CPU number to make a `tid` for the idle task of that CPU. Thread ids are below
    /// 2^22 (`PID_MAX_LIMIT`, `include/linux/threads.h`).
    pub const IDLE: u32 = 0x8000_0000;

    /// Both in one number, never zero.
    #[inline]
    pub const fn number(self) -> u64 {
        self.tid as u64 | (self.slot as u64) << 32
    }

    /// The thread id, 0 for the idle tasks.
    #[inline]
    pub const fn thread(&self) -> u32 {
        if self.tid >= Self::IDLE { 0 } else { self.tid }
    }
}

/// A reader inside a lock call. Value of the `BLOCKS` map, where it is removed when the block ends, and part of
/// [`OpenBlock`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BlockState {
    /// When the lock was called, `bpf_ktime_get_ns`; 0: the block has ended.
    pub start_ns: u64,
    /// Address of the writer's lock.
    pub lock: u64,
    /// Voluntary context switches of the reader so far (`task_struct.nvcsw`).
    pub switches: u64,
    /// [`crate::site::SiteEntry::generation`] at the call: an end behind a time without probe is another
    /// block's.
    pub generation: u32,
    /// Zero; keeps the size a multiple of eight.
    pub reserved: u32,
    /// Who held the sequence odd at the call.
    pub edge: Edge,
}

const _: () = assert!(size_of::<BlockState>() == 88);

impl BlockState {
    /// No block.
    pub const NONE: Self = Self {
        start_ns: 0,
        lock: 0,
        switches: 0,
        generation: 0,
        reserved: 0,
        edge: Edge::unknown(reason::UNKNOWN_WORD),
    };
}

/// A place for a reader inside a lock call.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OpenBlock {
    /// Who it is, as [`WaitKey::number`]; zero: nobody. Taken by a comparison and exchange.
    pub key: u64,
    /// What is known of it.
    pub block: BlockState,
}

const _: () = assert!(size_of::<OpenBlock>() == 96);

impl OpenBlock {
    /// Slot of the site.
    #[inline]
    pub const fn slot(&self) -> u32 {
        (self.key >> 32) as u32
    }
}

/// Readers inside a lock call. Each has one place, by its thread id, which takes a few instructions to find; in the `BLOCKS`
/// map, which takes some hundreds, are those whose place is another's.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OpenBlocks {
    /// By the low bits of the thread id.
    pub cells: [OpenBlock; Self::CELLS],
}

impl OpenBlocks {
    /// Number of places, a power of two. All are read at once, each time that the maps are read.
    pub const CELLS: usize = 256;

    /// Nobody, all bytes zero.
    // SAFETY: numbers only.
    pub const NONE: Self = unsafe { zeroed() };
}

const _: () = assert!(OpenBlocks::CELLS.is_power_of_two());

/// A reader that waits for a contended lock. Value of the `CONTENTIONS` map, whose key is the thread id;
/// removed when the wait ends.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Contention {
    /// The wait, from the moment at which the lock was found taken.
    pub block: BlockState,
    /// Slot of the site that called the lock.
    pub slot: u32,
    /// Key in the `STACKS` map of the reader's stack, or a negative errno.
    pub stack: i32,
}

const _: () = assert!(size_of::<Contention>() == 96);

/// A reader that spins, or that spun and has not met this site again. Value of the `SPINS` map.
///
/// One wait is one reader waiting for one write section. A `pause` belongs to the wait before it
/// when it shows the same odd value, with the same callee-saved registers and stack pointer, and
/// the reader was not switched out voluntarily in between: a spinning reader never is, and two
/// seqcounts that one site reads in turn may show the same value, but lie at different addresses.
/// Where the value is not known, pauses more than [`SpinState::GAP_NS`] apart are different waits.
///
/// The wait lasts from its first `pause` to its last, so one of a single `pause` lasts no time at
/// all. That it is over shows at the next wait of the same reader at the same site only; what is
/// still in the map when the probes are gone is counted by user space.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SpinState {
    /// Time of the first `pause`, `bpf_ktime_get_ns`.
    pub first_ns: u64,
    /// Time of the latest `pause`.
    pub last_ns: u64,
    /// Number of `pause`s.
    pub pauses: u64,
    /// The odd sequence value waited on, in the low 32 bits; all ones when not known.
    pub sequence: u64,
    /// Voluntary context switches of the reader so far (`task_struct.nvcsw`).
    pub switches: u64,
    /// Sum of the stack pointer and the callee-saved registers, the one that holds the sequence
    /// value left out.
    pub registers: u64,
    /// Process id of the reader.
    pub tgid: u32,
    /// Key in the `STACKS` map of the stack at the first `pause`, or a negative errno.
    pub stack: i32,
    /// CPU of the latest `pause`.
    pub cpu: u32,
    /// 1 when the reader is of the command that is run.
    pub command: u32,
    /// Id of the cgroup that the reader was in at the first `pause`; zero where the kernel has none.
    pub cgroup: u64,
    /// Command name of the reader, zero-terminated.
    pub comm: [u8; 16],
    /// Who held the sequence odd at the first `pause`.
    pub edge: Edge,
}

const _: () = assert!(size_of::<SpinState>() == 144);

impl SpinState {
    /// The sequence value is not known.
    pub const NO_SEQUENCE: u64 = u64::MAX;
    /// Longest time between two `pause`s of one wait whose sequence value is not known: well over
    /// a turn of the loop with a probe in it, well under a time slice.
    pub const GAP_NS: u64 = 1_000_000;

    /// Whether a `pause` that shows the given facts belongs to this wait.
    #[inline]
    pub const fn continues(
        &self,
        now_ns: u64,
        sequence: u64,
        switches: u64,
        registers: u64,
    ) -> bool {
        self.sequence == sequence
            && self.switches == switches
            && self.registers == registers
            && (sequence != Self::NO_SEQUENCE
                || now_ns.saturating_sub(self.last_ns) <= Self::GAP_NS)
    }

    /// How long the wait has lasted, nanoseconds.
    #[inline]
    pub const fn duration_ns(&self) -> u64 {
        self.last_ns.saturating_sub(self.first_ns)
    }

    /// The record of the wait, now that it is over.
    #[inline]
    pub const fn event(&self, key: WaitKey) -> Event {
        Event {
            time_ns: self.last_ns,
            duration_ns: self.duration_ns(),
            lock: 0,
            cgroup: self.cgroup,
            hold_ns: self.edge.hold_ns,
            slot: key.slot,
            kind: kind::SPIN,
            cpu: self.cpu,
            tid: key.thread(),
            tgid: self.tgid,
            stack: self.stack,
            owner_tid: 0,
            slept: 0,
            hold_slot: self.edge.slot,
            command: self.command,
            comm: self.comm,
            owner_comm: [0; 16],
        }
    }
}

#[cfg(feature = "user")]
mod pod {
    use super::{BlockState, Contention, OpenBlocks, SpinState, WaitKey};

    // SAFETY: `repr(C)`, no padding (asserted above), every bit pattern is valid.
    unsafe impl aya::Pod for WaitKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for BlockState {}
    // SAFETY: as above.
    unsafe impl aya::Pod for OpenBlocks {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Contention {}
    // SAFETY: as above.
    unsafe impl aya::Pod for SpinState {}
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPIN: SpinState = SpinState {
        first_ns: 100,
        last_ns: 200,
        pauses: 2,
        sequence: 7,
        switches: 3,
        registers: 0xffff_8880,
        tgid: 1,
        stack: -14,
        cpu: 0,
        command: 1,
        cgroup: 77,
        comm: [0; 16],
        edge: Edge::unknown(reason::UNKNOWN_WORD),
    };

    #[test]
    fn a_wait_goes_on_while_nothing_but_time_changes() {
        assert!(SPIN.continues(1 << 40, 7, 3, 0xffff_8880));
        assert!(
            !SPIN.continues(201, 9, 3, 0xffff_8880),
            "another write section"
        );
        assert!(!SPIN.continues(201, 7, 4, 0xffff_8880), "slept in between");
        assert!(!SPIN.continues(201, 7, 3, 0xffff_9990), "another seqcount");
    }

    #[test]
    fn without_a_value_a_gap_ends_a_wait() {
        let spin = SpinState {
            sequence: SpinState::NO_SEQUENCE,
            ..SPIN
        };
        let end = spin.last_ns + SpinState::GAP_NS;
        assert!(spin.continues(end, SpinState::NO_SEQUENCE, 3, 0xffff_8880));
        assert!(!spin.continues(end + 1, SpinState::NO_SEQUENCE, 3, 0xffff_8880));
    }

    #[test]
    fn the_record_of_a_wait_ends_at_its_last_pause() {
        let event = SPIN.event(WaitKey { tid: 77, slot: 4 });
        assert_eq!((event.time_ns, event.duration_ns), (200, 100));
        assert_eq!(
            (event.slot, event.tid, event.tgid, event.stack),
            (4, 77, 1, -14)
        );
        assert_eq!((event.cgroup, event.command), (77, 1));
    }

    #[test]
    fn idle_tasks_have_thread_zero() {
        assert_eq!(
            WaitKey {
                tid: WaitKey::IDLE + 3,
                slot: 0
            }
            .thread(),
            0
        );
        assert_eq!(WaitKey { tid: 77, slot: 0 }.thread(), 77);
    }
}
