//! What `seqtrace sites --score` and the example `cost` print → what the table is made of.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// All that is known of one kernel.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// The scan against debuginfo.
    pub(crate) score: Score,
    /// What the scan of vmlinux took.
    pub(crate) scan: Cost,
    /// What the pass over its debuginfo took.
    pub(crate) dwarf: Cost,
}

/// The parts of the document `seqtrace::discover::score::Score` that are looked at.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Score {
    /// By what primitives do: `begin`, `check`, `write_begin`, `write_end`, `write_other`.
    pub(crate) roles: BTreeMap<String, Tally>,
    /// The waits of begins that take the lock.
    pub(crate) blocks: Blocks,
    /// Instances of the scan in no primitive, which are not marked as open-coded.
    pub(crate) false_detections: Vec<Value>,
}

/// Instances of one kind.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Tally {
    /// Instances by debuginfo.
    pub(crate) wanted: u64,
    /// Those that the scan has.
    pub(crate) found: u64,
    /// Found ones whose seqcount has a name.
    pub(crate) named: u64,
}

/// Lock-unlock.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Blocks {
    /// Begins in which debuginfo has a call of a lock function.
    pub(crate) expected: u64,
    /// Those of them in which the scan has a block.
    pub(crate) found: u64,
}

/// What a stage took.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Cost {
    /// Time, nanoseconds.
    pub(crate) time_ns: u64,
    /// Most memory at once, besides the bytes of the file that was read, bytes.
    pub(crate) peak_bytes: u64,
}

impl Score {
    /// The tally of a role; of nothing where debuginfo has none.
    pub(crate) fn role(&self, name: &str) -> Tally {
        self.roles.get(name).copied().unwrap_or_default()
    }
}

impl Tally {
    /// All of them together.
    pub(crate) fn sum<'a>(tallies: impl Iterator<Item = &'a Self>) -> Self {
        tallies.fold(Self::default(), |sum, one| Self {
            wanted: sum.wanted + one.wanted,
            found: sum.found + one.found,
            named: sum.named + one.named,
        })
    }

    /// Found ones of the wanted, percent; 100 where nothing is wanted.
    pub(crate) fn recall(self) -> f64 {
        percent(self.found, self.wanted)
    }

    /// Named ones of the found, percent; 100 where nothing is found.
    pub(crate) fn naming(self) -> f64 {
        percent(self.named, self.found)
    }
}

impl Cost {
    /// The cheaper of two runs in each respect: what else the machine does only adds to a run.
    pub(crate) fn least(self, other: Self) -> Self {
        Self {
            time_ns: self.time_ns.min(other.time_ns),
            peak_bytes: self.peak_bytes.min(other.peak_bytes),
        }
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 100.0;
    }
    part as f64 * 100.0 / whole as f64
}
