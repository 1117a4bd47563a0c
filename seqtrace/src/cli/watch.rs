//! The words of `watch`.

use std::{ffi::OsString, time::Duration};

use clap::Args;

use super::{DiscoverArguments, duration};

/// Options of `watch`.
#[derive(Args, Debug)]
#[command(
    after_help = "A hardware breakpoint reports every write to the word, whoever writes; it works without
kprobes and needs cap_sys_admin. Odd and even are counted after each write: of a sequence, odd is
the begin of a hold and even its end.

Examples:
  sudo seqtrace watch rename_lock --duration 10s     who renames, and how long each takes
  sudo seqtrace watch jiffies_seq -- sleep 1
  sudo seqtrace watch rename_lock+4                  the word behind it: its spinlock (not on RT)
  sudo seqtrace watch 0xffffffff83009680             a member of an object"
)]
pub struct WatchArguments {
    /// `NAME` of a global, `NAME+OFFSET`, or `0xADDRESS`; four bytes are watched
    #[arg(value_name = "SEQCOUNT")]
    pub word: String,
    /// Stop after this time [default: when COMMAND ends, or Ctrl-C]
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Print one JSON document instead of the table
    #[arg(short, long)]
    pub json: bool,
    /// Where names come from.
    #[command(flatten)]
    pub discover: DiscoverArguments,
    /// Command to run while watching
    #[arg(last = true, value_name = "COMMAND")]
    pub run: Vec<OsString>,
}
