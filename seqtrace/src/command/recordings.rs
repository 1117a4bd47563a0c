//! `report`, `diff`, and `flame` and `top` of a recording: what a file says. Needs no root.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::Path,
};

use anyhow::{Context as _, Result};
use log::warn;

use crate::{
    aggregate::{narrow::Narrowing, snapshot::Snapshot},
    cli::ByArgument,
    command::{
        filter,
        report::{print, size},
    },
    config::{Diff, Form, Report},
    export::{
        diff, filters, flamegraph, json,
        listing::{By, Listing},
        live, table,
    },
    recording::{Ending, Entry, Reader, Taken},
};

/// Prints the totals of a recording.
///
/// # Errors
///
/// When it cannot be read, or there is no such column.
pub fn report(report: &Report) -> Result<u8> {
    let Report { file, form, filter } = report;
    let mut taken = last_snapshot(file)?;
    taken.snapshot = filter::of_recording(filter).of(taken.snapshot);
    match form {
        Form::Closing if taken.last => print(&table::closing(&taken.snapshot, size().0))?,
        Form::Closing => print(&table::interim(&taken.snapshot, size().0))?,
        Form::Json => print(&json::document(&taken.snapshot))?,
        Form::List { by, sort, csv } => {
            let mut listing = Listing::new(&taken.snapshot, kind(*by));
            if let Some(column) = sort {
                listing.sort(column)?;
            }
            if *csv {
                tell_filters(&taken.snapshot);
                print(&listing.csv())?;
            } else {
                print(&(listing.table(size().0) + &filters::lines(&taken.snapshot, size().0)))?;
            }
        }
    }
    Ok(0)
}

fn kind(by: ByArgument) -> By {
    match by {
        ByArgument::Seqcount => By::Seqcount,
        ByArgument::Site => By::Site,
        ByArgument::Task => By::Task,
        ByArgument::Cgroup => By::Cgroup,
        ByArgument::Stack => By::Stack,
    }
}

/// Prints what got worse, and draws it where that is asked for.
///
/// # Errors
///
/// When a recording cannot be read, or there is nothing to draw.
pub fn compare(words: &Diff) -> Result<u8> {
    let Diff {
        before,
        after,
        output,
    } = words;
    let [before, after] = [
        last_snapshot(before)?.snapshot,
        last_snapshot(after)?.snapshot,
    ];
    print(&diff::table(&before, &after, size().0))?;
    if let Some(path) = output {
        let svg = flamegraph::difference(&before, &after)?;
        fs::write(path, svg).with_context(|| format!("failed to write `{}`", path.display()))?;
    }
    Ok(0)
}

/// Prints a table for each interval of a recording.
///
/// # Errors
///
/// When it cannot be read.
pub fn replay(path: &Path, narrowing: &Narrowing) -> Result<u8> {
    let mut reader = open(path)?;
    let mut before: Option<Snapshot> = None;
    let mut last = None;
    for taken in snapshots(&mut reader) {
        let Taken {
            last: closes,
            snapshot,
        } = taken;
        let snapshot = narrowing.of(snapshot);
        if closes {
            last = Some(snapshot);
            continue;
        }
        let change = match &before {
            Some(before) => snapshot.since(before),
            None => snapshot.since_start(),
        };
        print(&(live::screen(&snapshot, &change, size().0, None) + "\n"))?;
        before = Some(snapshot);
    }
    match (last, before) {
        (Some(last), _) => print(&table::closing(&last, size().0))?,
        (None, Some(newest)) => print(&table::interim(&newest, size().0))?,
        (None, None) => (),
    }
    tell(path, &reader);
    Ok(0)
}

/// The snapshots of a recording, oldest first.
pub fn snapshots(reader: &mut Reader<BufReader<File>>) -> impl Iterator<Item = Taken> {
    std::iter::from_fn(|| {
        loop {
            match reader.next(false)? {
                Entry::Snapshot(taken) => return Some(*taken),
                Entry::Event(_) => (),
            }
        }
    })
}

/// Opens a recording.
///
/// # Errors
///
/// When it is none, or one of a newer version.
pub fn open(path: &Path) -> Result<Reader<BufReader<File>>> {
    Reader::open(BufReader::new(file(path)?))
        .with_context(|| format!("cannot read `{}`", path.display()))
}

fn file(path: &Path) -> Result<File> {
    File::open(path).with_context(|| format!("failed to open `{}`", path.display()))
}

/// A recording that can be read more than once.
pub struct Rereadable<'a> {
    path: &'a Path,
    /// What came through a pipe; `None`: a file, which is opened again.
    piped: Option<Vec<u8>>,
}

impl<'a> Rereadable<'a> {
    /// Reads what can be read once only.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn open(path: &'a Path) -> Result<Self> {
        let context = || format!("failed to open `{}`", path.display());
        let piped = if fs::metadata(path).with_context(context)?.is_file() {
            None
        } else {
            Some(fs::read(path).with_context(context)?)
        };
        Ok(Self { path, piped })
    }

    /// The recording from its beginning.
    ///
    /// # Errors
    ///
    /// When it is none, or one of a newer version.
    pub fn reader(&self) -> Result<Reader<Box<dyn BufRead + '_>>> {
        let input: Box<dyn BufRead + '_> = match &self.piped {
            Some(bytes) => Box::new(bytes.as_slice()),
            None => Box::new(BufReader::new(file(self.path)?)),
        };
        Reader::open(input).with_context(|| format!("cannot read `{}`", self.path.display()))
    }
}

/// The newest totals in a recording; tells where they are not those of its end.
///
/// # Errors
///
/// When there are none.
pub fn last_snapshot(path: &Path) -> Result<Taken> {
    let mut reader = open(path)?;
    let taken = reader
        .last_snapshot()
        .with_context(|| format!("cannot read `{}`", path.display()))?;
    tell(path, &reader);
    Ok(taken)
}

/// Says on standard error which filters are on, where the output has no room for it.
pub fn tell_filters(snapshot: &Snapshot) {
    if let Some(told) = filters::inline(snapshot) {
        warn!("only {told}");
    }
}

/// Says how a recording ends, unless it is whole.
pub fn tell<R: BufRead>(path: &Path, reader: &Reader<R>) {
    match reader.ending() {
        Some(Ending::Whole) | None => (),
        Some(Ending::Cut) => warn!(
            "`{}` is cut off: what was recorded up to there is shown",
            path.display()
        ),
        Some(Ending::Damaged(what)) => warn!(
            "`{}` is damaged: what was recorded up to there is shown ({what})",
            path.display()
        ),
    }
}
