//! The words of `flame`.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use super::{OnWaitArguments, TraceArguments, duration};

/// Options of `flame`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  sudo seqtrace flame -d 10s -o f.svg              a flamegraph of the readers, by time lost
  sudo seqtrace flame -d 10s -o f.pb.gz            the same stacks, for pprof
  sudo seqtrace flame -d 10s -o f.speedscope.json  the same, for https://www.speedscope.app
  seqtrace flame out.seqtrace --blame -o f.svg     of a recording: readers, and on them their writers")]
pub struct FlameArguments {
    /// Draw this recording instead of tracing; needs no root
    #[arg(value_name = "FILE", conflicts_with_all = ["duration", "run"])]
    pub file: Option<PathBuf>,
    /// File to write, `-` for standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Stop after this time [default: when COMMAND ends, or Ctrl-C]
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Format of the file [default: by its name, SVG where that tells none]
    #[arg(short, long, value_enum)]
    pub format: Option<FlameFormat>,
    /// What the width of a frame is
    #[arg(long, value_enum, value_name = "WHAT", default_value = "time")]
    pub by: WeightArgument,
    /// Whose stacks.
    #[command(flatten)]
    pub side: SideArguments,
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

/// Formats that `flame` writes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum FlameFormat {
    /// A flamegraph (any other name)
    Svg,
    /// Folded stacks, a line each, for other tools (`.folded`, `.txt`)
    Folded,
    /// A profile for pprof (`.pb.gz`): stacks of readers by time and by number
    Pprof,
    /// A document for speedscope (`.speedscope.json`): the same
    Speedscope,
}

/// What a stack weighs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum WeightArgument {
    /// Nanoseconds that readers lost
    Time,
    /// Waits and retries
    Count,
    /// Retries alone
    Retries,
}

/// Whose stacks.
#[derive(Args, Clone, Copy, Debug)]
#[group(multiple = false)]
pub struct SideArguments {
    /// The stacks of readers that waited (the default)
    #[arg(long)]
    pub reader: bool,
    /// The stacks of writers, by what readers lost to them
    #[arg(long)]
    pub writer: bool,
    /// The stacks of readers, and on top of each those of the writers they waited for
    #[arg(long)]
    pub blame: bool,
}
