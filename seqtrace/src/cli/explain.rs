//! Options of `seqtrace explain`.

use std::path::PathBuf;

use clap::Args;

use super::VerbosityArguments;

/// Options of `explain`.
#[derive(Args, Debug)]
#[command(
    after_help = "Finds every report of lockdep, lockup, stall and hung task in a log, however it was quoted, prefixed or
wrapped, names the seqcounts that take part, and says whether to believe it (docs/explain.md). Needs
no root and looks at no kernel.

Examples:
  dmesg | seqtrace explain                       what the log of this machine tells
  seqtrace explain mail.txt                      a report from a mailing list
  seqtrace explain --svg circle.svg console.log  the circle of locks as a drawing
  seqtrace explain --image vmlinux console.log   spins of lockups are looked up in the kernel's sites

Exit status: 0 done, also if a bug was found; 1 it could not be done or there is no report, the reason
is on stderr; 2 usage."
)]
pub struct ExplainArguments {
    /// The log, `-` for standard input
    #[arg(value_name = "FILE", default_value = "-")]
    pub file: PathBuf,
    /// Print one JSON document instead of the text
    #[arg(short, long)]
    pub json: bool,
    /// Write the circles of locks for Graphviz, `-` for standard output
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub dot: Option<PathBuf>,
    /// Draw the circles of locks, `-` for standard output
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "dot"])]
    pub svg: Option<PathBuf>,
    /// The kernel that the log is of: spins of lockups are looked up in its sites
    #[arg(long, value_name = "FILE")]
    pub image: Option<PathBuf>,
    /// How much to tell.
    #[command(flatten)]
    pub verbosity: VerbosityArguments,
}
