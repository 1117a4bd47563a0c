//! What is asked of a flamegraph.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};

use super::{
    Span, Task, Trace, check_writable, recording,
    trace::{require_unsaved, resolve_trace},
};
use crate::cli::{
    ExportFormat, FlameArguments, FlameFormat, SideArguments, VerbosityArguments, WeightArgument,
};

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
    let format = match format {
        Some(format) => format,
        None => format_of(&output, file.as_deref())?,
    };
    require_whole(format, by, side)?;
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

/// The format that a file's name asks for; `recording` is what is drawn.
fn format_of(path: &Path, recording: Option<&Path>) -> Result<FlameFormat> {
    let format = match recording::format_of(path) {
        None | Some(ExportFormat::Svg) => FlameFormat::Svg,
        Some(ExportFormat::Folded) => FlameFormat::Folded,
        Some(ExportFormat::Pprof) => FlameFormat::Pprof,
        Some(ExportFormat::Speedscope) => FlameFormat::Speedscope,
        Some(ExportFormat::Perfetto | ExportFormat::Json | ExportFormat::Csv) => {
            let path = path.display();
            match recording {
                Some(recording) => bail!(
                    "`{path}` is for more than stacks: `seqtrace export {} -o {path}` writes it",
                    recording.display()
                ),
                None => bail!(
                    "`{path}` is for more than stacks: make a recording with `seqtrace record`, and write it \
                     with `seqtrace export`"
                ),
            }
        }
    };
    Ok(format)
}

/// Formats that have stacks of readers by time and by number at once take no other wish.
fn require_whole(format: FlameFormat, by: WeightArgument, side: SideArguments) -> Result<()> {
    let is_plain = match format {
        FlameFormat::Svg | FlameFormat::Folded => true,
        FlameFormat::Pprof | FlameFormat::Speedscope => {
            by == WeightArgument::Time && side_of(side) == Side::Reader
        }
    };
    ensure!(
        is_plain,
        "profiles for pprof and speedscope have the readers' stacks, by time and by number: leave out --by, \
         --writer and --blame, or draw an SVG"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_format_and_what_has_no_stacks_is_refused() {
        for (name, format) in [
            ("a.svg", FlameFormat::Svg),
            ("a", FlameFormat::Svg),
            ("-", FlameFormat::Svg),
            ("a.folded", FlameFormat::Folded),
            ("a.txt", FlameFormat::Folded),
            ("a.pb.gz", FlameFormat::Pprof),
            ("a.speedscope.json", FlameFormat::Speedscope),
        ] {
            assert_eq!(
                format_of(Path::new(name), None).ok(),
                Some(format),
                "{name}"
            );
        }
        for name in ["a.pftrace", "a.json", "a.csv"] {
            let live = format_of(Path::new(name), None).expect_err("no stacks");
            assert!(live.to_string().contains("`seqtrace record`"), "{live}");
            let of_file = format_of(Path::new(name), Some(Path::new("b.seqtrace")));
            let of_file = of_file.expect_err("no stacks").to_string();
            let command = format!("`seqtrace export b.seqtrace -o {name}`");
            assert!(of_file.contains(&command), "{of_file}");
        }
    }

    #[test]
    fn a_wish_that_a_format_does_not_know_is_refused() {
        let side = |writer| SideArguments {
            reader: false,
            writer,
            blame: false,
        };
        for (format, by, writer, is_taken) in [
            (FlameFormat::Pprof, WeightArgument::Time, false, true),
            (FlameFormat::Pprof, WeightArgument::Count, false, false),
            (FlameFormat::Speedscope, WeightArgument::Time, true, false),
            (FlameFormat::Folded, WeightArgument::Retries, true, true),
        ] {
            assert_eq!(require_whole(format, by, side(writer)).is_ok(), is_taken);
        }
    }
}
