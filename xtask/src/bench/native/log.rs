//! A gigabyte of a kernel log with one report in it.

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::PathBuf,
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

pub(super) const GIGABYTE: &str = "explain/gigabyte";
pub(super) const MEMORY: &str = "explain/memory";

/// Bytes of the log.
const BYTES: u64 = 1_000_000_000;

/// The report, among the fixtures of the tests.
const REPORT: &str = "seqtrace/tests/data/explain/circular-rename-lock-syzbot.txt";

pub(super) fn gigabyte(programs: &Programs, _: &Wanted) -> Result<Row> {
    let log = log()?;
    let own = timed::milliseconds(programs.seqtrace().arg("explain").arg(&log))?;
    let mut grep = Command::new("grep");
    grep.args(["-c", "lockdep"]).arg(&log);
    let what = "`seqtrace explain` of a log of 1 GB with one report in it";
    Ok(Row {
        limit: Some(Limit {
            what: "grep -c, which looks for one word".to_owned(),
            measured: timed::milliseconds(&mut grep)?,
        }),
        ..bounded(GIGABYTE, "ms", what, own, 4000.0)
    })
}

pub(super) fn memory(programs: &Programs, _: &Wanted) -> Result<Row> {
    let own = timed::mebibytes(programs.seqtrace().arg("explain").arg(log()?))?;
    let what = "the most memory of `seqtrace explain` for that log";
    Ok(bounded(MEMORY, "MiB", what, own, 50.0))
}

/// The log, in the cache: lines as a busy machine writes them, and the report in the middle.
fn log() -> Result<PathBuf> {
    let path = cache::directory()?.join("bench/gigabyte.log");
    if fs::metadata(&path).is_ok_and(|file| file.len() >= BYTES) {
        return Ok(path);
    }
    let report = tool::workspace().join(REPORT);
    let report = fs::read(&report).with_context(|| format!("failed to read `{REPORT}`"))?;
    let partial = path.with_extension("partial");
    write(&partial, &report)
        .and_then(|()| fs::rename(&partial, &path))
        .with_context(|| format!("failed to write `{}`", path.display()))?;
    Ok(path)
}

fn write(path: &PathBuf, report: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = BufWriter::new(File::create(path)?);
    let (mut written, mut line, mut is_told) = (0, 0_u64, false);
    while written < BYTES {
        if !is_told && written > BYTES / 2 {
            file.write_all(report)?;
            is_told = true;
        }
        let text = unrelated(line);
        file.write_all(text.as_bytes())?;
        written += text.len() as u64;
        line += 1;
    }
    file.into_inner()?.sync_all()
}

/// A line that has nothing to do with locks.
fn unrelated(line: u64) -> String {
    let (seconds, micros) = (line / 50, line * 7919 % 1_000_000);
    let stamp = format!("[{seconds:>8}.{micros:06}] ");
    match line % 5 {
        0 => format!(
            "{stamp}audit: type=1400 audit({seconds}.{micros}:{line}): apparmor=\"ALLOWED\" operation=\"open\" pid={line}\n"
        ),
        1 => format!("{stamp}eth0: renamed from veth{line:x}\n"),
        2 => format!("{stamp}docker0: port 3(veth{line:x}) entered blocking state\n"),
        3 => format!(
            "{stamp}usb 1-1.{}: new high-speed USB device number {} using xhci_hcd\n",
            line % 7,
            line % 127
        ),
        _ => format!(
            "{stamp}EXT4-fs (sda{}): mounted filesystem with ordered data mode. Quota mode: none.\n",
            line % 9
        ),
    }
}
