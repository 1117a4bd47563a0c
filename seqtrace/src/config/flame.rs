//! What is asked of a flamegraph.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{
    Span, Task, Trace, check_writable,
    trace::{require_unsaved, resolve_trace},
};
use crate::cli::{FlameArguments, FlameFormat, SideArguments, VerbosityArguments, WeightArgument};

/// A flamegraph to draw.
#[derive(Debug)]
pub struct Flame {
    /// The recording to draw; `None`: what is traced now.
    pub file: Option<PathBuf>,
    /// The file to write, `None` for standard output.
    pub output: Option<PathBuf>,
    /// Its format.
    pub format: FlameFormat,
    /// What a frame's width is.
    pub weight: WeightArgument,
    /// Whose stacks.
    pub side: Side,
    /// When to stop tracing.
    pub span: Span,
    /// What to trace.
    pub trace: Trace,
}

/// Whose stacks a flamegraph shows.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Side {
    /// Those that waited.
    #[default]
    Reader,
    /// Those that kept others waiting.
    Writer,
    /// Those that waited, and on them those that kept them waiting.
    Blame,
}

pub(super) fn task(arguments: FlameArguments) -> Result<(Task, VerbosityArguments)> {
    let FlameArguments {
        file,
        output,
        duration,
        format,
        by,
        side,
        trace,
        on_wait,
        run,
    } = arguments;
    let format = format.unwrap_or_else(|| format_of(&output));
    let (mut trace, verbosity) = resolve_trace(trace, true)?;
    trace.watch_for(on_wait);
    require_unsaved(&trace)?;
    if file.is_some() {
        trace.filter.require_rows()?;
    }
    let output = (output != Path::new("-")).then_some(output);
    if let Some(path) = &output {
        check_writable(path)?;
    }
    let flame = Flame {
        file,
        output,
        format,
        weight: by,
        side: side_of(side),
        span: Span {
            duration,
            run,
            repeat: 1,
        },
        trace,
    };
    Ok((Task::Flame(flame), verbosity))
}

fn side_of(arguments: SideArguments) -> Side {
    let SideArguments {
        reader: _,
        writer,
        blame,
    } = arguments;
    if blame {
        Side::Blame
    } else if writer {
        Side::Writer
    } else {
        Side::Reader
    }
}

/// The format that a file's name asks for.
fn format_of(path: &Path) -> FlameFormat {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("folded" | "txt") => FlameFormat::Folded,
        Some(_) | None => FlameFormat::Svg,
    }
}
