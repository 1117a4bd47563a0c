//! `export`: a recording in the formats of other tools. Needs no root.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

use anyhow::{Context as _, Result};

use crate::{
    aggregate::{narrow::Narrowing, snapshot::Snapshot},
    cli::ExportFormat,
    command::{
        filter,
        recordings::{self, Rereadable},
    },
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
    let Some(form) = of_snapshot(*format) else {
        return events(file, output.as_deref(), &narrowing);
    };
    let snapshot = narrowing.of(recordings::last_snapshot(file)?.snapshot);
    recordings::tell_filters(&snapshot);
    let bytes = form(&snapshot)?;
    match output {
        None => io::stdout().write_all(&bytes)?,
        Some(path) => fs::write(path, bytes).with_context(|| unwritten(path))?,
    }
    Ok(0)
}

/// Writes the events, which may be more than memory holds.
fn events(file: &Path, output: Option<&Path>, narrowing: &Narrowing) -> Result<u8> {
    let recording = Rereadable::open(file)?;
    // What cannot be read leaves no file.
    recording.reader()?;
    let open = || recording.reader();
    let reader = match output {
        None => perfetto::trace(open, narrowing, io::stdout().lock())?,
        Some(path) => {
            let out = File::create(path).with_context(|| unwritten(path))?;
            perfetto::trace(open, narrowing, out).with_context(|| unwritten(path))?
        }
    };
    recordings::tell(file, &reader);
    Ok(0)
}

fn unwritten(path: &Path) -> String {
    format!("failed to write `{}`", path.display())
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
