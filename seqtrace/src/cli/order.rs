//! The words of `order`.

use std::{ffi::OsString, time::Duration};

use clap::Args;
use globset::Glob;

use super::{BudgetArguments, DiscoverArguments, duration};

/// Options of `order`.
#[derive(Args, Debug)]
#[command(
    after_help = "Every read and every write of the named seqcounts is probed, and every place in the code that takes
or drops a named lock: at a price for all who come there, which --budget bounds. A lock is held from
the call that takes it on, as lockdep has it; a seqcount while its sequence is odd.

Examples:
  sudo seqtrace order task_struct.mems_allowed_seq signal_struct.stats_lock --locks pidmap_lock
  sudo seqtrace order rename_lock --locks dentry.d_lockref.lock --stacks -d 10s
  sudo seqtrace order 'tk_core*' --locks timekeeper_lock -- sleep 5"
)]
pub struct OrderArguments {
    /// Seqcounts by name or pattern, as `seqtrace sites` prints them
    #[arg(value_name = "SEQCOUNT", required = true, value_parser = super::glob)]
    pub seqcounts: Vec<Glob>,
    /// Locks by name: variables (patterns too), and members as `STRUCTURE.MEMBER`
    #[arg(long, value_name = "LOCK", value_delimiter = ',', value_parser = super::glob)]
    pub locks: Vec<Glob>,
    /// Print a stack for each edge
    #[arg(long)]
    pub stacks: bool,
    /// Stop after this time [default: when COMMAND ends, or Ctrl-C]
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Print one JSON document instead of the table
    #[arg(short, long)]
    pub json: bool,
    /// What it may cost.
    #[command(flatten)]
    pub budget: BudgetArguments,
    /// Where sites come from.
    #[command(flatten)]
    pub discover: DiscoverArguments,
    /// Command to run while tracing the whole system
    #[arg(last = true, value_name = "COMMAND")]
    pub run: Vec<OsString>,
}
