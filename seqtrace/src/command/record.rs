//! `record`: a traced run, and all that it shows in a file.

use std::{
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Error, Result};
use log::info;
use nix::{
    sys::utsname::uname,
    time::{ClockId, clock_gettime},
};

use crate::{
    aggregate::snapshot::Snapshot,
    command::{
        flight::Flight,
        interrupt::Interrupt,
        observe::{Observer, Records},
        report,
        trace::{self, Request, nanoseconds},
    },
    config::{Record, Rotation},
    export::table,
    recording::{FORMAT, Header, Writer},
};

/// Records until the time or the command ends, and prints the totals.
///
/// # Errors
///
/// When the run cannot be done. When the file cannot be written any more, after the totals until
/// then.
pub async fn record(record: &Record, progress: bool) -> Result<u8> {
    let Record {
        output,
        interval,
        rotation,
        last,
        span,
        trace,
    } = record;
    let request = Request {
        trace,
        span,
        interval: Some(*interval),
        chosen: None,
        progress,
    };
    let interrupt = Interrupt::listen()?;
    let (outcome, closed) = if let Some(last) = last {
        let mut flight = Flight::new(output, *last);
        let outcome = trace::observed(&request, &interrupt, &mut flight).await?;
        let closed = flight.close(&outcome.snapshot);
        (outcome, closed)
    } else {
        let mut recorder = Recorder::new(output, *rotation)?;
        let outcome = trace::observed(&request, &interrupt, &mut recorder).await?;
        let closed = recorder.close(&outcome.snapshot);
        (outcome, closed)
    };
    report::print(&table::closing(&outcome.snapshot, report::size().0))?;
    let status = report::finish(&outcome, trace);
    closed?;
    status
}

/// Writes what it observes. An error ends the run, but not without its numbers.
struct Recorder {
    path: PathBuf,
    rotation: Rotation,
    /// The first file, until it is written to.
    file: Option<File>,
    part: u32,
    began: Instant,
    writer: Option<Writer<File>>,
    failed: Option<Error>,
}

impl Recorder {
    /// Opens the first file; what it holds stays until probes are in place.
    fn new(path: &Path, rotation: Rotation) -> Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            rotation,
            file: Some(open(path)?),
            part: 0,
            began: Instant::now(),
            writer: None,
            failed: None,
        })
    }

    /// Begins the next file.
    fn next_part(&mut self, snapshot: &Snapshot) -> Result<()> {
        let path = part_path(&self.path, self.part + 1);
        let file = match self.file.take() {
            Some(file) => file,
            None => open(&path)?,
        };
        self.part += 1;
        self.began = Instant::now();
        let header = header(snapshot, self.part)?;
        let begun = file
            .set_len(0)
            .or_else(|error| {
                if is_regular(&file) {
                    Err(error)
                } else {
                    Ok(())
                }
            })
            .and_then(|()| Writer::begin(file, &header));
        self.writer = Some(begun.with_context(|| failed_to_write(&path))?);
        Ok(())
    }

    /// Whether another file is to begin.
    fn is_due(&self) -> bool {
        let Rotation { bytes, every } = self.rotation;
        let written = self.writer.as_ref().map_or(0, Writer::bytes);
        bytes.is_some_and(|most| written >= most)
            || every.is_some_and(|time| self.began.elapsed() >= time)
    }

    fn write_records(&mut self, records: &Records<'_>) -> Result<()> {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        for (label, occurrence, event) in records.wanted() {
            writer
                .event(&occurrence, || label.clone(), || records.frames_of(event))
                .with_context(|| failed_to_write(&part_path(&self.path, self.part)))?;
        }
        Ok(())
    }

    fn write_snapshot(&mut self, snapshot: &Snapshot, last: bool) -> Result<()> {
        let is_full = !last && self.is_due();
        let path = part_path(&self.path, self.part);
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        writer
            .snapshot(snapshot, last || is_full)
            .with_context(|| failed_to_write(&path))?;
        if !last && !is_full {
            return Ok(());
        }
        if let Some(writer) = self.writer.take() {
            let bytes = writer.bytes();
            writer.finish().with_context(|| failed_to_write(&path))?;
            info!("`{}` is complete, {bytes} bytes and more", path.display());
        }
        if is_full {
            self.next_part(snapshot)?;
            self.write_snapshot(snapshot, false)?;
        }
        Ok(())
    }

    /// Keeps an error for the end of the run; nothing is written after it.
    fn keep(&mut self, done: Result<()>) {
        if let Err(error) = done {
            self.failed = Some(error);
            self.writer = None;
        }
    }

    /// Writes the last snapshot.
    fn close(mut self, snapshot: &Snapshot) -> Result<()> {
        let done = self.write_snapshot(snapshot, true);
        self.keep(done);
        match self.failed {
            None => Ok(()),
            Some(error) => {
                Err(error
                    .context("the recording ends before the run did, and can be read up to there"))
            }
        }
    }
}

impl Observer for Recorder {
    fn wants_records(&self) -> bool {
        true
    }

    fn wants_holds(&self) -> bool {
        true
    }

    fn begin(&mut self, snapshot: &Snapshot) -> Result<()> {
        let done = self.next_part(snapshot);
        self.keep(done);
        Ok(())
    }

    fn records(&mut self, records: &Records<'_>) -> Result<()> {
        let done = self.write_records(records);
        self.keep(done);
        Ok(())
    }

    fn snapshot(&mut self, snapshot: &Arc<Snapshot>) -> Result<()> {
        let done = self.write_snapshot(snapshot, false);
        self.keep(done);
        Ok(())
    }

    fn wants_end(&self) -> Option<String> {
        let failed = self.failed.is_some();
        failed.then(|| "because the recording cannot be written".to_owned())
    }
}

/// What this machine says of a recording of it that begins now.
pub(super) fn header(snapshot: &Snapshot, part: u32) -> Result<Header> {
    let host = uname().context("failed to read the host's name")?;
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).context("failed to read the clock")?;
    let wall = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(Header {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        release: snapshot.release.clone(),
        build_id: snapshot.build_id.clone(),
        realtime: snapshot.realtime,
        host: host.nodename().to_string_lossy().into_owned(),
        cpus: thread::available_parallelism().map_or(0, |cpus| cpus.get() as u32),
        words: std::env::args_os()
            .map(|word| word.to_string_lossy().into_owned())
            .collect(),
        // A clock before 1970 is as good as none.
        began_unix_ns: nanoseconds(wall.unwrap_or_default()),
        began_ns: nanoseconds(Duration::from(now)),
        part,
        coverage: snapshot.coverage.clone(),
    })
}

fn open(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(false);
    let file = options.open(path);
    file.with_context(|| failed_to_write(path))
}

/// A pipe or a device has no length to set.
fn is_regular(file: &File) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file())
}

/// The path of a file of the recording: the first has the name that was given, the others have their
/// number before its ending.
pub(super) fn part_path(path: &Path, part: u32) -> PathBuf {
    if part <= 1 {
        return path.to_owned();
    }
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!(".{part}"));
    if let Some(ending) = path.extension() {
        name.push(".");
        name.push(ending);
    }
    path.with_file_name(name)
}

pub(super) fn failed_to_write(path: &Path) -> String {
    format!("failed to write `{}`", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_after_the_first_have_their_number_before_the_ending() {
        for (path, part, expected) in [
            ("a/out.seqtrace", 1, "a/out.seqtrace"),
            ("a/out.seqtrace", 2, "a/out.2.seqtrace"),
            ("out", 12, "out.12"),
            ("a.b/out.tar.zst", 3, "a.b/out.tar.3.zst"),
        ] {
            assert_eq!(part_path(Path::new(path), part), Path::new(expected));
        }
    }
}
