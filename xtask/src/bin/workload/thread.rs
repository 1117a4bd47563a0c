//! Threads with a name, a processor and a priority, that repeat one round for ever. The name is
//! what the kernel's `comm` shows: it stands in the tool's output as reader or owner.

use std::{
    convert::Infallible,
    io,
    thread::{Builder, available_parallelism, sleep},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use nix::{
    errno::Errno,
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};

/// How a thread competes for its processor.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Runs without a pause at a low priority: everything else goes first, above all the command.
    Background,
    /// Runs without a pause at the ordinary priority.
    Steady,
    /// Wakes up after each period, in microseconds, and preempts what runs.
    Interrupting(u64),
}

/// The niceness of [`Pace::Background`].
const NICENESS: libc::c_int = 10;
/// The SCHED_FIFO priority of [`Pace::Interrupting`], below that of the kernel's interrupt threads.
const FIFO_PRIORITY: libc::c_int = 10;

/// The processor of the writers and of most readers. The others are left to the command: under
/// single-threaded emulation it then runs at half its speed, however many workloads there are.
pub(crate) const HOME: usize = 0;

/// How often a reader on another processor looks at most, in microseconds: without PREEMPT_RT only such a
/// reader can meet a writer inside its section.
const VISIT_US: u64 = 5_000;

/// A reader sleeps for at least this many times what its last round took, so that the readers of
/// several workloads leave something to the writers.
const REST: u32 = 8;

/// Starts a reader at [`HOME`] with this period, and one that looks in from each other processor.
pub(crate) fn read(
    name: &str,
    period_us: u64,
    round: impl FnMut() -> Result<()> + Clone + Send + 'static,
) -> Result<()> {
    for processor in others()? {
        repeat(
            name,
            processor,
            Pace::Interrupting(period_us.max(VISIT_US)),
            round.clone(),
        )?;
    }
    repeat(name, HOME, Pace::Interrupting(period_us), round)
}

/// The processors but for [`HOME`].
pub(crate) fn others() -> Result<impl Iterator<Item = usize>> {
    let count = available_parallelism().context("failed to count the processors")?;
    Ok((0..count.get()).filter(|processor| *processor != HOME))
}

/// Starts a thread that repeats `round` on `processor`.
///
/// A round that fails ends the whole workload: a load that does not do its work must be seen.
pub(crate) fn repeat(
    name: &str,
    processor: usize,
    pace: Pace,
    mut round: impl FnMut() -> Result<()> + Send + 'static,
) -> Result<()> {
    let mut body = move || -> Result<Infallible> {
        pin(processor)?;
        match pace {
            Pace::Background => {
                // SAFETY: setpriority touches no memory; 0 means the calling thread.
                Errno::result(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) })
                    .context("failed to lower the priority")?;
                loop {
                    round()?;
                }
            }
            Pace::Steady => loop {
                round()?;
            },
            Pace::Interrupting(period_us) => {
                set_fifo()?;
                let period = Duration::from_micros(period_us);
                loop {
                    let start = Instant::now();
                    round()?;
                    sleep(period.max(start.elapsed() * REST));
                }
            }
        }
    };
    let comm = name.to_owned();
    Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let Err(error) = body();
            fail(&comm, &error);
        })
        .map(drop)
        .with_context(|| format!("failed to start the thread `{name}`"))
}

/// Turns the result of a libc function with a number for success into one of ours.
pub(crate) fn check(result: libc::c_long, what: &'static str) -> Result<libc::c_long> {
    if result < 0 {
        Err(io::Error::last_os_error()).context(what)
    } else {
        Ok(result)
    }
}

fn pin(processor: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(processor)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set))
        .with_context(|| format!("failed to stay on processor {processor}"))
}

fn set_fifo() -> Result<()> {
    let parameter = libc::sched_param {
        sched_priority: FIFO_PRIORITY,
    };
    // SAFETY: the pointer leads to a whole `sched_param`; 0 means the calling thread.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameter) };
    Errno::result(result)
        .map(drop)
        .context("failed to set SCHED_FIFO")
}

#[expect(
    clippy::print_stderr,
    reason = "the console is the only place to complain"
)]
fn fail(name: &str, error: &anyhow::Error) -> ! {
    eprintln!("workload: `{name}`: {error:#}");
    std::process::exit(1);
}
