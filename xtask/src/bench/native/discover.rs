//! Finding every site of a vmlinux.

use std::{path::PathBuf, process::Command};

use anyhow::Result;

use super::{
    super::{
        Wanted,
        row::{Bound, Limit, Measured, Peer, Row},
    },
    Programs, bounded, row, timed,
};
use crate::{
    score::Debuginfo,
    tool,
    vm::{Cache, Kernel},
};

pub(super) const SCAN: &str = "discover/scan";
pub(super) const DWARF: &str = "discover/dwarf";

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
    let what = "each site and instance of the kernel, by its text and its types";
    let mut row = row(SCAN, "ms", what, timed::stage(programs, "scan", &vmlinux)?);
    row.limit = Some(Limit {
        what: "decoding each instruction once".to_owned(),
        measured: timed::stage(programs, "decode", &vmlinux)?,
    });
    row.peers = vec![perf(&vmlinux)?, gdb(&vmlinux)?];
    // perf is what people place probes with; gdb, which reads the debuginfo once for all, shows how fast that can be.
    row.bound = Some(Bound::TimesFirstPeer(0.05));
    Ok(row)
}

pub(super) fn dwarf(programs: &Programs, wanted: &Wanted) -> Result<Row> {
    let vmlinux = vmlinux(wanted)?;
    let what = "each inlined primitive of the kernel, by its debuginfo";
    let own = timed::stage(programs, "dwarf", &vmlinux)?;
    let mut row = bounded(DWARF, "ms", what, own, 500.0);
    row.limit = Some(Limit {
        what: "reading each byte of .debug_info once".to_owned(),
        measured: timed::stage(programs, "bytes", &vmlinux)?,
    });
    Ok(row)
}

fn vmlinux(wanted: &Wanted) -> Result<PathBuf> {
    let cache = Cache::open()?;
    let kernel = Kernel::named(&cache, wanted.kernel, false)?;
    Ok(Debuginfo::of(&cache, wanted.kernel, &kernel, false)?.vmlinux)
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
