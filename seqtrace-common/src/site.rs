//! The site table: what the kernel side knows about a probed address.

/// Value of the `SITES` map, whose key is the run-time address of a probed instruction.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SiteEntry {
    /// Index of the site's counters in the `COUNTERS` map; the same for both ends of a block.
    pub slot: u32,
    /// Register that holds the odd sequence value at a `pause`, numbered as in the instruction
    /// encoding (0 rax, 1 rcx … 15 r15), or [`SiteEntry::NO_REGISTER`].
    pub sequence_register: u32,
    /// Byte offset of the rt_mutex `owner` pointer from the lock's address at a lock call, or
    /// [`SiteEntry::NO_OWNER`] where the lock has none.
    pub owner_offset: i32,
    /// Index of the check's counters in the `RUN_COUNTERS` map, or [`SiteEntry::NO_RUN`] where
    /// runs are not followed.
    pub run: u32,
    /// How often the probe has been put back: what began before it was taken off may have ended
    /// unseen. User space raises it while there is no probe.
    pub generation: u32,
    /// Zero; keeps the size a multiple of eight.
    pub reserved: u32,
}

const _: () = assert!(size_of::<SiteEntry>() == 24);

impl SiteEntry {
    /// No register is known to hold the sequence value.
    pub const NO_REGISTER: u32 = u32::MAX;
    /// No runs are followed: it is no check, or its read section is no loop.
    pub const NO_RUN: u32 = u32::MAX;
    /// The lock has no owner field.
    pub const NO_OWNER: i32 = -1;
}

/// Value of the `RETURNS` map, whose key is the run-time address behind a reader's lock call.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReturnEntry {
    /// Index of the site's counters in the `COUNTERS` map.
    pub slot: u32,
    /// As [`SiteEntry::owner_offset`].
    pub owner_offset: i32,
}

const _: () = assert!(size_of::<ReturnEntry>() == 8);

impl ReturnEntry {
    /// Length of the call by which a reader takes the writer's lock, bytes: a near call to a fixed
    /// address has one encoding, `e8` and a distance of four bytes.
    pub const CALL_BYTES: u64 = 5;
}

/// Address of the probed instruction, from the instruction pointer saved at a kprobe.
///
/// On x86 the saved pointer stands behind the one-byte `int3`, also for optimised kprobes
/// (`arch/x86/kernel/kprobes/opt.c`, `optimized_callback`: `regs->ip = kp.addr + INT3_INSN_SIZE`).
#[inline]
pub const fn probed_address(saved_ip: u64) -> u64 {
    saved_ip.wrapping_sub(1)
}

// SAFETY: `repr(C)`, no padding (asserted above), every bit pattern is valid.
#[cfg(feature = "user")]
unsafe impl aya::Pod for SiteEntry {}
// SAFETY: as above.
#[cfg(feature = "user")]
unsafe impl aya::Pod for ReturnEntry {}
