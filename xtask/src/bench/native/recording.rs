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
        row::{Limit, Row},
    },
    Programs, bounded, timed,
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
        limit: Some(unpacking(&recording)?),
        ..bounded(
            REPORT,
            "ms",
            "`seqtrace report` of a recording of a million events",
            own,
            2000.0,
        )
    })
}

pub(super) fn filtered(programs: &Programs, _: &Wanted) -> Result<Row> {
    let recording = recording(programs)?;
    let mut report = seqtrace(programs, "report", &recording);
    let own = timed::milliseconds(report.args(["--stack", "function_1"]))?;
    Ok(Row {
        limit: Some(unpacking(&recording)?),
        ..bounded(
            FILTERED,
            "ms",
            "`seqtrace report --stack` of it, which has to look at each event",
            own,
            2000.0,
        )
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
    let own = timed::milliseconds(
        seqtrace(programs, "flame", &recording)
            .arg("-o")
            .arg(&image),
    )?;
    let what = "`seqtrace flame -o out.svg` of a recording of a million events";
    Ok(Row {
        limit: Some(Limit {
            what: "inferno on the same folded stacks".to_owned(),
            measured: timed::stage(programs, "inferno", &stacks)?,
        }),
        ..bounded(FLAME, "ms", what, own, 3000.0)
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
    let own = timed::milliseconds(&mut export)?;
    let what = format!("`seqtrace export -o {file}` of a recording of a million events");
    Ok(bounded(name, "ms", &what, own, 3000.0))
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
    let what = "the most memory of `seqtrace flame` for that recording";
    Ok(bounded(MEMORY, "MiB", what, own, 200.0))
}

fn seqtrace(programs: &Programs, command: &str, recording: &Path) -> Command {
    let mut seqtrace = programs.seqtrace();
    seqtrace.arg(command).arg(recording);
    seqtrace
}

/// The recording, written once in a run of the task: its format may have changed since the last.
fn recording(programs: &Programs) -> Result<PathBuf> {
    let folder = cache::directory()?.join("bench");
    let path = folder.join("million.seqtrace");
    if !programs.has_recording.get() {
        fs::create_dir_all(&folder)
            .with_context(|| format!("failed to create `{}`", folder.display()))?;
        tool::run(programs.example("million").arg(&path))?;
        programs.has_recording.set(true);
    }
    Ok(path)
}
