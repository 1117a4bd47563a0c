//! Who came last to a site on a CPU, and what they have still to be credited.

use crate::{
    blame::{BlameKey, BlameValue, Edge},
    counters::{TaskKey, TaskValue, side},
};

/// What one reader did at a site on a CPU since another came there before it. Part of
/// [`crate::counters::SiteCounters`].
///
/// Readers come in rows: what one does again and again is added up here, where it takes a comparison, and goes to
/// the `TASKS` map, where it takes a look into a hash table, when another one comes. So a reader's sums are those
/// in `TASKS` and those here of all CPUs.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RecentReader {
    /// Raised before and after what was here goes to `TASKS` and another reader takes its place: odd in between. First,
    /// because the kernel copies values from their beginning on (`bpf_long_memcpy`, `include/linux/bpf.h`).
    pub moves: u64,
    /// Who it is, and the site.
    pub key: TaskKey,
    /// What is left to be credited; nothing while its `count` and its `total_ns` are zero.
    pub value: TaskValue,
    /// What the kernel side's count of changes to the processes of the command was when it was found out whether this
    /// reader is of them; all ones: not since it came.
    pub epoch: u64,
}

const _: () = assert!(size_of::<RecentReader>() == 80);

impl RecentReader {
    /// Nobody has come.
    pub const NONE: Self = Self {
        moves: 0,
        key: TaskKey {
            slot: 0,
            side: side::READER,
            tgid: 0,
            command: 0,
            cgroup: 0,
            comm: [0; 16],
        },
        value: TaskValue {
            count: 0,
            total_ns: 0,
            tid: 0,
        },
        epoch: u64::MAX,
    };

    /// Whether anything is left to be credited.
    #[inline]
    pub const fn is_due(&self) -> bool {
        self.value.count | self.value.total_ns != 0
    }
}

/// How often one reader waited for one writer at a site on a CPU since others did so there before. Part of
/// [`crate::counters::SiteCounters`], as [`RecentReader`] is: the sums are those in `BLAMES`, and of the owners in
/// `TASKS`, and those here of all CPUs.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RecentBlame {
    /// As [`RecentReader::moves`].
    pub moves: u64,
    /// What [`RecentReader::moves`] was at the site when this reader waited: it has the same reader since.
    pub reader: u64,
    /// Who waited for whom.
    pub key: BlameKey,
    /// What is left to be credited; nothing while its `count` is zero.
    pub value: BlameValue,
}

const _: () = assert!(size_of::<RecentBlame>() == 120);

impl RecentBlame {
    /// Nobody has waited.
    pub const NONE: Self = Self {
        moves: 0,
        reader: 0,
        key: BlameKey {
            word: 0,
            slot: 0,
            writer_slot: Edge::NO_SLOT,
            tgid: 0,
            writer_tgid: 0,
            state: 0,
            owned: 0,
            stack: -1,
            writer_stack: -1,
            comm: [0; 16],
            writer_comm: [0; 16],
        },
        value: BlameValue {
            count: 0,
            wait_ns: 0,
            held_ns: 0,
            tid: 0,
            writer_tid: 0,
        },
    };

    /// What the owner of the lock is credited; `None`: the writer did not own the lock that the reader called.
    #[inline]
    pub const fn owner(&self) -> Option<(TaskKey, TaskValue)> {
        if self.key.owned == 0 {
            return None;
        }
        let key = TaskKey {
            slot: self.key.slot,
            side: side::OWNER,
            tgid: self.key.writer_tgid,
            command: 0,
            cgroup: 0,
            comm: self.key.writer_comm,
        };
        let value = TaskValue {
            count: self.value.count,
            total_ns: self.value.wait_ns,
            tid: self.value.writer_tid as u64,
        };
        Some((key, value))
    }
}
