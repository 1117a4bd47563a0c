//! A recording of a million events: how long what reads it takes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::{
    super::{
        Wanted,
        row::{Bound, Limit, Measured, Row},
    },
    PLACE, Programs, timed,
};
use crate::{cache, tool};

pub(super) const REPORT: &str = "recording/report";
pub(super) const FILTERED: &str = "recording/filtered";
pub(super) const FLAME: &str = "recording/flame";
pub(super) const PPROF: &str = "recording/pprof";
pub(super) const PERFETTO: &str = "recording/perfetto";
pub(super) const MEMORY: &str = "recording/memory";

pub(super) fn report(programs: &Programs, _: &Wanted) -> Result<Row> {
    let recording = recording(programs)?;
    let own = timed::milliseconds(&mut seqtrace(programs, "report", &recording))?;
    Ok(Row {
        what: "`seqtrace report` of a recording of a million events".to_owned(),
        limit: Some(unpacking(&recording)?),
        ..row(REPORT, own, 2000.0)
    })
}

pub(super) fn filtered(programs: &Programs, _: &Wanted) -> Result<Row> {
    let recording = recording(programs)?;
    let mut report = seqtrace(programs, "report", &recording);
    let own = timed::milliseconds(report.args(["--stack", "function_1"]))?;
    Ok(Row {
        what: "`seqtrace report --stack` of it, which has to look at each event".to_owned(),
        limit: Some(unpacking(&recording)?),
        ..row(FILTERED, own, 2000.0)
    })
}

fn unpacking(recording: &Path) -> Result<Limit> {
    let mut zstd = Command::new(tool::ensure_program("zstd", "zstd")?);
    zstd.args(["--test", "--quiet", "--no-check"])
        .arg(recording);
    Ok(Limit {
        what: "zstd --test, which only unpacks it".to_owned(),
        measured: timed::milliseconds(&mut zstd)?,
    })
}

pub(super) fn flame(programs: &Programs, _: &Wanted) -> Result<Row> {
    let recording = recording(programs)?;
    let folder = tempfile::tempdir().context("failed to create a folder")?;
    let (image, stacks) = (
        folder.path().join("out.svg"),
        folder.path().join("out.folded"),
    );
    timed::run(
        seqtrace(programs, "flame", &recording)
            .arg("-o")
            .arg(&stacks),
    )?;
    let mut inferno = programs.example("cost");
    inferno.arg("inferno").arg(&stacks);
    Ok(Row {
        what: "`seqtrace flame -o out.svg` of a recording of a million events".to_owned(),
        limit: Some(Limit {
            what: "inferno on the same folded stacks".to_owned(),
            measured: timed::milliseconds(&mut inferno)?,
        }),
        ..row(
            FLAME,
            timed::milliseconds(
                seqtrace(programs, "flame", &recording)
                    .arg("-o")
                    .arg(&image),
            )?,
            3000.0,
        )
    })
}

pub(super) fn pprof(programs: &Programs, _: &Wanted) -> Result<Row> {
    export(programs, PPROF, "out.pb.gz")
}

pub(super) fn perfetto(programs: &Programs, _: &Wanted) -> Result<Row> {
    export(programs, PERFETTO, "out.pftrace")
}

fn export(programs: &Programs, name: &str, file: &str) -> Result<Row> {
    let recording = recording(programs)?;
    let folder = tempfile::tempdir().context("failed to create a folder")?;
    let mut export = seqtrace(programs, "export", &recording);
    export.arg("-o").arg(folder.path().join(file));
    Ok(Row {
        what: format!("`seqtrace export -o {file}` of a recording of a million events"),
        ..row(name, timed::milliseconds(&mut export)?, 3000.0)
    })
}

pub(super) fn memory(programs: &Programs, _: &Wanted) -> Result<Row> {
    let recording = recording(programs)?;
    let folder = tempfile::tempdir().context("failed to create a folder")?;
    let image = folder.path().join("out.svg");
    let own = timed::mebibytes(
        seqtrace(programs, "flame", &recording)
            .arg("-o")
            .arg(&image),
    )?;
    Ok(Row {
        unit: "MiB".to_owned(),
        what: "the most memory of `seqtrace flame` for that recording".to_owned(),
        ..row(MEMORY, own, 200.0)
    })
}

fn seqtrace(programs: &Programs, command: &str, recording: &Path) -> Command {
    let mut seqtrace = programs.seqtrace();
    seqtrace.arg(command).arg(recording);
    seqtrace
}

fn row(name: &str, own: Measured, most: f64) -> Row {
    Row {
        name: name.to_owned(),
        unit: "ms".to_owned(),
        what: String::new(),
        place: PLACE.to_owned(),
        limit: None,
        own,
        peers: Vec::new(),
        bound: Some(Bound::AtMost(most)),
    }
}

/// The recording, written again each time: its format may have changed.
fn recording(programs: &Programs) -> Result<PathBuf> {
    let folder = cache::directory()?.join("bench");
    fs::create_dir_all(&folder)
        .with_context(|| format!("failed to create `{}`", folder.display()))?;
    let path = folder.join("million.seqtrace");
    tool::run(programs.example("million").arg(&path))?;
    Ok(path)
}
