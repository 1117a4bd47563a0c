//! Options of `seqtrace sites`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use globset::Glob;

use super::{DiscoverArguments, RetryArguments};

/// Options of `sites`.
#[derive(Args, Debug)]
#[command(
    after_help = "Without a filter and without --long there is a line for each seqcount.
GLOB knows `*`, `?`, `[ab]` and `{one,other}`, and has to match the whole name. Several of one
kind widen the choice, different kinds narrow it.

Examples:
  sudo seqtrace sites                                  the running kernel and its modules
  sudo seqtrace sites --seqcount rename_lock           where it is read and written
  seqtrace sites --image vmlinux --role block,spin     a file, without root
  seqtrace sites --image vmlinux --disassemble d_lookup
  seqtrace sites --image vmlinux --score vmlinux       how complete it is

Exit status: 0 done; 1 it could not be done or nothing matched, the reason is on stderr; 2 usage."
)]
pub struct SitesArguments {
    /// Which of them.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// A line for each site and instance [default: only with a filter]
    #[arg(short, long)]
    pub long: bool,
    /// Print one JSON document instead of the table (its schema: docs/sites.schema.json)
    #[arg(short, long, conflicts_with = "long")]
    pub json: bool,
    /// Show what a function does with seqcounts, instruction by instruction: `d_lookup`,
    /// `d_lookup+0x4b`, `nf_conntrack:nf_ct_get`
    #[arg(
        long,
        value_name = "SITE",
        conflicts_with_all = ["long", "json", "catalog", "selection"]
    )]
    pub disassemble: Option<String>,
    /// Write the whole catalog as JSON lines, `-` for standard output
    #[arg(long, value_name = "FILE", conflicts_with_all = ["long", "json", "selection"])]
    pub catalog: Option<PathBuf>,
    /// Compare what the scan finds with this file's debuginfo, and modules with their own; works
    /// with --json
    #[arg(
        long,
        value_name = "DEBUGINFO",
        conflicts_with_all = ["long", "catalog", "disassemble", "selection", "debuginfo"]
    )]
    pub score: Option<PathBuf>,
    /// Which read sections would be watched at their checks.
    #[command(flatten)]
    pub retries: RetryArguments,
    /// Where the kernel comes from.
    #[command(flatten)]
    pub input: InputArguments,
    /// Where sites come from.
    #[command(flatten)]
    pub discover: DiscoverArguments,
}

/// Which sites and instances are shown.
#[derive(Args, Debug)]
#[group(id = "selection", multiple = true)]
pub struct SelectionArguments {
    /// Only seqcounts with such a name: `rename_lock`, `dentry.*`
    #[arg(long, value_name = "GLOB", value_parser = super::glob)]
    pub seqcount: Vec<Glob>,
    /// Only functions with such a name; `.isra.0`, `.cold` and the like may be left out
    #[arg(long, value_name = "GLOB", value_parser = super::glob)]
    pub function: Vec<Glob>,
    /// Only these: sites that are executed while a reader waits or retries, and instances that
    /// every reader or writer executes
    #[arg(long, value_name = "ROLE", value_enum, value_delimiter = ',')]
    pub role: Vec<RoleArgument>,
}

/// What an address is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum RoleArgument {
    /// Site: a reader takes and drops the writer's lock (PREEMPT_RT)
    Block,
    /// Site: a reader pauses while the sequence is odd
    Spin,
    /// Site: a read section is run again
    Retry,
    /// Site: a reader gives up and takes the lock
    Fallback,
    /// Instance: a read section begins
    Begin,
    /// Instance: a read section is checked
    Check,
    /// Instance: a writer increments the sequence
    Write,
}

/// The kernel that is looked at.
#[derive(Args, Debug)]
pub struct InputArguments {
    /// Look at this file instead of the running kernel; needs no root
    #[arg(long, value_name = "FILE")]
    pub image: Option<PathBuf>,
    /// With --image: look at the modules in this directory and below it too
    #[arg(
        long,
        value_name = "DIR",
        requires = "image",
        conflicts_with = "no_modules"
    )]
    pub modules: Option<PathBuf>,
    /// Take source lines and inline chains from this file [default: from the files looked at, or
    /// where distributions install them]
    #[arg(long, value_name = "FILE")]
    pub debuginfo: Option<PathBuf>,
}
