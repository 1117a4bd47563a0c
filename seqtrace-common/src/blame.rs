//! Blame: who held a sequence odd when a reader began to wait for it.

/// What the writer was doing when the reader came: it is known who it was.
pub mod state {
    /// On a CPU, another than the reader's.
    pub const RUNNING: u32 = 0;
    /// Ready to run, but on no CPU: another task had taken its place.
    pub const PREEMPTED: u32 = 1;
    /// Waiting for something itself.
    pub const SLEEPING: u32 = 2;
    /// Under an interrupt: the reader is in that interrupt.
    pub const INTERRUPTED: u32 = 3;
    /// Not told by the kernel.
    pub const UNKNOWN: u32 = 4;
}

/// Why it is not known who the writer was.
pub mod reason {
    /// The first of them: below are the constants of [`super::state`].
    pub const FIRST: u32 = 8;
    /// The registers do not lead to the sequence, or it could not be read.
    pub const UNKNOWN_WORD: u32 = FIRST;
    /// The sequence had changed since the reader saw it, or the lock that it called had no owner: the
    /// writer was through.
    pub const WRITER_GONE: u32 = FIRST + 1;
    /// The writers were not probed.
    pub const NOT_PROBED: u32 = FIRST + 2;
    /// The writers were probed, but of this hold no begin was seen: it had begun before.
    pub const NOT_FOLLOWED: u32 = FIRST + 3;
    /// Number of reasons.
    pub const COUNT: usize = 4;
    /// What to call each in the output, in their order.
    pub const NAMES: [&str; COUNT] = ["unknown_word", "writer_gone", "not_probed", "not_followed"];
}

/// A wait that is over, as far as its writer's account needs it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Wait {
    /// When it ended, `bpf_ktime_get_ns`.
    pub end_ns: u64,
    /// How long the reader waited, nanoseconds.
    pub duration_ns: u64,
    /// Slot of the reader's site.
    pub slot: u32,
    /// Key of the reader's stack in the `STACKS` map, or a negative errno.
    pub stack: i32,
    /// Reader's thread id.
    pub tid: u32,
    /// Reader's process id.
    pub tgid: u32,
    /// Reader's command name, zero-terminated.
    pub comm: [u8; 16],
}

/// Who held a sequence odd, as a reader found it at the begin of its wait. Part of the states of waits.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Edge {
    /// Address of the sequence; zero when it is not known.
    pub word: u64,
    /// When it became odd, `bpf_ktime_get_ns`; zero where the hold is not followed.
    pub hold_ns: u64,
    /// Slot of the increment by which the hold began, or [`Edge::NO_SLOT`].
    pub slot: u32,
    /// One of the constants of [`state`], or of [`reason`]: then there is no writer.
    pub verdict: u32,
    /// 1: the writer owns the lock that the reader called.
    pub owned: u32,
    /// Key in the `STACKS` map of the writer's stack at the begin of its hold, or a negative errno.
    pub stack: i32,
    /// Writer's thread id.
    pub tid: u32,
    /// Writer's process id.
    pub tgid: u32,
    /// Writer's command name, zero-terminated.
    pub comm: [u8; 16],
}

const _: () = assert!(size_of::<Edge>() == 56);

impl Edge {
    /// The hold is not followed.
    pub const NO_SLOT: u32 = u32::MAX;

    /// No writer is known, for that [`reason`].
    #[inline]
    pub const fn unknown(verdict: u32) -> Self {
        Self {
            word: 0,
            hold_ns: 0,
            slot: Self::NO_SLOT,
            verdict,
            owned: 0,
            stack: -1,
            tid: 0,
            tgid: 0,
            comm: [0; 16],
        }
    }

    /// Why there is no writer, as an index into [`reason::NAMES`]; `None`: there is one.
    #[inline]
    pub const fn reason(&self) -> Option<usize> {
        if self.verdict < reason::FIRST {
            return None;
        }
        // Each is less than COUNT; the BPF verifier cannot find that out by itself.
        Some((self.verdict - reason::FIRST) as usize & (reason::COUNT - 1))
    }

    /// Under what a wait is counted.
    #[inline]
    pub const fn key(&self, wait: &Wait) -> BlameKey {
        BlameKey {
            word: self.word,
            slot: wait.slot,
            writer_slot: self.slot,
            tgid: wait.tgid,
            writer_tgid: self.tgid,
            state: self.verdict,
            owned: self.owned,
            stack: wait.stack,
            writer_stack: self.stack,
            comm: wait.comm,
            writer_comm: self.comm,
        }
    }

    /// How long the sequence had been odd when a wait began, nanoseconds; zero where the hold is not followed.
    #[inline]
    pub const fn held_ns(&self, wait: &Wait) -> u64 {
        if self.hold_ns == 0 {
            return 0;
        }
        let began_ns = wait.end_ns.saturating_sub(wait.duration_ns);
        began_ns.saturating_sub(self.hold_ns)
    }

    /// What a wait counts by itself.
    #[inline]
    pub const fn value(&self, wait: &Wait) -> BlameValue {
        BlameValue {
            count: 1,
            wait_ns: wait.duration_ns,
            held_ns: self.held_ns(wait),
            tid: wait.tid,
            writer_tid: self.tid,
        }
    }
}

const _: () = assert!(reason::COUNT.is_power_of_two());

/// Key of the `BLAMES` map: one reader that waited for one writer. Processes, not threads: a storm of
/// short threads must not fill the map.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct BlameKey {
    /// Address of the sequence; zero when it is not known.
    pub word: u64,
    /// Slot of the reader's site.
    pub slot: u32,
    /// Slot of the increment by which the hold began, or [`Edge::NO_SLOT`].
    pub writer_slot: u32,
    /// Reader's process id.
    pub tgid: u32,
    /// Writer's process id.
    pub writer_tgid: u32,
    /// One of the constants of [`state`].
    pub state: u32,
    /// 1: the writer owned the lock that the reader called.
    pub owned: u32,
    /// Key of the reader's stack in the `STACKS` map, or a negative errno.
    pub stack: i32,
    /// The same of the writer, at the begin of its hold.
    pub writer_stack: i32,
    /// Reader's command name, zero-terminated.
    pub comm: [u8; 16],
    /// Writer's command name, zero-terminated.
    pub writer_comm: [u8; 16],
}

const _: () = assert!(size_of::<BlameKey>() == 72);

/// Value of the `BLAMES` map; shared by all CPUs, added to atomically.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct BlameValue {
    /// Waits.
    pub count: u64,
    /// How long the reader waited, nanoseconds, summed up.
    pub wait_ns: u64,
    /// How long the sequence had been odd when the reader came, nanoseconds, summed up; zero where the
    /// holds are not followed.
    pub held_ns: u64,
    /// Thread id of the first reader.
    pub tid: u32,
    /// Thread id of the first writer.
    pub writer_tid: u32,
}

const _: () = assert!(size_of::<BlameValue>() == 32);

impl BlameValue {
    /// Adds what was counted elsewhere under the same key.
    pub const fn add(&mut self, other: &Self) {
        let Self {
            count,
            wait_ns,
            held_ns,
            tid,
            writer_tid,
        } = *other;
        if self.count == 0 {
            self.tid = tid;
            self.writer_tid = writer_tid;
        }
        self.count += count;
        self.wait_ns += wait_ns;
        self.held_ns += held_ns;
    }
}

#[cfg(feature = "user")]
mod pod {
    use super::{BlameKey, BlameValue};

    // SAFETY: `repr(C)`, no padding (asserted above), every bit pattern is valid.
    unsafe impl aya::Pod for BlameKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for BlameValue {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_names_a_writer_and_a_reason_none() {
        let states = [
            state::RUNNING,
            state::PREEMPTED,
            state::SLEEPING,
            state::INTERRUPTED,
            state::UNKNOWN,
        ];
        for verdict in states {
            assert_eq!(Edge::unknown(verdict).reason(), None);
        }
        let reasons = [
            reason::UNKNOWN_WORD,
            reason::WRITER_GONE,
            reason::NOT_PROBED,
            reason::NOT_FOLLOWED,
        ];
        for (index, verdict) in reasons.into_iter().enumerate() {
            assert_eq!(Edge::unknown(verdict).reason(), Some(index));
        }
    }

    #[test]
    fn sums_keep_the_first_threads() {
        let mut sum = BlameValue::default();
        for tid in [7, 8] {
            sum.add(&BlameValue {
                count: 2,
                wait_ns: 30,
                held_ns: 5,
                tid,
                writer_tid: 10 * tid,
            });
        }
        assert_eq!((sum.count, sum.wait_ns, sum.held_ns), (4, 60, 10));
        assert_eq!((sum.tid, sum.writer_tid), (7, 70));
    }
}
