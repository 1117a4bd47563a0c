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

use crate::{guest::Guest, retries::TIMEKEEPER, seqtrace};

/// What the probes may cost, percent.
const BUDGET: f64 = 1.0;
/// From this second of counting on the budget must be kept.
const SETTLED: usize = 2;

/// Reads the monotonic clock by the system call, on one thread, as often as it can.
struct Storm {
    thread: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicU64>,
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
        }
    }

    /// Calls in a second, measured for so long.
    fn rate(&self, time: Duration) -> f64 {
        let (before, since) = (self.calls.load(Relaxed), Instant::now());
        thread::sleep(time);
        (self.calls.load(Relaxed) - before) as f64 / since.elapsed().as_secs_f64()
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// A line of output and when it came.
type Told = (Instant, String);

/// `seqtrace top` under the storm: the cost it tells each second, the change it tells at the end, and
/// what the storm itself could do meanwhile.
pub(crate) fn a_storm_is_turned_down_to_the_budget(_: &Guest) -> String {
    let storm = Storm::start();
    let alone = storm.rate(Duration::from_secs(4));
    let (unbound, _) = watch(&storm, "off");
    let (rates, lines) = watch(&storm, &BUDGET.to_string());
    let costs: Vec<f64> = lines.iter().filter_map(|(_, line)| cost(line)).collect();
    let (kept, limited) = (mean(&rates), mean(&unbound));
    let told = format!(
        "cost {costs:?} % of {BUDGET} % allowed; {alone:.0} reads/s alone, {limited:.0} without a budget, \
         {kept:.0} with it"
    );
    let text: Vec<&str> = lines.iter().map(|(_, line)| line.as_str()).collect();
    let text = text.join("\n");
    assert!(costs.len() > 8, "{told}\n{text}");
    assert!(
        costs[SETTLED..].iter().all(|cost| *cost < BUDGET),
        "{told}\n{text}"
    );
    assert!(
        text.contains("check ktime_get_ts64+") && text.contains(" taken off: it cost "),
        "{told}\n{text}"
    );
    assert!(text.contains(" turned down + "), "{told}\n{text}");
    assert!(!text.contains("do not add up"), "{told}\n{text}");
    assert!(kept > 0.5 * alone, "{told}");
    format!("{told}\n{text}")
}

fn mean(rates: &[f64]) -> f64 {
    rates.iter().sum::<f64>() / rates.len().max(1) as f64
}

/// The cost of the last second, percent, in a line of the live table.
fn cost(line: &str) -> Option<f64> {
    let line = line.strip_prefix("budget   ")?.strip_suffix(" allowed")?;
    line.split_once("% of ")?.0.parse().ok()
}

/// Traces for twelve seconds: what the storm did in each second from the third on, and all output.
fn watch(storm: &Storm, budget: &str) -> (Vec<f64>, Vec<Told>) {
    let words = ["-q", "--duration", "12s", "--no-modules", "--retries"];
    let words = [&["top"], &words[..], &[TIMEKEEPER, "--budget", budget]].concat();
    let mut child = seqtrace::start(&mut seqtrace::command(&words));
    let output = child.stdout.take().expect("stdout is caught");
    let reader = thread::spawn(move || -> Vec<Told> {
        let lines = BufReader::new(output).lines();
        lines
            .map(|line| (Instant::now(), line.expect("stdout is text")))
            .collect()
    });
    let mut rates = Vec::new();
    while child.try_wait().expect("it can be asked").is_none() {
        let rate = storm.rate(Duration::from_secs(1));
        rates.push((Instant::now(), rate));
    }
    seqtrace::finish(child).succeeded();
    let lines = reader.join().expect("the reader ends");
    let is_screen = |(_, line): &&Told| line.starts_with("losses ");
    let screens = || lines.iter().filter(is_screen);
    let first = screens().nth(SETTLED).expect("screens").0;
    let last = screens().nth_back(1).expect("screens").0;
    let settled = rates.iter().filter(|(at, _)| *at > first && *at < last);
    (settled.map(|(_, rate)| *rate).collect(), lines)
}
