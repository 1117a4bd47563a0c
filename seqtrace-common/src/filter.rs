//! Which events are counted at all: what user space tells the kernel side when the object is loaded.
//!
//! The task that is asked about is the one under the probe: the reader, at an increment the writer.

/// Bits of [`Filter::on`].
pub mod on {
    /// Only tasks whose process id is among the `CHOSEN`.
    pub const PIDS: u32 = 1;
    /// Only tasks whose thread id is.
    pub const TIDS: u32 = 2;
    /// Only on CPUs that are.
    pub const CPUS: u32 = 4;
    /// Only tasks whose command name the table `COMMS` accepts.
    pub const COMMS: u32 = 8;
    /// Only tasks in one cgroup or below it.
    pub const CGROUP: u32 = 16;
}

/// Value of the read-only global `FILTER`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Filter {
    /// Blocks, spins and holds that lasted for less, in nanoseconds, are not counted but for their number.
    pub min_ns: u64,
    /// Id of the cgroup.
    pub cgroup: u64,
    /// How many cgroups lie above it.
    pub cgroup_level: u32,
    /// Which of them apply: bits of [`on`]. A task passes all that do.
    pub on: u32,
}

const _: () = assert!(size_of::<Filter>() == 24);

/// Key of the map `CHOSEN`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ChosenKey {
    /// What the number is of: [`on::PIDS`], [`on::TIDS`] or [`on::CPUS`].
    pub what: u32,
    /// The number.
    pub number: u32,
}

const _: () = assert!(size_of::<ChosenKey>() == 8);

/// States of a [`CommTable`].
pub const COMM_STATES: usize = 256;
/// Classes of bytes that a [`CommTable`] tells apart.
pub const COMM_CLASSES: usize = 64;

/// Patterns for command names as an automaton; the one element of the map `COMMS`. It begins in state
/// zero and is fed the bytes of the name up to the zero behind it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CommTable {
    /// The class of each byte, less than [`COMM_CLASSES`].
    pub classes: [u8; 256],
    /// 1: a name that ends in that state is taken.
    pub accepts: [u8; COMM_STATES],
    /// The next state, by state times [`COMM_CLASSES`] plus class.
    pub next: [u8; COMM_STATES * COMM_CLASSES],
}

const _: () = assert!(size_of::<CommTable>() == 256 + COMM_STATES * (1 + COMM_CLASSES));

impl CommTable {
    /// Takes no name.
    pub const NOTHING: Self = Self {
        classes: [0; 256],
        accepts: [0; COMM_STATES],
        next: [0; COMM_STATES * COMM_CLASSES],
    };

    /// The state after `byte`.
    #[inline]
    pub fn step(&self, state: u8, byte: u8) -> u8 {
        let class = self.classes[byte as usize] as usize & (COMM_CLASSES - 1);
        self.next[state as usize * COMM_CLASSES + class]
    }

    /// Whether a command name, zero-terminated, is taken.
    #[inline]
    pub fn takes(&self, comm: &[u8; 16]) -> bool {
        let mut state = 0;
        for &byte in comm {
            if byte == 0 {
                break;
            }
            state = self.step(state, byte);
        }
        self.accepts[state as usize] != 0
    }
}

#[cfg(feature = "user")]
mod pod {
    use super::{ChosenKey, CommTable, Filter};

    // SAFETY: `repr(C)`, no padding (asserted above), every bit pattern is valid.
    unsafe impl aya::Pod for Filter {}
    // SAFETY: as above.
    unsafe impl aya::Pod for ChosenKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for CommTable {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_by_the_state_that_it_ends_in() {
        // `a` and any number of `b`; the class 1 is `a`, 2 is `b`, state 2 is the dead end.
        let mut table = CommTable::NOTHING;
        table.classes[usize::from(b'a')] = 1;
        table.classes[usize::from(b'b')] = 2;
        table.accepts[1] = 1;
        table.next[..3].copy_from_slice(&[2, 1, 2]);
        table.next[COMM_CLASSES..COMM_CLASSES + 3].copy_from_slice(&[2, 2, 1]);
        table.next[2 * COMM_CLASSES..3 * COMM_CLASSES].fill(2);
        let takes = |name: &str| {
            let mut comm = [0; 16];
            comm[..name.len()].copy_from_slice(name.as_bytes());
            table.takes(&comm)
        };
        assert!(takes("a") && takes("abbb") && takes("abbbbbbbbbbbbbbb"));
        assert!(!takes("") && !takes("b") && !takes("aba") && !takes("abx"));
    }
}
