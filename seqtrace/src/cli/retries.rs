//! Words about counting every retry.

use std::time::Duration;

use clap::Args;
use globset::Glob;

/// Which read sections are watched at their checks.
#[derive(Args, Debug)]
pub struct RetryArguments {
    /// Count every retry of the seqcounts with such a name (`rename_lock`, `tk_*`), at a price for
    /// each of their readers, also for those that do not retry
    #[arg(long, value_name = "GLOB", value_parser = super::glob)]
    pub retries: Vec<Glob>,
    /// Count every hold of the seqcounts with such a name: who writes, how often, how long readers are
    /// kept out. At a price for each of their writers
    #[arg(long, value_name = "GLOB", value_parser = super::glob)]
    pub writers: Vec<Glob>,
}

/// The same, and when a read section has retried for too long.
#[derive(Args, Debug)]
pub struct ConvergeArguments {
    /// Which.
    #[command(flatten)]
    pub retries: RetryArguments,
    /// With --retries: a read section that has been retrying for longer does not converge
    #[arg(long, value_name = "TIME", value_parser = super::duration, default_value = "10ms")]
    pub converge_within: Duration,
}
