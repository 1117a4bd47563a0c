//! `tk_core`: one thread adjusts the clock all the time, others read every clock by the system
//! call: the vDSO reads a copy with a counter of its own.

use std::mem::{self, MaybeUninit};

use anyhow::Result;

use crate::thread::{self, HOME, Pace, check};

/// Clocks that are read under `tk_core`.
const CLOCKS: [libc::clockid_t; 7] = [
    libc::CLOCK_REALTIME,
    libc::CLOCK_MONOTONIC,
    libc::CLOCK_MONOTONIC_RAW,
    libc::CLOCK_REALTIME_COARSE,
    libc::CLOCK_MONOTONIC_COARSE,
    libc::CLOCK_BOOTTIME,
    libc::CLOCK_TAI,
];

/// Starts an adjuster and readers.
pub(crate) fn start() -> Result<()> {
    let mut faster = false;
    thread::repeat("clock-adjuster", HOME, Pace::Background, move || {
        faster = !faster;
        adjust(faster)
    })?;
    thread::read("clock-reader", 150, read_clocks)
}

/// Sets the frequency one part in a million off, or back: the time of day hardly moves.
fn adjust(faster: bool) -> Result<()> {
    // SAFETY: all bits zero are a valid `timex`, which is made of integers.
    let mut change: libc::timex = unsafe { mem::zeroed() };
    change.modes = libc::ADJ_FREQUENCY;
    change.freq = if faster { 1 << 16 } else { 0 };
    // SAFETY: the pointer leads to a whole `timex`.
    let result = unsafe { libc::clock_adjtime(libc::CLOCK_REALTIME, &raw mut change) };
    check(result.into(), "failed to adjust the clock").map(drop)
}

/// Reads every clock once.
pub(crate) fn read_clocks() -> Result<()> {
    for clock in CLOCKS {
        let mut time = MaybeUninit::<libc::timespec>::uninit();
        // SAFETY: the pointer leads to memory for one `timespec`, which is not read.
        let result = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time.as_mut_ptr()) };
        check(result, "failed to read a clock")?;
    }
    Ok(())
}
