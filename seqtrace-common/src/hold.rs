//! Holds: write sections, followed from the increment that makes a sequence odd to the one that
//! makes it even again.

/// How the sequence is reached from the registers at a probe: a constant, a register and a scaled register, added
/// up. Value of the `WORDS` map, by slot.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WordEntry {
    /// The part that no register adds to: the address of a variable, or a displacement.
    pub constant: u64,
    /// Register that is added, numbered as in the instruction encoding, or
    /// [`WordEntry::NO_REGISTER`].
    pub base: u32,
    /// Register that is multiplied and added, or [`WordEntry::NO_REGISTER`].
    pub index: u32,
    /// What the latter is multiplied by; zero: it is not known how the slot's sequence
    /// is reached.
    pub scale: u32,
    /// 1: the writers of the seqcount are probed, so that its holds are followed.
    pub followed: u32,
}

const _: () = assert!(size_of::<WordEntry>() == 24);

impl WordEntry {
    /// It is not known how the sequence is reached, or not told now.
    pub const UNKNOWN: Self = Self {
        scale: 0,
        ..Self::variable(0)
    };
    /// There is no such register.
    pub const NO_REGISTER: u32 = u32::MAX;

    /// Whether it is a word at one address, where it is known how it is reached.
    #[inline]
    pub const fn is_variable(&self) -> bool {
        self.base & self.index == Self::NO_REGISTER
    }

    /// A word at one address.
    pub const fn variable(address: u64) -> Self {
        Self {
            constant: address,
            base: Self::NO_REGISTER,
            index: Self::NO_REGISTER,
            scale: 1,
            followed: 0,
        }
    }
}

/// A hold that is not over. Value of the `HOLDS` map, whose key is the address of the sequence.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HoldState {
    /// When the sequence became odd, `bpf_ktime_get_ns`.
    pub start_ns: u64,
    /// The writer's voluntary context switches then.
    pub switches: u64,
    /// Address of the writer's `task_struct`.
    pub task: u64,
    /// Slot of the increment by which it began.
    pub slot: u32,
    /// Writer's thread id.
    pub tid: u32,
    /// Writer's process id.
    pub tgid: u32,
    /// The odd value of the sequence.
    pub sequence: u32,
    /// Key in the `STACKS` map of the writer's stack then, or a negative errno.
    pub stack: i32,
    /// [`crate::site::SiteEntry::generation`] of the increment: an end behind a time without probes is
    /// another hold's.
    pub generation: u32,
    /// 1: the filter leaves the writer out. The hold is followed all the same, for the readers that it
    /// keeps waiting, and not counted.
    pub filtered: u32,
    /// 1 when the writer is of the command that is run.
    pub command: u32,
    /// Id of the cgroup that the writer was in; zero where the kernel has none.
    pub cgroup: u64,
    /// Writer's command name, zero-terminated.
    pub comm: [u8; 16],
}

const _: () = assert!(size_of::<HoldState>() == 80);

#[cfg(feature = "user")]
mod pod {
    use super::{HoldState, WordEntry};

    // SAFETY: `repr(C)`, no padding (asserted above), every bit pattern is valid.
    unsafe impl aya::Pod for WordEntry {}
    // SAFETY: as above.
    unsafe impl aya::Pod for HoldState {}
}
