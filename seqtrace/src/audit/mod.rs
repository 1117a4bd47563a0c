//! Readings of global sequence words in, what is wrong with the counters out. Pure.
//!
//! A sequence is even at rest and odd while a writer is inside, it never goes down, and a hold is
//! short. Readings that contradict this are findings; what readings cannot tell is no finding. A
//! counter that was not read is listed with the reason, so that
//! `counters = sound + found + not read`.

use serde::{Deserialize, Serialize};

pub mod judge;

pub use judge::judge;

/// One global seqcount that is to be looked at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Counter {
    /// Name of the seqcount; per-CPU ones have the CPU at their end: `cpu_samples[cpu 1]`.
    pub name: String,
    /// Whether it is a latch, whose readers take odd values as they take even ones.
    pub latch: bool,
    /// Run-time address of the sequence word.
    pub address: u64,
    /// Instances that begin a read section of it, as printed, in the order of their addresses.
    pub readers: Vec<String>,
    /// Sites at which a reader waits for it to become even, as printed.
    pub waits: Vec<String>,
}

/// One look at a sequence word.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reading {
    /// When, nanoseconds since the first reading of the audit.
    pub time_ns: u64,
    /// The sequence.
    pub value: u32,
}

/// What the readings of one counter show.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// Nothing that contradicts a sound counter.
    Sound,
    /// Odd and the same in every reading: a writer is inside since before the first, or one left
    /// without its second increment. Every reader waits.
    StuckOdd {
        /// The value.
        value: u32,
        /// From the first reading to the last, nanoseconds: it has been odd at least so long.
        at_least_ns: u64,
    },
    /// It moves, and rests on odd values: an increment was lost, because writers were not
    /// serialised. Readers wait while nobody writes, and read while somebody does.
    OddAtRest {
        /// The first value that it rested on.
        value: u32,
        /// Longest rest on an odd value, nanoseconds.
        rest_ns: u64,
    },
    /// It went down: it was initialised anew while in use, or something else writes to it.
    Backwards {
        /// The value before.
        from: u32,
        /// The value after.
        to: u32,
    },
}

/// What was found out about one counter.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// As [`Counter::name`].
    pub seqcount: String,
    /// What the readings show.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Times that it was read.
    pub readings: u64,
    /// Distance between the first value and the last, wrapping.
    pub moved: u32,
    /// As [`Counter::readers`].
    pub readers: Vec<String>,
    /// As [`Counter::waits`].
    pub waits: Vec<String>,
    /// CPUs that were seen in the waiting loops of its readers, ascending; `None`: nobody looked,
    /// because the counter is sound or this kernel does not let us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spinning_cpus: Option<Vec<u32>>,
}

/// A counter that could not be read.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Unread {
    /// As [`Counter::name`].
    pub seqcount: String,
    /// Why.
    pub reason: String,
}

/// The whole audit.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// Version of this document's layout: [`Audit::FORMAT`].
    pub format: u32,
    /// Kernel release (`uname -r`).
    pub release: String,
    /// From the first reading to the last, nanoseconds.
    pub elapsed_ns: u64,
    /// Every counter that was read, those with something wrong first, then by name.
    pub findings: Vec<Finding>,
    /// Every counter that was not, by name.
    pub unread: Vec<Unread>,
}

impl Audit {
    /// Version of the layout that this build writes.
    pub const FORMAT: u32 = 1;

    /// Counters with something wrong.
    pub fn wrong(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.verdict != Verdict::Sound)
    }
}

impl Verdict {
    /// The word for it in the output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::StuckOdd { .. } => "stuck odd",
            Self::OddAtRest { .. } => "odd at rest",
            Self::Backwards { .. } => "backwards",
        }
    }
}

impl Finding {
    /// What `readings` show about `counter`.
    pub fn new(counter: &Counter, readings: &[Reading]) -> Self {
        let Counter {
            name,
            latch,
            address: _,
            readers,
            waits,
        } = counter;
        let moved = match readings {
            [first, .., last] => last.value.wrapping_sub(first.value),
            _ => 0,
        };
        Self {
            seqcount: name.clone(),
            verdict: judge(readings, *latch),
            readings: readings.len() as u64,
            moved,
            readers: readers.clone(),
            waits: waits.clone(),
            spinning_cpus: None,
        }
    }
}
