//! `export`: a recording in the formats of other tools. Needs no root.

use std::{
    fs,
    io::{self, Write as _},
};

use anyhow::{Context as _, Result};

use crate::{
    aggregate::snapshot::Snapshot,
    cli::ExportFormat,
    command::{filter, recordings},
    config::Export,
    export::{
        flamegraph, folded,
        folded::{Stacks, Weight},
        json,
        listing::{By, Listing},
        perfetto, pprof, speedscope,
    },
};

/// Writes the recording anew.
///
/// # Errors
///
/// When it cannot be read, there is nothing to draw, or the file cannot be written.
pub fn export(export: &Export) -> Result<u8> {
    let Export {
        file,
        output,
        format,
        filter,
    } = export;
    let narrowing = filter::of_recording(filter);
    let bytes = if let Some(form) = of_snapshot(*format) {
        let snapshot = narrowing.of(recordings::last_snapshot(file)?.snapshot);
        recordings::tell_filters(&snapshot);
        form(&snapshot)?
    } else {
        let mut reader = recordings::open(file)?;
        let bytes = perfetto::trace(&mut reader, &narrowing);
        recordings::tell(file, &reader);
        bytes
    };
    match output {
        None => io::stdout().write_all(&bytes)?,
        Some(path) => fs::write(path, bytes)
            .with_context(|| format!("failed to write `{}`", path.display()))?,
    }
    Ok(0)
}

type Form = fn(&Snapshot) -> Result<Vec<u8>>;

/// What writes the totals; `None` where the events are what is written.
fn of_snapshot(format: ExportFormat) -> Option<Form> {
    const READERS: (Weight, Stacks) = (Weight::Time, Stacks::Readers);
    let form: Form = match format {
        ExportFormat::Perfetto => return None,
        ExportFormat::Svg => |snapshot| flamegraph::svg(snapshot, READERS.0, READERS.1),
        ExportFormat::Folded => {
            |snapshot| Ok(folded::document(snapshot, READERS.0, READERS.1).into_bytes())
        }
        ExportFormat::Pprof => |snapshot| Ok(pprof::profile(snapshot)),
        ExportFormat::Speedscope => |snapshot| Ok(speedscope::document(snapshot).into_bytes()),
        ExportFormat::Json => |snapshot| Ok(json::document(snapshot).into_bytes()),
        ExportFormat::Csv => |snapshot| Ok(Listing::new(snapshot, By::Site).csv().into_bytes()),
    };
    Some(form)
}
