//! Words about recordings: to make them, and to read them.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use super::{
    OnWaitArguments, RowFilterArguments, TraceArguments, VerbosityArguments, duration,
    limits::bytes,
};

/// Options of `record`.
#[derive(Args, Debug)]
#[command(after_help = "The file can be read on any machine, without root:
  sudo seqtrace record -o out.seqtrace --duration 60s
  seqtrace report out.seqtrace
  seqtrace flame out.seqtrace -o out.svg

The ten seconds before each wait of 20 ms, for as long as it runs:
  sudo seqtrace record -o out.seqtrace --last 10s --on-wait 20ms:save

If it is killed, the file can be read up to the last interval.")]
pub struct RecordArguments {
    /// File to write; what it held is lost
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Stop after this time [default: when COMMAND ends, or Ctrl-C]
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Time between two snapshots
    #[arg(short = 'I', long, value_name = "TIME", value_parser = duration, default_value = "1s")]
    pub interval: Duration,
    /// Begin another file (`out.2.seqtrace`) when one has this size (`100M`); looked at once in an
    /// interval
    #[arg(long, value_name = "BYTES", value_parser = file_bytes)]
    pub rotate_size: Option<u64>,
    /// Begin another file after this time; looked at once in an interval
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub rotate_every: Option<Duration>,
    /// Keep the last TIME in memory and write nothing but what --on-wait TIME:save asks for, each into a file of
    /// its own (`out.seqtrace`, `out.2.seqtrace`)
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with_all = ["rotate_size", "rotate_every"])]
    pub last: Option<Duration>,
    /// What long waits set off.
    #[command(flatten)]
    pub on_wait: OnWaitArguments,
    /// What to trace.
    #[command(flatten)]
    pub trace: TraceArguments,
    /// Command to run while recording the whole system
    #[arg(last = true, value_name = "COMMAND")]
    pub run: Vec<OsString>,
}

/// Options of `report`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  seqtrace report a.seqtrace                       what stat prints
  seqtrace report a.seqtrace --by task             what each process lost, and what others lost waiting for it
  seqtrace report a.seqtrace --by cgroup           what each container and systemd unit lost
  seqtrace report a.seqtrace --csv --sort max      a line for each site, for other tools")]
pub struct ReportArguments {
    /// The recording
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print one JSON document instead of the table
    #[arg(short, long, conflicts_with_all = ["csv", "by", "sort"])]
    pub json: bool,
    /// Print comma-separated values: numbers as they are, times in nanoseconds
    #[arg(long)]
    pub csv: bool,
    /// Print one line for each of these, and nothing else
    #[arg(long, value_enum, value_name = "WHAT")]
    pub by: Option<ByArgument>,
    /// Sort by this column, numbers from the largest [default: as `stat` does]; lists sites unless
    /// --by says otherwise
    #[arg(long, value_name = "COLUMN")]
    pub sort: Option<String>,
    /// What of it.
    #[command(flatten)]
    pub filter: RowFilterArguments,
    /// How much to tell.
    #[command(flatten)]
    pub verbosity: VerbosityArguments,
}

/// What a line of a list is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum ByArgument {
    /// A seqcount
    Seqcount,
    /// A site
    Site,
    /// A process
    Task,
    /// A cgroup: a container, a systemd unit
    Cgroup,
    /// A kernel stack of readers
    Stack,
}

/// Options of `export`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  seqtrace export a.seqtrace -o a.pftrace          waits one by one, for https://ui.perfetto.dev
  seqtrace export a.seqtrace -o a.pb.gz            stacks, for pprof
  seqtrace export a.seqtrace -o a.speedscope.json  stacks, for https://www.speedscope.app
  seqtrace export a.seqtrace -o a.csv              a line for each site")]
pub struct ExportArguments {
    /// The recording
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// File to write, `-` for standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Format of the file [default: by its name]
    #[arg(short, long, value_enum)]
    pub format: Option<ExportFormat>,
    /// What of it.
    #[command(flatten)]
    pub filter: RowFilterArguments,
    /// How much to tell.
    #[command(flatten)]
    pub verbosity: VerbosityArguments,
}

/// Formats of other tools.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum ExportFormat {
    /// A flamegraph (`.svg`)
    Svg,
    /// Folded stacks, a line each (`.folded`, `.txt`)
    Folded,
    /// A profile for pprof (`.pb.gz`)
    Pprof,
    /// A document for speedscope (`.speedscope.json`)
    Speedscope,
    /// A trace of the single events for Perfetto (`.pftrace`, `.perfetto-trace`)
    Perfetto,
    /// The totals as `stat --json` prints them (`.json`)
    Json,
    /// A line for each site (`.csv`)
    Csv,
}

/// Options of `diff`.
#[derive(Args, Debug)]
pub struct DiffArguments {
    /// The recording before
    #[arg(value_name = "BEFORE")]
    pub before: PathBuf,
    /// The recording after
    #[arg(value_name = "AFTER")]
    pub after: PathBuf,
    /// Draw the difference as a flamegraph too: red is more, blue less, both taken to the same total
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// How much to tell.
    #[command(flatten)]
    pub verbosity: VerbosityArguments,
}

/// A number of bytes, not zero.
fn file_bytes(text: &str) -> Result<u64, String> {
    match bytes(text) {
        Some(bytes) if bytes > 0 => Ok(bytes),
        Some(_) | None => {
            Err("it must be a number of bytes: `65536`, `64K`, `100M`, `1G`".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_of_a_file_has_a_unit_or_is_in_bytes() {
        assert_eq!(file_bytes("1"), Ok(1));
        assert_eq!(file_bytes("100M"), Ok(100 << 20));
        assert_eq!(file_bytes("2g"), Ok(2 << 30));
        for bad in ["0", "", "M", "1T", "-1", "99999999999G"] {
            assert!(file_bytes(bad).is_err(), "{bad} was taken");
        }
    }
}
