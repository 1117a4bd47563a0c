//! The budget under a storm of readers whose checks are probed.

use std::{
    io::{BufRead as _, BufReader},
    mem::MaybeUninit,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use crate::{guest::Guest, retries::TIMEKEEPER, seqtrace, shutdown::signal};

/// What the probes may cost, percent: the other checks of the timekeeper cost half a percent of an emulated
/// machine.
const BUDGET: f64 = 2.0;
/// How long the storm lasts.
const LASTS: Duration = Duration::from_secs(9);
/// From when on the budget must be kept. A cost that is told is that of the second before.
const SETTLED: Duration = Duration::from_secs(2);

/// Reads the monotonic clock by the system call, on one thread, as often as it can.
struct Storm {
    thread: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicU64>,
    began: Instant,
}

impl Storm {
    fn start() -> Self {
        let (stop, calls) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (own_stop, own_calls) = (Arc::clone(&stop), Arc::clone(&calls));
        let thread = thread::spawn(move || {
            while !own_stop.load(Relaxed) {
                let mut time = MaybeUninit::<libc::timespec>::uninit();
                // SAFETY: the pointer leads to memory for one `timespec`, which is not read.
                let result = unsafe {
                    libc::syscall(
                        libc::SYS_clock_gettime,
                        libc::CLOCK_MONOTONIC,
                        time.as_mut_ptr(),
                    )
                };
                assert_eq!(result, 0, "the clock can be read");
                own_calls.fetch_add(1, Relaxed);
            }
        });
        Self {
            thread: Some(thread),
            stop,
            calls,
            began: Instant::now(),
        }
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// What a traced storm told.
struct Told {
    /// Seconds since the storm began, and the cost of the second before, percent.
    costs: Vec<(Duration, f64)>,
    calls: u64,
    text: String,
}

/// A storm that takes much of the machine is off soon, stays off, and is told.
pub(crate) fn a_storm_is_turned_down_to_the_budget(_: &Guest) -> String {
    let Told { costs, calls, text } = watch(&BUDGET.to_string());
    let after = || costs.iter().filter(|(after, _)| *after > SETTLED);
    assert!(after().count() >= 4, "{costs:?}\n{text}");
    // Time in which the host of an emulated processor does something else counts as ours, now and then.
    let above = after().filter(|(_, cost)| *cost >= BUDGET).count();
    let mean = after().map(|(_, cost)| *cost).sum::<f64>() / after().count() as f64;
    assert!(
        mean < BUDGET && above * 5 <= after().count(),
        "{costs:?}\n{text}"
    );
    let highest = costs.iter().map(|(_, cost)| *cost).fold(0.0, f64::max);
    assert!(highest > BUDGET, "no storm: {costs:?}\n{text}");
    assert!(
        text.contains("check ktime_get_ts64+") && text.contains(" taken off: it cost "),
        "{text}"
    );
    assert!(text.contains(" turned down + "), "{text}");
    assert!(!text.contains("do not add up"), "{text}");
    let seconds = costs
        .iter()
        .map(|(after, cost)| format!("{:.1} s {cost} %", after.as_secs_f64()));
    format!(
        "{BUDGET} % allowed: {}; {calls} reads\n{}",
        seconds.collect::<Vec<_>>().join(", "),
        closing(&text)
    )
}

/// The lines about the budget that the closing table has.
fn closing(text: &str) -> String {
    let lines = text
        .lines()
        .skip_while(|line| !line.starts_with("budget   probes"));
    let lines = lines.take_while(|line| line.starts_with("budget ") || line.starts_with("  "));
    lines.collect::<Vec<_>>().join("\n")
}

/// The cost of the last second, percent, in a line of the live table.
fn cost(line: &str) -> Option<f64> {
    let line = line.strip_prefix("budget   ")?.strip_suffix(" allowed")?;
    line.split_once("% of ")?.0.parse().ok()
}

/// Starts a storm at the first table, and ends the tracing and the storm when that has lasted long enough.
fn watch(budget: &str) -> Told {
    let words = ["top", "-q", "--no-modules", "--retries", TIMEKEEPER];
    let words = [&words[..], &["--budget", budget]].concat();
    let mut child = seqtrace::start(&mut seqtrace::command(&words));
    let output = child.stdout.take().expect("stdout is caught");
    let mut storm: Option<Storm> = None;
    let (mut costs, mut text) = (Vec::new(), String::new());
    for line in BufReader::new(output).lines() {
        let line = line.expect("stdout is text");
        if let Some(cost) = cost(&line) {
            let after = storm.get_or_insert_with(Storm::start).began.elapsed();
            costs.push((after, cost));
            if after > LASTS {
                signal(&child, Signal::SIGINT);
            }
        }
        text += &line;
        text.push('\n');
    }
    let run = seqtrace::finish(child);
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr);
    let calls = storm.map_or(0, |storm| storm.calls.load(Relaxed));
    Told { costs, calls, text }
}
