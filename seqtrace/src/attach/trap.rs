//! What a trap costs on this machine: a real probe in a cheap system call that we make ourselves.
//!
//! To be measured when all probes fire and nothing is counted: the program returns at once then, and its
//! own time, by the kernel's clock, is taken off. The probe goes behind the place where ftrace would have it, so that
//! it is a breakpoint, like those on branches; a probe that became a jump costs a tenth of one.

use std::{
    os::fd::{AsFd as _, OwnedFd},
    time::Instant,
};

use anyhow::{Context as _, Result, bail, ensure};
use aya::Ebpf;

use super::{meter, probes::Probes, table::Probe};
use crate::kernel::program;

/// The system call, which does next to nothing.
const FUNCTION: &str = "__x64_sys_getppid";
/// Behind `endbr64` and the five bytes of ftrace, or the latter only. The kernel refuses what is not
/// the beginning of an instruction.
const OFFSETS: [u64; 2] = [9, 5];
/// The program that is run.
pub(super) const PROGRAM: &str = "retry";
/// No site's.
const SLOT: u32 = u32::MAX;
/// Calls of one round. All rounds take some milliseconds: the kernel makes a jump of a probe after five
/// jiffies (`OPTIMIZE_DELAY`, `kernel/kprobes.c`).
const CALLS: u32 = 300;
/// The quickest of so many rounds counts: nothing makes one quicker than it is.
const ROUNDS: u32 = 8;

/// Nanoseconds for each trap.
pub(super) fn measure(ebpf: &mut Ebpf, kprobes: &mut Probes) -> Result<u64> {
    let program = meter::file(ebpf, PROGRAM).context("the program is not loaded")?;
    let plain_ns = quickest(|| Ok(round_ns()))?;
    place(kprobes)?;
    let trapped_ns = kprobes
        .start(ebpf)
        .and_then(|()| quickest(|| outside_ns(&program)));
    kprobes.withdraw(PROGRAM, SLOT)?;
    Ok(((trapped_ns? - plain_ns) / f64::from(CALLS)).max(0.0) as u64)
}

fn place(kprobes: &mut Probes) -> Result<()> {
    for offset in OFFSETS {
        let probe = Probe {
            slot: SLOT,
            program: PROGRAM,
            names: vec![(FUNCTION.to_owned(), offset)],
        };
        if kprobes.place(&probe)?.is_ok() {
            return Ok(());
        }
    }
    bail!("the kernel takes no probe in `{FUNCTION}`");
}

fn quickest(mut round: impl FnMut() -> Result<f64>) -> Result<f64> {
    let mut least = f64::INFINITY;
    for _ in 0..ROUNDS {
        least = least.min(round()?);
    }
    Ok(least)
}

/// The time of a round, nanoseconds.
fn round_ns() -> f64 {
    let since = Instant::now();
    for _ in 0..CALLS {
        // SAFETY: takes nothing and gives a number.
        unsafe { libc::syscall(libc::SYS_getppid) };
    }
    since.elapsed().as_nanos() as f64
}

/// The time of a round without that in the program, which others may run meanwhile.
fn outside_ns(program: &OwnedFd) -> Result<f64> {
    let before = program::runs(program.as_fd())?;
    let round_ns = round_ns();
    let after = program::runs(program.as_fd())?;
    let runs = after.runs.saturating_sub(before.runs);
    ensure!(
        runs >= u64::from(CALLS),
        "{CALLS} calls of `{FUNCTION}` ran the program {runs} times"
    );
    let run_ns = after.run_ns.saturating_sub(before.run_ns);
    Ok(round_ns - run_ns as f64 / runs as f64 * f64::from(CALLS))
}
