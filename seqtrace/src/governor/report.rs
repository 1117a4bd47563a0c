//! What the governor did, for the snapshot.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// How much of a unit is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    /// Every hit.
    Full,
    /// One hit of `1 << shift`, by chance.
    Thinned {
        /// The power of two.
        shift: u32,
    },
    /// None: the probes are off.
    Off,
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Time since the counting began, nanoseconds.
    pub time_ns: u64,
    /// What it is about.
    pub slots: Vec<u32>,
    /// What becomes of it.
    pub level: Level,
    /// What all probes cost when it was decided, as a part of the time of all CPUs.
    pub cost: f64,
    /// What this unit cost.
    pub own: f64,
}

/// What the probes cost. Costs are parts of the time of all CPUs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The cost that is allowed.
    pub budget: f64,
    /// CPUs that are online.
    pub cpus: u32,
    /// What one trap costs, nanoseconds; `None`: it could not be measured, and traps are in no cost.
    pub trap_ns: Option<u64>,
    /// The cost in the last second.
    pub now: f64,
    /// The cost since the counting began.
    pub mean: f64,
    /// The highest cost in any second, or less where the run was shorter.
    pub peak: f64,
}

/// The state of the governor at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// What the probes cost.
    pub figures: Figures,
    /// All changes, oldest first.
    pub decisions: Vec<Decision>,
    /// Slots whose probes are off now.
    pub off: BTreeSet<u32>,
}
