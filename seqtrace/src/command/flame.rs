//! `flame`: a flamegraph of a traced run or of a recording.

use std::{
    fs,
    io::{self, Write as _},
};

use anyhow::{Context as _, Result};

use crate::{
    aggregate::snapshot::Snapshot,
    cli::{FlameFormat, WeightArgument},
    command::{filter, recordings, report},
    config::{Flame, Side},
    export::{
        flamegraph,
        folded::{self, Stacks, Weight},
        pprof, speedscope, table,
    },
};

/// Draws the graph and prints the totals that it draws; where it goes to standard output, nothing
/// else does.
///
/// # Errors
///
/// When the run cannot be done or the recording not be read, and when nothing was lost that could be
/// drawn.
pub async fn flame(flame: &Flame, progress: bool) -> Result<u8> {
    let Flame {
        file, span, trace, ..
    } = flame;
    if let Some(path) = file {
        let snapshot = recordings::last_snapshot(path)?.snapshot;
        let snapshot = filter::of_recording(&trace.filter).of(snapshot);
        recordings::tell_filters(&snapshot);
        draw(flame, &snapshot)?;
        return Ok(0);
    }
    let outcome = report::quiet(span, trace, progress).await?;
    if flame.output.is_some() {
        // First, so that the numbers are not lost when there is nothing to draw.
        report::print(&table::closing(&outcome.snapshot, report::size().0))?;
    }
    draw(flame, &outcome.snapshot)?;
    report::finish(&outcome, trace)
}

fn draw(flame: &Flame, snapshot: &Snapshot) -> Result<()> {
    let weight = match flame.weight {
        WeightArgument::Time => Weight::Time,
        WeightArgument::Count => Weight::Events,
        WeightArgument::Retries => Weight::Retries,
    };
    let stacks = match flame.side {
        Side::Reader => Stacks::Readers,
        Side::Writer => Stacks::Writers,
        Side::Blame => Stacks::Blamed,
    };
    let bytes = match flame.format {
        FlameFormat::Svg => flamegraph::svg(snapshot, weight, stacks)?,
        FlameFormat::Folded => folded::document(snapshot, weight, stacks).into_bytes(),
        FlameFormat::Pprof => pprof::profile(snapshot),
        FlameFormat::Speedscope => speedscope::document(snapshot).into_bytes(),
    };
    match &flame.output {
        None => io::stdout().write_all(&bytes)?,
        Some(path) => fs::write(path, &bytes)
            .with_context(|| format!("failed to write `{}`", path.display()))?,
    }
    Ok(())
}
