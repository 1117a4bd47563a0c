//! What one tick brought: the totals of all counting maps, and the new ring records.

use std::collections::HashMap;

use seqtrace_common::{
    blame::{BlameKey, BlameValue},
    counters::{SiteCounters, StackKey, StackValue, TaskKey, TaskValue},
    event::Event,
    loss,
    run::RunCounters,
    wait::{SpinState, WaitKey},
};

/// Totals since the session began, and the records that came since the last batch.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// How long events have been counted, nanoseconds.
    pub elapsed_ns: u64,
    /// Counters by slot, added up over the CPUs.
    pub counters: Vec<SiteCounters>,
    /// Contents of `TASKS`.
    pub tasks: Vec<(TaskKey, TaskValue)>,
    /// Contents of `BLAMES`.
    pub blames: Vec<(BlameKey, BlameValue)>,
    /// Contents of `STACK_COUNTS`; empty unless stacks were asked for.
    pub stacks: Vec<(StackKey, StackValue)>,
    /// Return addresses by stack id, innermost first; every id seen in `stacks`, `blames`,
    /// `spins`, `events` and `records` that could be read.
    pub frames: HashMap<i32, Vec<u64>>,
    /// Slots of the readers inside a lock call, with how many.
    pub blocks_in_flight: HashMap<u32, u64>,
    /// Slots of the increments whose holds are not over, with how many.
    pub holds_in_flight: HashMap<u32, u64>,
    /// What the runs of the checks that are followed were, by slot.
    pub runs: HashMap<u32, RunCounters>,
    /// Slots of the runs that are not over, with their number and the checks that failed in them.
    pub runs_in_flight: HashMap<u32, (u64, u64)>,
    /// Readers that spin or whose spin nothing has ended yet. Each is one wait, to be added to the
    /// counters.
    pub spins: Vec<(WaitKey, SpinState)>,
    /// The longest of the records that came since the last batch, oldest first.
    pub events: Vec<Event>,
    /// Records that came since the last batch and were left out of `events` for being shorter.
    pub events_left_out: u64,
    /// Every record that came since the last batch or [`Arrivals`], in the order in which they came;
    /// empty unless asked for.
    pub records: Vec<Event>,
    /// Who met a loss, as far as notes were asked for and there was room; oldest first.
    pub notes: Vec<Event>,
    /// Samples of the CPU clock that hit no site; `None` where none are taken.
    pub samples_elsewhere: Option<u64>,
    /// Losses added up over the CPUs, by index (`seqtrace_common::loss`).
    pub losses: [u64; loss::COUNT as usize],
}

/// Records that came between two batches, when they were too many to wait for the next one.
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    /// The records, in the order in which they came.
    pub records: Vec<Event>,
    /// Return addresses by stack id, as in [`Batch::frames`].
    pub frames: HashMap<i32, Vec<u64>>,
}

/// What a collector has to tell.
#[derive(Clone, Debug)]
pub enum News {
    /// The tick came: everything.
    Batch(Box<Batch>),
    /// There is no more room for records; only where every one is asked for.
    Arrivals(Arrivals),
}
