//! Order: what is read or taken while which locks are held.
//!
//! Locks and seqcounts that are followed are *nodes*, numbered by user space. A task holds a node from
//! the call that takes it on, as lockdep has it (`lock_acquire` before the lock is had), and a seqcount
//! while its sequence is odd.

/// What a followed address means. Part of [`OrderEntry`].
pub mod act {
    /// Nothing is followed at this slot.
    pub const NONE: u32 = 0;
    /// The lock in the first argument is taken.
    pub const TAKE: u32 = 1;
    /// The lock in the first argument may be taken: what the function returns tells.
    pub const TRY: u32 = 2;
    /// The lock in the first argument is dropped.
    pub const DROP: u32 = 3;
    /// A sequence is incremented: from even to odd it is taken, else dropped.
    pub const WRITE: u32 = 4;
    /// A read section begins.
    pub const READ: u32 = 5;
    /// A reader takes the writer's lock, to drop it at once (PREEMPT_RT).
    pub const BLOCK: u32 = 6;
}

/// What is done to a node while others are held. Part of [`EdgeKey`].
pub mod deed {
    /// A lock is taken.
    pub const LOCK: u32 = 0;
    /// A write section begins.
    pub const WRITE: u32 = 1;
    /// A read section begins.
    pub const READ: u32 = 2;
    /// A reader takes the writer's lock, to drop it at once.
    pub const BLOCK: u32 = 3;
    /// Number of them.
    pub const COUNT: usize = 4;
}

/// Where it happened: what an interrupt does is not ordered by what the task under it holds.
pub mod context {
    /// A task, or a thread of PREEMPT_RT that handles an interrupt.
    pub const TASK: u32 = 0;
    /// A softirq.
    pub const SOFTIRQ: u32 = 1;
    /// An interrupt.
    pub const INTERRUPT: u32 = 2;
}

/// How it is told that a lock is held still: a probe may have been passed over when it was dropped.
pub mod proof {
    /// Nothing tells.
    pub const NONE: u32 = 0;
    /// The pointer at a distance from the lock is that of the running task; its low bits are flags.
    pub const OWNER: u32 = 1;
    /// The first byte of the lock is not zero.
    pub const BYTE: u32 = 2;
    /// The sequence is odd.
    pub const ODD: u32 = 3;
}

/// What is followed at a probe. Value of the `ORDER_SITES` map, by slot.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OrderEntry {
    /// One of the constants of [`act`].
    pub act: u32,
    /// The node that it is done to.
    pub node: u32,
    /// For [`act::TAKE`]: the seqcount for whose readers the lock is taken and dropped, or
    /// [`OrderEntry::NO_NODE`].
    pub waits_for: u32,
    /// One of the constants of [`proof`].
    pub proof: u32,
    /// For [`proof::OWNER`]: distance of the owner from the lock, bytes.
    pub owner_offset: i32,
    /// For [`act::TRY`]: 1: the lock is taken when the function returns no zero; 0: when it returns zero.
    pub nonzero: u32,
}

const _: () = assert!(size_of::<OrderEntry>() == 24);

impl OrderEntry {
    /// There is no such node.
    pub const NO_NODE: u32 = u32::MAX;
    /// Nothing is followed.
    pub const NOTHING: Self = Self {
        act: act::NONE,
        node: Self::NO_NODE,
        waits_for: Self::NO_NODE,
        proof: proof::NONE,
        owner_offset: 0,
        nonzero: 0,
    };
}

/// Locks that one task is seen to hold at one time, in one context; more are [`OrderCounters::full`].
pub const HELD: usize = 8;

/// A node that is held.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct HeldNode {
    /// Address of the lock, or of the sequence; zero: this place is free.
    pub address: u64,
    /// The node.
    pub node: u32,
    /// Slot at which it was taken.
    pub slot: u32,
}

const _: () = assert!(size_of::<HeldNode>() == 16);

/// What one task holds in one context. Value of the `HELD` map.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct HeldNodes {
    /// In no order.
    pub nodes: [HeldNode; HELD],
}

const _: () = assert!(size_of::<HeldNodes>() == 16 * HELD);

/// Where the kernel keeps what tells an interrupt from a task; all zero: it is not known.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ContextPlace {
    /// Address of the array with the place of each CPU's per-CPU area.
    pub per_cpu_offsets: u64,
    /// What has to be added to such a place for the address of the preemption count.
    pub preempt_count: u64,
    /// Offset of `task_struct.softirq_disable_cnt` (PREEMPT_RT); zero: softirqs count in the preemption
    /// count.
    pub softirq_disable: u64,
}

const _: () = assert!(size_of::<ContextPlace>() == 24);

/// Key of the `HELD` map: a task, or the idle task of a CPU, in a context.
#[inline]
pub const fn holder(tid: u32, context: u32) -> u32 {
    // Thread ids are below 2^22, and `WaitKey::IDLE` with a CPU has bit 31.
    tid | context << 28
}

/// The context by the kernel's counts (`include/linux/preempt.h`). A probe that traps counts as an NMI,
/// which is in an interrupt too (`irqentry_nmi_enter`).
#[inline]
pub const fn context_of(preempt_count: u32, softirq_count: u32) -> u32 {
    let interrupts = preempt_count >> 16 & 0xf;
    let nmis = preempt_count >> 20 & 0xf;
    if interrupts > nmis {
        context::INTERRUPT
    } else if softirq_count & 0x100 != 0 {
        context::SOFTIRQ
    } else {
        context::TASK
    }
}

/// Key of the `EDGES` map: one node was held while something was done to another.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct EdgeKey {
    /// The node that was held.
    pub held: u32,
    /// The other, or the same.
    pub node: u32,
    /// One of the constants of [`deed`].
    pub deed: u32,
    /// One of the constants of [`context`].
    pub context: u32,
    /// 1: both are the same lock or sequence in memory.
    pub same: u32,
    /// Slot at which the held one was taken.
    pub held_slot: u32,
    /// Slot at which it was done.
    pub slot: u32,
    /// Key in the `STACKS` map of the stack there, or a negative errno.
    pub stack: i32,
}

const _: () = assert!(size_of::<EdgeKey>() == 32);

/// Value of the `EDGES` map; shared by all CPUs, added to atomically.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct EdgeValue {
    /// How often.
    pub count: u64,
    /// Process id of the first task.
    pub tgid: u32,
    /// Its thread id.
    pub tid: u32,
    /// Its command name, zero-terminated.
    pub comm: [u8; 16],
}

const _: () = assert!(size_of::<EdgeValue>() == 32);

/// What was seen of one node on one CPU. Value of the per-CPU array `ORDER_COUNTERS`, by node.
///
/// When the probes are gone, added up over the CPUs:
///
/// * `taken = released + retaken + not_held + full +` what is left in `HELD`;
/// * `tried = taken by them + failed + try_lost`;
/// * `links =` the counts of the edges to the node `+ edges_full`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct OrderCounters {
    /// Locks taken, or write sections begun.
    pub taken: u64,
    /// Of them those dropped again.
    pub released: u64,
    /// Of them those that were taken by the same task again: that they were dropped was not seen.
    pub retaken: u64,
    /// Of them those that turned out not to be held any more: that they were dropped was not seen.
    pub not_held: u64,
    /// Of them those that were not followed: the task held too many, or there were too many tasks.
    pub full: u64,
    /// Drops of what was not seen to be taken; not in `taken`.
    pub untaken: u64,
    /// Calls of functions that may fail to take the lock.
    pub tried: u64,
    /// Of them those that failed.
    pub failed: u64,
    /// Of them those whose end was not seen, or that could not be followed.
    pub try_lost: u64,
    /// What was done to the node, by [`deed`].
    pub deeds: [u64; deed::COUNT],
    /// The same, while another was held.
    pub under: [u64; deed::COUNT],
    /// Pairs of what was done and what was held then.
    pub links: u64,
    /// Of them those that are in no edge: the map `EDGES` was full.
    pub edges_full: u64,
}

const _: () = assert!(size_of::<OrderCounters>() == 8 * (11 + 2 * deed::COUNT));

impl OrderCounters {
    /// Adds what another CPU counted.
    pub fn add(&mut self, other: &Self) {
        let Self {
            taken,
            released,
            retaken,
            not_held,
            full,
            untaken,
            tried,
            failed,
            try_lost,
            deeds,
            under,
            links,
            edges_full,
        } = other;
        self.taken += taken;
        self.released += released;
        self.retaken += retaken;
        self.not_held += not_held;
        self.full += full;
        self.untaken += untaken;
        self.tried += tried;
        self.failed += failed;
        self.try_lost += try_lost;
        for (sum, more) in self.deeds.iter_mut().zip(deeds) {
            *sum += more;
        }
        for (sum, more) in self.under.iter_mut().zip(under) {
            *sum += more;
        }
        self.links += links;
        self.edges_full += edges_full;
    }
}

#[cfg(feature = "user")]
mod pod {
    use super::{ContextPlace, EdgeKey, EdgeValue, HeldNodes, OrderCounters, OrderEntry};

    // SAFETY: `repr(C)`, no padding (asserted above), every bit pattern is valid.
    unsafe impl aya::Pod for OrderEntry {}
    // SAFETY: as above.
    unsafe impl aya::Pod for HeldNodes {}
    // SAFETY: as above.
    unsafe impl aya::Pod for ContextPlace {}
    // SAFETY: as above.
    unsafe impl aya::Pod for EdgeKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for EdgeValue {}
    // SAFETY: as above.
    unsafe impl aya::Pod for OrderCounters {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_that_traps_is_no_interrupt() {
        let trap = 0x11_0000;
        assert_eq!(context_of(0, 0), context::TASK);
        assert_eq!(context_of(trap | 1, 0), context::TASK);
        assert_eq!(context_of(trap + 0x1_0000, 0), context::INTERRUPT);
        assert_eq!(context_of(0x1_0000, 0x100), context::INTERRUPT);
        assert_eq!(context_of(trap | 0x100, trap | 0x100), context::SOFTIRQ);
        assert_eq!(
            context_of(trap | 0x200, 0x200),
            context::TASK,
            "bottom halves off"
        );
    }

    #[test]
    fn a_task_in_another_context_is_another_holder() {
        let holders = [context::TASK, context::SOFTIRQ, context::INTERRUPT].map(|c| holder(77, c));
        assert_eq!(holders[0], 77);
        assert!(holders[0] != holders[1] && holders[1] != holders[2]);
    }
}
