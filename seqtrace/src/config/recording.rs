//! What is asked of recordings.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Result, bail, ensure};

use super::{Filter, Span, Task, Trace, check_writable, trace::resolve_trace};
use crate::cli::{
    ByArgument, DiffArguments, ExportArguments, ExportFormat, RecordArguments, ReportArguments,
    VerbosityArguments,
};

/// A recording to make.
#[derive(Debug)]
pub struct Record {
    /// The file to write.
    pub output: PathBuf,
    /// Time between two snapshots.
    pub interval: Duration,
    /// When another file begins.
    pub rotation: Rotation,
    /// How much a long wait saves; `None`: everything is written.
    pub last: Option<Duration>,
    /// When to stop.
    pub span: Span,
    /// What to trace.
    pub trace: Trace,
}

/// When another file begins; `None`: not for that reason.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Rotation {
    /// When one has so many bytes.
    pub bytes: Option<u64>,
    /// After this time.
    pub every: Option<Duration>,
}

/// What to print of a recording.
#[derive(Debug)]
pub struct Report {
    /// The recording.
    pub file: PathBuf,
    /// How.
    pub form: Form,
    /// What of it.
    pub filter: Filter,
}

/// Forms of a report.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Form {
    /// The table that `stat` prints.
    Closing,
    /// One JSON document.
    Json,
    /// A line for each thing of one kind.
    List {
        /// What a line is about.
        by: ByArgument,
        /// The column to sort by; `None`: most time lost first.
        sort: Option<String>,
        /// Comma-separated values instead of a table.
        csv: bool,
    },
}

/// A recording to write in another format.
#[derive(Debug)]
pub struct Export {
    /// The recording.
    pub file: PathBuf,
    /// The file to write, `None` for standard output.
    pub output: Option<PathBuf>,
    /// Its format.
    pub format: ExportFormat,
    /// What of it.
    pub filter: Filter,
}

/// Two recordings to compare.
#[derive(Debug)]
pub struct Diff {
    /// The recording before.
    pub before: PathBuf,
    /// The recording after.
    pub after: PathBuf,
    /// The flamegraph to draw.
    pub output: Option<PathBuf>,
}

pub(super) fn record_task(arguments: RecordArguments) -> Result<(Task, VerbosityArguments)> {
    let RecordArguments {
        output,
        duration,
        interval,
        rotate_size,
        rotate_every,
        on_wait,
        last,
        trace,
        run,
    } = arguments;
    let (mut trace, verbosity) = resolve_trace(trace, true)?;
    trace.watch_for(on_wait);
    check_writable(&output)?;
    ensure!(
        output.file_name().is_some(),
        "`{}` is no name of a file",
        output.display()
    );
    match last {
        Some(_) if !trace.saves() => {
            bail!("--last writes nothing by itself: say when, with `--on-wait 10ms:save`")
        }
        None if trace.saves() => {
            bail!("`--on-wait` saves the last while: say how long, with `--last 10s`")
        }
        Some(_) | None => {}
    }
    let record = Record {
        output,
        interval,
        rotation: Rotation {
            bytes: rotate_size,
            every: rotate_every,
        },
        last,
        span: Span {
            duration,
            run,
            repeat: 1,
        },
        trace,
    };
    Ok((Task::Record(record), verbosity))
}

pub(super) fn report_task(arguments: ReportArguments) -> (Task, VerbosityArguments) {
    let ReportArguments {
        file,
        json,
        csv,
        by,
        sort,
        filter,
        verbosity,
    } = arguments;
    let form = if json {
        Form::Json
    } else if csv || by.is_some() || sort.is_some() {
        let by = by.unwrap_or(ByArgument::Site);
        Form::List { by, sort, csv }
    } else {
        Form::Closing
    };
    let filter = Filter::of_rows(filter);
    (Task::Report(Report { file, form, filter }), verbosity)
}

pub(super) fn export_task(arguments: ExportArguments) -> Result<(Task, VerbosityArguments)> {
    let ExportArguments {
        file,
        output,
        format,
        filter,
        verbosity,
    } = arguments;
    let Some(format) = format.or_else(|| format_of(&output)) else {
        bail!(
            "the name `{}` tells no format: give one with --format",
            output.display()
        );
    };
    let output = (output != Path::new("-")).then_some(output);
    if let Some(path) = &output {
        check_writable(path)?;
    }
    let export = Export {
        file,
        output,
        format,
        filter: Filter::of_rows(filter),
    };
    Ok((Task::Export(export), verbosity))
}

/// The format that a file's name asks for.
pub(super) fn format_of(path: &Path) -> Option<ExportFormat> {
    const ENDINGS: [(&str, ExportFormat); 9] = [
        (".svg", ExportFormat::Svg),
        (".folded", ExportFormat::Folded),
        (".txt", ExportFormat::Folded),
        (".pb.gz", ExportFormat::Pprof),
        // Before `.json`.
        (".speedscope.json", ExportFormat::Speedscope),
        (".pftrace", ExportFormat::Perfetto),
        (".perfetto-trace", ExportFormat::Perfetto),
        (".json", ExportFormat::Json),
        (".csv", ExportFormat::Csv),
    ];
    let name = path.file_name()?.to_str()?;
    let found = ENDINGS.iter().find(|(ending, _)| name.ends_with(ending));
    found.map(|(_, format)| *format)
}

pub(super) fn diff_task(arguments: DiffArguments) -> Result<(Task, VerbosityArguments)> {
    let DiffArguments {
        before,
        after,
        output,
        verbosity,
    } = arguments;
    if let Some(path) = &output {
        check_writable(path)?;
    }
    let diff = Diff {
        before,
        after,
        output,
    };
    Ok((Task::Diff(diff), verbosity))
}
