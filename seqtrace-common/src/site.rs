//! The site table: what the kernel side knows about a probed address.

/// Value of the `SITES` map: a probed instruction, and its site.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SiteEntry {
    /// Run-time address of the instruction; zero: the place is empty.
    pub address: u64,
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
    /// A hit counts when these bits are zero in a random number; zero: every hit. User space changes it
    /// while there are probes.
    pub thinning: u32,
}

const _: () = assert!(size_of::<SiteEntry>() == 32);

impl SiteEntry {
    /// No register is known to hold the sequence value.
    pub const NO_REGISTER: u32 = u32::MAX;
    /// No runs are followed: it is no check, or its read section is no loop.
    pub const NO_RUN: u32 = u32::MAX;
    /// The lock has no owner field.
    pub const NO_OWNER: i32 = -1;
    /// Nothing is probed.
    pub const EMPTY: Self = Self {
        address: 0,
        slot: 0,
        sequence_register: Self::NO_REGISTER,
        owner_offset: Self::NO_OWNER,
        run: Self::NO_RUN,
        generation: 0,
        thinning: 0,
    };
}

/// Where the sites lie in the `SITES` map: an array in which each has its place, or one of the next, by its
/// address. Finding it takes a multiplication and, as a rule, one look; the kernel's hash tables take eighty
/// instructions.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SitePlaces {
    /// An odd number, by which addresses are multiplied.
    pub multiplier: u64,
    /// How far the product is shifted to the right: 64 less the bits of a place.
    pub shift: u32,
    /// Zero; keeps the size a multiple of eight.
    pub reserved: u32,
}

const _: () = assert!(size_of::<SitePlaces>() == 16);

impl SitePlaces {
    /// A site lies at the first of its places or at one of so many from there on.
    pub const PLACES: u32 = 4;

    /// The first place of the site at `address`.
    #[inline]
    pub const fn first(&self, address: u64) -> u32 {
        (address.wrapping_mul(self.multiplier) >> self.shift) as u32
    }
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

/// Where the keys of `RETURNS` are among all words, by a bit for each: most words of a stack are told from them
/// without a look at the map.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReturnBits {
    /// The lowest key.
    first: u64,
    /// How far the highest lies above it.
    span: u64,
    bits: [u64; 64],
}

impl ReturnBits {
    /// No key.
    pub const NONE: Self = Self {
        first: u64::MAX,
        span: 0,
        bits: [0; 64],
    };

    /// Adds a key.
    pub fn add(&mut self, address: u64) {
        let last = self.first.saturating_add(self.span);
        let last = if *self == Self::NONE {
            address
        } else {
            last.max(address)
        };
        self.first = self.first.min(address);
        self.span = last - self.first;
        self.bits[Self::place(address)] |= Self::bit(address);
    }

    /// The lowest key and how far the highest lies above it: most words of a stack are not even addresses of code,
    /// which is told by one comparison.
    #[inline]
    pub const fn range(&self) -> (u64, u64) {
        (self.first, self.span)
    }

    /// Whether a word in [`ReturnBits::range`] may be a key.
    #[inline]
    pub fn may_have(&self, word: u64) -> bool {
        self.bits[Self::place(word)] & Self::bit(word) != 0
    }

    #[inline]
    const fn place(address: u64) -> usize {
        ((address ^ (address >> 12)) >> 6) as usize & 63
    }

    #[inline]
    const fn bit(address: u64) -> u64 {
        1 << ((address ^ (address >> 12)) & 63)
    }
}

// SAFETY: `repr(C)`, an array of numbers.
#[cfg(feature = "user")]
unsafe impl aya::Pod for ReturnBits {}
// SAFETY: `repr(C)`, no padding (asserted above), every bit pattern is valid.
#[cfg(feature = "user")]
unsafe impl aya::Pod for SiteEntry {}
// SAFETY: as above.
#[cfg(feature = "user")]
unsafe impl aya::Pod for SitePlaces {}
// SAFETY: as above.
#[cfg(feature = "user")]
unsafe impl aya::Pod for ReturnEntry {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_always_found_and_few_others_are() {
        let keys = [
            0xffff_ffff_8100_1234_u64,
            0xffff_ffff_81a0_0007,
            0xffff_ffff_c000_0fff,
        ];
        let mut bits = ReturnBits::NONE;
        for key in keys {
            bits.add(key);
        }
        assert!(keys.iter().all(|key| bits.may_have(*key)));
        let words = (0..4096).map(|word| 0xffff_ffff_8200_0000 + 7 * word);
        assert!(words.filter(|word| bits.may_have(*word)).count() < 40);
        assert_eq!(bits.range(), (keys[0], keys[2] - keys[0]));
        assert!(!ReturnBits::NONE.may_have(keys[0]));
    }
}
