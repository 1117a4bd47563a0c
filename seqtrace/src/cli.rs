//! The command line as it was typed; clap and nothing of ours.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use globset::{Glob, GlobBuilder};

mod blame;
mod budget;
mod explain;
mod filter;
mod flame;
mod limits;
mod on_wait;
mod order;
mod recording;
mod retries;
mod sites;
mod watch;

pub use blame::{BlameArguments, Threshold};
pub use budget::BudgetArguments;
pub use explain::ExplainArguments;
pub use filter::{CpuList, FilterArguments, KindArgument, RowFilterArguments};
pub use flame::{FlameArguments, FlameFormat, SideArguments, WeightArgument};
pub use limits::LimitArguments;
pub use on_wait::{Action, OnWait, OnWaitArguments};
pub use order::OrderArguments;
pub use recording::{
    ByArgument, DiffArguments, ExportArguments, ExportFormat, RecordArguments, ReportArguments,
};
pub use retries::{ConvergeArguments, RetryArguments};
pub use sites::{InputArguments, RoleArgument, SelectionArguments, SitesArguments};
pub use watch::WatchArguments;

/// Shows where readers of Linux sequence counters wait and retry, and which writer is to blame.
///
/// Without a command: a live view of the running system on a terminal, a table each second elsewhere.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  sudo seqtrace                                watch the running system
  sudo seqtrace --on-wait 10ms:print           and tell each wait of 10 ms
  sudo seqtrace stat -- make -j8               what waiting cost one command
  sudo seqtrace flame --duration 10s -o f.svg  flamegraph of the readers, by time lost
  sudo seqtrace record -d 60s -o out.seqtrace  everything, to be read later on any machine
  sudo seqtrace sites                          what would be probed; attaches nothing
  seqtrace doctor                              what this kernel and this user can do

Exit status: 0 done; 1 it could not be done, the reason is on stderr; 2 usage;
4 ended early, because the probes cost far more than --budget and could not be turned down;
5 done, and with --strict something was lost; 6 ended by --kill-file.
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
    /// Live view of the running system; without a terminal a table each interval (the default command)
    Top(TopArguments),
    /// Totals over a time or over the run of a command
    Stat(StatArguments),
    /// Everything over a time or over the run of a command, into a file for later
    Record(RecordArguments),
    /// The totals of a recording, as `stat` prints them or by what is asked for
    Report(ReportArguments),
    /// Flamegraph of kernel stacks, weighted by the nanoseconds readers lost; live or of a recording
    Flame(FlameArguments),
    /// A recording in the formats of other tools: pprof, speedscope, Perfetto and more
    Export(ExportArguments),
    /// What got worse from one recording to another
    Diff(DiffArguments),
    /// The sites of this kernel and what would be probed; attaches nothing
    Sites(SitesArguments),
    /// Whether global seqcounts are sound: none stuck odd, going backwards, or resting on odd values
    Audit(AuditArguments),
    /// Writes to one seqcount or lock: how many, by whom, how long it was held
    Watch(WatchArguments),
    /// Which locks are held when a seqcount is read or written: lockdep's question on a production kernel
    Order(OrderArguments),
    /// What the lockdep, lockup and stall reports of a log say about seqcounts, and whether to believe them
    Explain(ExplainArguments),
    /// What this kernel and this user can do, with a fix for what they cannot
    Doctor(DoctorArguments),
}

/// Options of `top`.
#[derive(Args, Debug)]
pub struct TopArguments {
    /// Time between two looks at the numbers
    #[arg(short = 'I', long, value_name = "TIME", value_parser = duration, default_value = "1s")]
    pub interval: Duration,
    /// Stop after this time [default: until Ctrl-C]
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Colours on the screen
    #[arg(long = "color", value_name = "WHEN", value_enum, default_value_t = Colour::Auto)]
    pub colour: Colour,
    /// Show this recording instead of the running system, without a terminal a table for each of its
    /// intervals; needs no root
    #[arg(long, value_name = "FILE", conflicts_with_all = ["duration", "interval", "on_wait"])]
    pub replay: Option<PathBuf>,
    /// What to trace.
    #[command(flatten)]
    pub trace: TraceArguments,
    /// What long waits set off.
    #[command(flatten)]
    pub on_wait: OnWaitArguments,
}

/// Whether a screen has colours.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Colour {
    /// Unless the environment has `NO_COLOR`
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Options of `stat`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  sudo seqtrace stat -d 10s              all readers of the system
  sudo seqtrace stat -- make -j8         and what the command's own tasks lost of its time
  sudo seqtrace stat -r 5 -- make -j8    the same as a mean of five runs, with its error")]
pub struct StatArguments {
    /// Stop after this time [default: when COMMAND ends, or Ctrl-C]
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Print one JSON document instead of the table
    #[arg(short, long)]
    pub json: bool,
    /// Run COMMAND so many times, one after the other, and tell the mean of what happened in each run and
    /// how far they lie apart; the first run that fails ends it
    #[arg(short, long, value_name = "NUMBER", default_value_t = 1, requires = "run",
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub repeat: u32,
    /// What to trace.
    #[command(flatten)]
    pub trace: TraceArguments,
    /// What long waits set off.
    #[command(flatten)]
    pub on_wait: OnWaitArguments,
    /// Command to run while tracing the whole system
    #[arg(last = true, value_name = "COMMAND")]
    pub run: Vec<OsString>,
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
    #[arg(long, value_name = "TIME", value_parser = duration_or_zero, default_value = "100us")]
    pub threshold: Duration,
    /// Which events are counted.
    #[command(flatten)]
    pub filter: FilterArguments,
    /// Which read sections are watched at their checks.
    #[command(flatten)]
    pub converge: ConvergeArguments,
    /// When writers are probed on demand.
    #[command(flatten)]
    pub blame: BlameArguments,
    /// What it may cost.
    #[command(flatten)]
    pub budget: BudgetArguments,
    /// What counts: kprobes, tracepoints of contended locks, samples of the CPU clock
    #[arg(
        long,
        value_name = "BACKEND",
        value_enum,
        value_delimiter = ',',
        default_value = "auto"
    )]
    pub backend: Vec<BackendArgument>,
    /// Debuginfo of the running vmlinux, which shows inlined calls in stacks [default: the
    /// installed one, if any]
    #[arg(long, value_name = "FILE")]
    pub debuginfo: Option<PathBuf>,
    /// How much room there is, and when it ends.
    #[command(flatten)]
    pub limits: LimitArguments,
    /// Where sites come from.
    #[command(flatten)]
    pub discover: DiscoverArguments,
}

/// What counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum BackendArgument {
    /// The best that this kernel has: probe, else sample, and contention on PREEMPT_RT
    Auto,
    /// kprobes: every wait and retry, exactly
    Probe,
    /// Tracepoints of contended locks (PREEMPT_RT): every block whose lock was taken; needs no
    /// kprobes
    Contention,
    /// Samples of the CPU clock: an estimate of the time readers spin; needs no kprobes
    Sample,
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
