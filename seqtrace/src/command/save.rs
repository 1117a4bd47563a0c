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
    command::record,
    export::{
        flamegraph,
        folded::{Stacks, Weight},
    },
    recording::{Header, Writer},
};

/// Saves `snapshot` as a recording, and its stacks as a flame graph where there is anything to draw: by time,
/// or by events where no time was lost. Says what was saved. Files that exist are never written over.
/// `recorded` is where it came from; `None`: it is of this machine, and of now.
///
/// # Errors
///
/// When a file cannot be written.
pub(super) fn save(snapshot: &Snapshot, recorded: Option<&Header>) -> Result<String> {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let stem = format!("seqtrace-{}", now.replace(':', ""));
    let recording = format!("{stem}.seqtrace");
    let header = match recorded {
        Some(header) => header.clone(),
        None => header_of(snapshot)?,
    };
    write(
        &recording,
        &bytes(&header, snapshot).context("failed to pack the recording")?,
    )?;
    let picture = flamegraph::svg(snapshot, Weight::Time, Stacks::Readers)
        .or_else(|_| flamegraph::svg(snapshot, Weight::Events, Stacks::Readers));
    Ok(match picture {
        Ok(svg) => {
            let picture = format!("{stem}.svg");
            write(&picture, &svg)?;
            format!("saved {recording} and {picture}")
        }
        Err(reason) => format!("saved {recording}; no flame graph: {reason}"),
    })
}

/// The header of a recording that began when the numbers did.
fn header_of(snapshot: &Snapshot) -> Result<Header> {
    let now = record::header(snapshot, 1)?;
    Ok(Header {
        began_unix_ns: now.began_unix_ns.saturating_sub(snapshot.elapsed_ns),
        began_ns: now.began_ns.saturating_sub(snapshot.elapsed_ns),
        ..now
    })
}

/// A recording of nothing but `snapshot`.
fn bytes(header: &Header, snapshot: &Snapshot) -> io::Result<Vec<u8>> {
    let mut writer = Writer::begin(Vec::new(), header)?;
    writer.snapshot(snapshot, true)?;
    writer.finish()
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
