//! What the kernel side counts at a watched word of memory.

/// Totals of one CPU; the element of the per-CPU array `WRITES`.
///
/// `writes = odd + even + unread`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Writes {
    /// Times the word was written.
    pub writes: u64,
    /// Writes after which the word was odd: a hold began.
    pub odd: u64,
    /// Writes after which it was even.
    pub even: u64,
    /// Writes after which it could not be read.
    pub unread: u64,
    /// Holds whose begin and end were both seen.
    pub holds: u64,
    /// Their time added up, nanoseconds.
    pub hold_ns: u64,
    /// The longest of them, nanoseconds.
    pub max_hold_ns: u64,
    /// Writes that were not credited to a writer, because the map `WRITERS` was full.
    pub writers_full: u64,
}

const _: () = assert!(size_of::<Writes>() == 64);

impl Writes {
    /// Adds what another CPU counted.
    pub fn add(&mut self, other: &Self) {
        let Self {
            writes,
            odd,
            even,
            unread,
            holds,
            hold_ns,
            max_hold_ns,
            writers_full,
        } = other;
        self.writes += writes;
        self.odd += odd;
        self.even += even;
        self.unread += unread;
        self.holds += holds;
        self.hold_ns += hold_ns;
        self.max_hold_ns = self.max_hold_ns.max(*max_hold_ns);
        self.writers_full += writers_full;
    }
}

/// Who wrote, and where. Key of the map `WRITERS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct WriterKey {
    /// Address behind the instruction that wrote.
    pub address: u64,
    /// Process id.
    pub tgid: u32,
    /// Zero; keeps the size a multiple of eight.
    pub reserved: u32,
    /// Command name, zero-terminated.
    pub comm: [u8; 16],
}

const _: () = assert!(size_of::<WriterKey>() == 32);

#[cfg(feature = "user")]
mod pod {
    use super::{WriterKey, Writes};

    // SAFETY: `repr(C)`, no padding (asserted above), every bit pattern is valid.
    unsafe impl aya::Pod for Writes {}
    // SAFETY: as above.
    unsafe impl aya::Pod for WriterKey {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_of_cpus_add_up_and_the_longest_stays() {
        let one = Writes {
            writes: 3,
            odd: 2,
            even: 1,
            holds: 1,
            hold_ns: 50,
            max_hold_ns: 50,
            ..Writes::default()
        };
        let mut sum = Writes {
            max_hold_ns: 20,
            ..one
        };
        sum.add(&one);
        assert_eq!((sum.writes, sum.hold_ns, sum.max_hold_ns), (6, 100, 50));
    }
}
