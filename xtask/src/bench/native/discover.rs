//! Finding every site of a vmlinux.

use std::{path::PathBuf, process::Command};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::{
    super::{
        Wanted,
        row::{Bound, Limit, Measured, Peer, Row},
    },
    PLACE, Programs, timed,
};
use crate::{
    score::Debuginfo,
    tool,
    vm::{Cache, Kernel},
};

pub(super) const SCAN: &str = "discover/scan";
pub(super) const DWARF: &str = "discover/dwarf";

/// Runs of each stage.
const RUNS: usize = 7;

/// Runs of those that take minutes.
const LONG_RUNS: usize = 1;

/// Functions that every read section has inlined, by any kernel from 6.1 on: who wants each begin and each check has to
/// ask for all.
const PRIMITIVES: &[&str] = &[
    "read_seqbegin",
    "read_seqretry",
    "read_seqbegin_or_lock",
    "need_seqretry",
    "do_read_seqcount_retry",
    "do___read_seqcount_retry",
    "__seqprop_sequence",
    "__seqprop_raw_spinlock_sequence",
    "__seqprop_spinlock_sequence",
    "__seqprop_rwlock_sequence",
    "__seqprop_mutex_sequence",
    "raw_read_seqcount_latch",
    "raw_read_seqcount_latch_retry",
];

pub(super) fn scan(programs: &Programs, wanted: &Wanted) -> Result<Row> {
    let vmlinux = vmlinux(wanted)?;
    let mut row = row(SCAN, stage(programs, "scan", &vmlinux)?);
    "each site and instance of the kernel, by its text and its types".clone_into(&mut row.what);
    row.limit = Some(Limit {
        what: "decoding each instruction once".to_owned(),
        measured: stage(programs, "decode", &vmlinux)?,
    });
    row.peers = vec![perf(&vmlinux)?, gdb(&vmlinux)?];
    row.bound = Some(Bound::TimesPeers(0.05));
    Ok(row)
}

pub(super) fn dwarf(programs: &Programs, wanted: &Wanted) -> Result<Row> {
    let vmlinux = vmlinux(wanted)?;
    let mut row = row(DWARF, stage(programs, "dwarf", &vmlinux)?);
    "each inlined primitive of the kernel, by its debuginfo".clone_into(&mut row.what);
    row.limit = Some(Limit {
        what: "reading each byte of .debug_info once".to_owned(),
        measured: stage(programs, "bytes", &vmlinux)?,
    });
    row.bound = Some(Bound::AtMost(500.0));
    Ok(row)
}

fn row(name: &str, own: Measured) -> Row {
    Row {
        name: name.to_owned(),
        unit: "ms".to_owned(),
        what: String::new(),
        place: PLACE.to_owned(),
        limit: None,
        own,
        peers: Vec::new(),
        bound: None,
    }
}

fn vmlinux(wanted: &Wanted) -> Result<PathBuf> {
    let cache = Cache::open()?;
    let kernel = Kernel::named(&cache, wanted.kernel, false)?;
    Ok(Debuginfo::of(&cache, wanted.kernel, &kernel, false)?.vmlinux)
}

#[derive(Deserialize)]
struct Cost {
    time_ns: u64,
}

/// Milliseconds of a stage, measured inside the program: reading the file is no part of it.
fn stage(programs: &Programs, stage: &str, vmlinux: &PathBuf) -> Result<Measured> {
    (0..RUNS)
        .map(|_| {
            let text = tool::text(programs.example("cost").arg(stage).arg(vmlinux))?;
            let cost: Cost =
                serde_json::from_str(&text).with_context(|| format!("failed to read `{text}`"))?;
            Ok(cost.time_ns as f64 / 1e6)
        })
        .collect::<Result<Vec<f64>>>()
        .map(Measured::from_iter)
}

/// `perf probe`, once for each primitive: it tells where it would put the probes, and puts none.
fn perf(vmlinux: &PathBuf) -> Result<Peer> {
    let perf = tool::ensure_program("perf", "linux-perf")?;
    // Most kernels lack some of them.
    let line = |primitive| {
        format!("\"$0\" probe --quiet --vmlinux \"$1\" --definition {primitive} || true\n")
    };
    let script: String = PRIMITIVES.iter().map(line).collect();
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).arg(perf).arg(vmlinux);
    Ok(peer(
        "perf probe --definition, for each primitive",
        &mut shell,
    ))
}

/// `gdb`, which reads the debuginfo once and then finds the places of all.
fn gdb(vmlinux: &PathBuf) -> Result<Peer> {
    let mut gdb = Command::new(tool::ensure_program("gdb", "gdb")?);
    gdb.args(["-nx", "-batch"]);
    for primitive in PRIMITIVES {
        gdb.args(["-ex", &format!("break {primitive}")]);
    }
    gdb.args(["-ex", "info breakpoints"]).arg(vmlinux);
    Ok(peer("gdb, a breakpoint at each primitive", &mut gdb))
}

fn peer(name: &str, command: &mut Command) -> Peer {
    let runs: Result<Vec<f64>> = (0..LONG_RUNS)
        .map(|_| Ok(timed::run(command)?.wall_ms))
        .collect();
    Peer {
        name: name.to_owned(),
        result: runs
            .map(Measured::from_iter)
            .map_err(|error| format!("{error:#}")),
    }
}
