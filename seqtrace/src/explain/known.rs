//! What is known of the kernel's seqcounts: who reads and writes them, and where they are initialised.
//!
//! From mainline sources of 5.4 to 6.12. A function stands here only if its use of the seqcount cannot
//! be mistaken for that of another one, or with all that it may be.

use super::report::plain;

mod table;

use table::{KNOWN, PARTLY_INSIDE, READERS_OF_SEVERAL, SEQLOCKS, SPINLOCKS};

/// Which side of a seqcount somebody is on.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Reads, and waits or retries while a writer is inside.
    Reader,
    /// Makes the sequence odd.
    Writer,
}

impl Side {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
        }
    }
}

/// One seqcount of the kernel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Known {
    /// As seqtrace calls it.
    pub name: &'static str,
    /// Where it is initialised at run time; `None` for those that are static.
    pub unit: Option<&'static str>,
    /// Functions that read it.
    pub readers: &'static [&'static str],
    /// Functions that write it, and what they call while they do.
    pub writers: &'static [&'static str],
    /// Classes of its own, or of the lock of its writers.
    pub classes: &'static [&'static str],
}

/// Whether a task in this function is inside the write section whatever it does there.
pub fn is_inside(function: &str) -> bool {
    !PARTLY_INSIDE.contains(&plain(function))
}

/// The seqcounts that a function may be reading or writing; empty if nothing is known of it.
pub fn by_function(function: &str, side: Side) -> Vec<&'static str> {
    let function = plain(function);
    if side == Side::Reader
        && let Some((_, several)) = READERS_OF_SEVERAL
            .iter()
            .find(|(name, _)| *name == function)
    {
        return several.to_vec();
    }
    let functions = |known: &Known| match side {
        Side::Reader => known.readers,
        Side::Writer => known.writers,
    };
    let found = KNOWN
        .iter()
        .filter(|known| functions(known).contains(&function));
    found.map(|known| known.name).collect()
}

/// The seqcount that a class without `#N` belongs to.
pub fn by_class(class: &str) -> Option<&'static str> {
    let known = KNOWN.iter().find(|known| known.classes.contains(&class));
    known.map(|known| known.name)
}

/// Whether readers block on PREEMPT_RT: since 5.10 they take the lock of the writers and drop it.
pub fn blocks(name: &str) -> bool {
    is_seqlock(name) || SPINLOCKS.contains(&name)
}

/// Whether it is a `seqlock_t`, with the lock of its writers in it.
pub fn is_seqlock(name: &str) -> bool {
    SEQLOCKS.contains(&name)
}

/// The compilation unit that initialises a seqcount at run time.
pub fn unit(name: &str) -> Option<&'static str> {
    KNOWN.iter().find(|known| known.name == name)?.unit
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_function_and_no_class_belongs_to_two_seqcounts() {
        for side in [Side::Reader, Side::Writer] {
            let mut seen = BTreeSet::new();
            for known in &KNOWN {
                let functions = match side {
                    Side::Reader => known.readers,
                    Side::Writer => known.writers,
                };
                for function in functions {
                    assert!(seen.insert(*function), "{function} {side:?}");
                }
            }
        }
        let mut seen = BTreeSet::new();
        for class in KNOWN.iter().flat_map(|known| known.classes) {
            assert!(seen.insert(*class), "{class}");
        }
    }
}
