//! A snapshot → files in the working folder, named by the time.

use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
    time::SystemTime,
};

use anyhow::{Context as _, Result};

use crate::{
    aggregate::snapshot::Snapshot,
    export::{
        flamegraph,
        folded::{Stacks, Weight},
        json,
    },
};

/// Saves `snapshot` as JSON, and its stacks as a flame graph where there is anything to draw: by time, or
/// by events where no time was lost. Says what was saved. Files that exist are never written over.
///
/// # Errors
///
/// When a file cannot be written.
pub(super) fn save(snapshot: &Snapshot) -> Result<String> {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let stem = format!("seqtrace-{}", now.replace(':', ""));
    let document = format!("{stem}.json");
    write(&document, json::document(snapshot).as_bytes())?;
    let picture = flamegraph::svg(snapshot, Weight::Time, Stacks::Readers)
        .or_else(|_| flamegraph::svg(snapshot, Weight::Events, Stacks::Readers));
    Ok(match picture {
        Ok(svg) => {
            let picture = format!("{stem}.svg");
            write(&picture, &svg)?;
            format!("saved {document} and {picture}")
        }
        Err(reason) => format!("saved {document}; no flame graph: {reason}"),
    })
}

fn write(name: &str, bytes: &[u8]) -> Result<()> {
    let written = File::create_new(Path::new(name)).and_then(|mut file| file.write_all(bytes));
    match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(error).with_context(|| format!("`{name}` is there already: save again"))
        }
        written => written.with_context(|| format!("failed to save `{name}`")),
    }
}
