//! The command line checked and resolved: what the stages are asked for.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Result, ensure};

use self::trace::{require_unsaved, resolve_trace};
use crate::cli::{
    AuditArguments, Cli, Colour, Command, DiscoverArguments, DoctorArguments, StatArguments,
    TextSource, TopArguments, VerbosityArguments, WatchArguments,
};

mod explain;
mod filter;
mod flame;
mod limits;
mod order;
mod recording;
mod sites;
mod trace;

pub use explain::{Explain, ExplainForm};
pub use filter::Filter;
pub use flame::{Flame, Side};
pub use limits::{Limits, Room};
pub use order::Order;
pub use recording::{Diff, Export, Form, Record, Report, Rotation};
pub use sites::{Input, View};
pub use trace::{Blame, Choice, RequestWords, Trace};

/// What to do, checked.
#[derive(Debug)]
pub enum Task {
    /// A table each interval.
    Top {
        /// Time between two tables.
        interval: Duration,
        /// When to stop; `None`: on a signal.
        duration: Option<Duration>,
        /// Whether the screen has colours.
        colour: Colour,
        /// What to trace.
        trace: Trace,
    },
    /// A recording as it went on.
    Replay {
        /// The file.
        file: PathBuf,
        /// Whether the screen has colours.
        colour: Colour,
        /// What of it.
        filter: Filter,
    },
    /// Totals at the end.
    Stat {
        /// One JSON document instead of the table.
        json: bool,
        /// When to stop.
        span: Span,
        /// What to trace.
        trace: Trace,
    },
    /// A recording.
    Record(Record),
    /// What a recording says.
    Report(Report),
    /// A flamegraph.
    Flame(Flame),
    /// A recording in another format.
    Export(Export),
    /// What got worse.
    Diff(Diff),
    /// What is found, and what would be probed.
    Sites {
        /// What to print.
        view: View,
        /// The kernel to look at.
        input: Input,
        /// What would be probed beyond the cold sites.
        request: RequestWords,
        /// Where sites come from.
        sources: Sources,
    },
    /// Whether global seqcounts are sound.
    Audit {
        /// How long to look.
        duration: Duration,
        /// One JSON document instead of the table.
        json: bool,
        /// Where sites come from.
        sources: Sources,
    },
    /// The writes to one word.
    Watch {
        /// Its name or address.
        word: String,
        /// One JSON document instead of the table.
        json: bool,
        /// When to stop.
        span: Span,
        /// Where names come from.
        sources: Sources,
    },
    /// Which locks are held when a seqcount is read or written.
    Order(Order),
    /// What the reports of a log say.
    Explain(Explain),
    /// What this kernel and this user can do.
    Doctor,
}

/// When a run ends: at the end of the time or of the command, whichever comes first, or on a
/// signal.
#[derive(Debug)]
pub struct Span {
    /// The time.
    pub duration: Option<Duration>,
    /// The command and its arguments; empty: none.
    pub run: Vec<OsString>,
    /// How often it is run, one time after the other.
    pub repeat: u32,
}

/// Where sites come from.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Loaded modules too, not only vmlinux.
    pub modules: bool,
    /// Use and fill the cache.
    pub cache: bool,
    /// What the kernel's text is read from.
    pub text: TextSource,
}

/// The whole request.
#[derive(Debug)]
pub struct Config {
    /// What to do.
    pub task: Task,
    /// Show progress on stderr.
    pub progress: bool,
    /// How much to log: 0 warnings, 1 what is done, 2 details.
    pub verbosity: u8,
}

impl Config {
    /// Checks and resolves a command line.
    ///
    /// # Errors
    ///
    /// When what was typed cannot be done whatever the kernel: a file that cannot be written, two
    /// words that exclude each other.
    pub fn new(cli: Cli) -> Result<Self> {
        let Cli { command, top } = cli;
        let (task, verbosity) = match command.unwrap_or(Command::Top(top)) {
            Command::Top(arguments) => top_task(arguments)?,
            Command::Stat(arguments) => stat_task(arguments)?,
            Command::Record(arguments) => recording::record_task(arguments)?,
            Command::Report(arguments) => recording::report_task(arguments),
            Command::Flame(arguments) => flame::task(arguments)?,
            Command::Export(arguments) => recording::export_task(arguments)?,
            Command::Diff(arguments) => recording::diff_task(arguments)?,
            Command::Sites(arguments) => sites::task(arguments)?,
            Command::Watch(arguments) => watch_task(arguments),
            Command::Order(arguments) => order::task(arguments),
            Command::Audit(arguments) => audit_task(&arguments),
            Command::Explain(arguments) => explain::task(arguments)?,
            Command::Doctor(DoctorArguments { verbosity }) => (Task::Doctor, verbosity),
        };
        let VerbosityArguments { quiet, verbose } = verbosity;
        Ok(Self {
            task,
            progress: !quiet,
            verbosity: verbose,
        })
    }
}

fn top_task(arguments: TopArguments) -> Result<(Task, VerbosityArguments)> {
    let TopArguments {
        interval,
        duration,
        colour,
        replay,
        trace,
        on_wait,
    } = arguments;
    let (mut trace, verbosity) = resolve_trace(trace, false)?;
    trace.watch_for(on_wait);
    if let Some(file) = replay {
        let Trace { filter, .. } = trace;
        filter.require_rows()?;
        let task = Task::Replay {
            file,
            colour,
            filter,
        };
        return Ok((task, verbosity));
    }
    let task = Task::Top {
        interval,
        duration,
        colour,
        trace,
    };
    Ok((task, verbosity))
}

fn watch_task(arguments: WatchArguments) -> (Task, VerbosityArguments) {
    let WatchArguments {
        word,
        duration,
        json,
        discover,
        run,
    } = arguments;
    let (sources, verbosity) = sources(&discover);
    let task = Task::Watch {
        word,
        json,
        span: Span {
            duration,
            run,
            repeat: 1,
        },
        sources,
    };
    (task, verbosity)
}

fn audit_task(arguments: &AuditArguments) -> (Task, VerbosityArguments) {
    let AuditArguments {
        duration,
        json,
        discover,
    } = arguments;
    let (sources, verbosity) = sources(discover);
    let task = Task::Audit {
        duration: *duration,
        json: *json,
        sources,
    };
    (task, verbosity)
}

fn stat_task(arguments: StatArguments) -> Result<(Task, VerbosityArguments)> {
    let StatArguments {
        duration,
        json,
        repeat,
        trace,
        on_wait,
        run,
    } = arguments;
    let (mut trace, verbosity) = resolve_trace(trace, json)?;
    trace.watch_for(on_wait);
    require_unsaved(&trace)?;
    let span = Span {
        duration,
        run,
        repeat,
    };
    Ok((Task::Stat { json, span, trace }, verbosity))
}

/// A path that cannot be written must be told before the tracing, not after.
fn check_writable(path: &Path) -> Result<()> {
    ensure!(!path.is_dir(), "`{}` is a directory", path.display());
    check_directory(path, "write")
}

/// What is to be done with a file in a directory that is not there cannot be done.
fn check_directory(path: &Path, what: &str) -> Result<()> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    ensure!(
        parent.is_dir(),
        "cannot {what} `{}`: the directory `{}` does not exist",
        path.display(),
        parent.display()
    );
    Ok(())
}

fn sources(arguments: &DiscoverArguments) -> (Sources, VerbosityArguments) {
    let DiscoverArguments {
        no_modules,
        text,
        no_cache,
        verbosity,
    } = *arguments;
    let sources = Sources {
        modules: !no_modules,
        cache: !no_cache,
        text,
    };
    (sources, verbosity)
}

#[cfg(test)]
mod tests;
