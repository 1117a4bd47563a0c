//! The command line as it was typed; clap and nothing of ours.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use globset::{Glob, GlobBuilder};

/// Shows where readers of Linux sequence counters wait and retry, and which writer is to blame.
///
/// Without a command: a table of the running system, renewed every second until Ctrl-C.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  sudo seqtrace                                watch the running system
  sudo seqtrace stat -- make -j8               what waiting cost one command
  sudo seqtrace flame --duration 10s -o f.svg  flamegraph of the readers, by time lost
  sudo seqtrace sites                          what would be probed; attaches nothing
  seqtrace doctor                              what this kernel and this user can do

Exit status: 0 done; 1 it could not be done, the reason is on stderr; 2 usage.
With a COMMAND that ends by itself, `stat` and `flame` exit with its status."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options of the live table, when no command is given.
    #[command(flatten)]
    pub top: TopArguments,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Table of the running system, renewed each interval (the default command)
    Top(TopArguments),
    /// Totals over a time or over the run of a command
    Stat(StatArguments),
    /// Flamegraph of the readers' kernel stacks, weighted by the nanoseconds they lost
    Flame(FlameArguments),
    /// The sites of this kernel and what would be probed; attaches nothing
    Sites(SitesArguments),
    /// Whether global seqcounts are sound: none stuck odd, going backwards, or resting on odd values
    Audit(AuditArguments),
    /// What this kernel and this user can do, with a fix for what they cannot
    Doctor(DoctorArguments),
}

/// Options of `top`.
#[derive(Args, Debug)]
pub struct TopArguments {
    /// Time between two tables
    #[arg(short = 'I', long, value_name = "TIME", value_parser = duration, default_value = "1s")]
    pub interval: Duration,
    /// Stop after this time [default: until Ctrl-C]
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// What to trace.
    #[command(flatten)]
    pub trace: TraceArguments,
}

/// Options of `stat`.
#[derive(Args, Debug)]
pub struct StatArguments {
    /// Stop after this time [default: when COMMAND ends, or Ctrl-C]
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Print one JSON document instead of the table
    #[arg(short, long)]
    pub json: bool,
    /// What to trace.
    #[command(flatten)]
    pub trace: TraceArguments,
    /// Command to run while tracing the whole system
    #[arg(last = true, value_name = "COMMAND")]
    pub run: Vec<OsString>,
}

/// Options of `flame`.
#[derive(Args, Debug)]
pub struct FlameArguments {
    /// File to write, `-` for standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Stop after this time [default: when COMMAND ends, or Ctrl-C]
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Format of the file [default: by its name, `.folded` or `.txt` for folded stacks, else SVG]
    #[arg(short, long, value_enum)]
    pub format: Option<FlameFormat>,
    /// What to trace.
    #[command(flatten)]
    pub trace: TraceArguments,
    /// Command to run while tracing the whole system
    #[arg(last = true, value_name = "COMMAND")]
    pub run: Vec<OsString>,
}

/// Formats that `flame` writes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum FlameFormat {
    /// A flamegraph as SVG
    Svg,
    /// Folded stacks, a line each, for other tools
    Folded,
}

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
    #[arg(long, value_name = "GLOB", value_parser = glob)]
    pub seqcount: Vec<Glob>,
    /// Only functions with such a name; `.isra.0`, `.cold` and the like may be left out
    #[arg(long, value_name = "GLOB", value_parser = glob)]
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

/// Options of `audit`.
#[derive(Args, Debug)]
#[command(
    after_help = "Reads the sequence of every global seqcount again and again; probes nothing.

Exit status: 0 every counter that was read is sound; 3 one is not; 1 it could not be done, the
reason is on stderr; 2 usage."
)]
pub struct AuditArguments {
    /// How long to look
    #[arg(short, long, value_name = "TIME", value_parser = duration, default_value = "2s")]
    pub duration: Duration,
    /// Print one JSON document instead of the table
    #[arg(short, long)]
    pub json: bool,
    /// Where sites come from.
    #[command(flatten)]
    pub discover: DiscoverArguments,
}

/// Options of `doctor`.
#[derive(Args, Debug)]
pub struct DoctorArguments {
    /// How much to tell.
    #[command(flatten)]
    pub verbosity: VerbosityArguments,
}

/// What to trace.
#[derive(Args, Debug)]
pub struct TraceArguments {
    /// Record single events that lasted at least this long
    #[arg(short, long, value_name = "TIME", value_parser = duration_or_zero, default_value = "100us")]
    pub threshold: Duration,
    /// Debuginfo of the running vmlinux, which shows inlined calls in stacks [default: the
    /// installed one, if any]
    #[arg(long, value_name = "FILE")]
    pub debuginfo: Option<PathBuf>,
    /// Where sites come from.
    #[command(flatten)]
    pub discover: DiscoverArguments,
}

/// Where sites come from.
#[derive(Args, Debug)]
pub struct DiscoverArguments {
    /// Look at vmlinux only, not at loaded modules
    #[arg(long)]
    pub no_modules: bool,
    /// What to read the kernel's text from
    #[arg(long, value_enum, value_name = "SOURCE", default_value_t = TextSource::Auto)]
    pub text: TextSource,
    /// Scan the kernel anew and do not keep the result
    #[arg(long)]
    pub no_cache: bool,
    /// How much to tell.
    #[command(flatten)]
    pub verbosity: VerbosityArguments,
}

/// What the text of the running kernel is read from.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum TextSource {
    /// `/proc/kcore`, else a BPF program, else the kernel's files
    Auto,
    /// `/proc/kcore`
    Kcore,
    /// A BPF program that copies it out
    Bpf,
    /// The boot image and the modules of the installed package
    File,
}

/// How much to tell on stderr.
#[derive(Args, Clone, Copy, Debug)]
pub struct VerbosityArguments {
    /// No progress on stderr
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Tell more on stderr; twice for details
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// A time with its unit (`10s`, `500ms`, `1m30s`), zero allowed.
fn duration_or_zero(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write it with a unit: `10s`, `500ms`, `1m30s`"))
}

/// As [`duration_or_zero`], and longer than zero.
fn duration(text: &str) -> Result<Duration, String> {
    match duration_or_zero(text)? {
        Duration::ZERO => Err("it must be longer than zero".to_owned()),
        time => Ok(time),
    }
}

/// A pattern for names.
fn glob(text: &str) -> Result<Glob, String> {
    let glob = GlobBuilder::new(text).empty_alternates(true).build();
    glob.map_err(|error| error.kind().to_string())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;

    #[test]
    fn the_declarations_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_means_the_live_table() {
        let cli = Cli::parse_from(["seqtrace", "--interval", "500ms"]);
        assert!(cli.command.is_none());
        assert_eq!(cli.top.interval, Duration::from_millis(500));
    }

    #[test]
    fn words_after_two_dashes_are_the_command_to_run() {
        let cli = Cli::parse_from(["seqtrace", "stat", "-d", "2s", "--", "ls", "-l"]);
        let Some(Command::Stat(stat)) = cli.command else {
            panic!("not stat: {cli:?}");
        };
        assert_eq!(stat.run, ["ls", "-l"]);
        assert_eq!(stat.duration, Some(Duration::from_secs(2)));
    }

    #[test]
    fn views_of_the_sites_that_exclude_each_other_are_refused() {
        for words in [
            &["--long", "--json"][..],
            &["--disassemble", "d_lookup", "--json"],
            &["--disassemble", "d_lookup", "--role", "spin"],
            &["--catalog", "-", "--seqcount", "*"],
            &["--score", "vmlinux", "--long"],
            &["--modules", "/lib/modules"],
            &["--image", "vmlinux", "--modules", ".", "--no-modules"],
            &["--score", "vmlinux", "--debuginfo", "vmlinux"],
            &["--function", "a[", "--long"],
            &["--role", "reader"],
        ] {
            let parsed = Cli::try_parse_from([&["seqtrace", "sites"], words].concat());
            assert!(parsed.is_err(), "{words:?} was taken");
        }
    }

    #[test]
    fn roles_are_separated_by_commas_or_given_again() {
        for words in [
            &["--role", "spin,check"][..],
            &["--role", "spin", "--role", "check"],
        ] {
            let cli = Cli::parse_from([&["seqtrace", "sites"], words].concat());
            let Some(Command::Sites(sites)) = cli.command else {
                panic!("not sites: {words:?}");
            };
            assert_eq!(
                sites.selection.role,
                [RoleArgument::Spin, RoleArgument::Check]
            );
        }
    }

    #[test]
    fn a_time_of_zero_or_without_a_unit_is_refused() {
        for bad in ["0s", "10", "soon"] {
            let parsed = Cli::try_parse_from(["seqtrace", "stat", "--duration", bad]);
            assert!(parsed.is_err(), "{bad} was taken");
        }
    }
}
