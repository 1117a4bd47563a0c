//! The guest: what kernel it runs, its probes, and the workloads that provoke waits.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Facts of this guest that cases depend on.
#[derive(Debug)]
pub(crate) struct Guest {
    /// `uname -r`.
    pub(crate) release: String,
    /// Whether it is a PREEMPT_RT kernel.
    pub(crate) realtime: bool,
    /// Whether forced episodes are to be a million in each case.
    long: bool,
}

/// Whether this is a guest of the harness: it marks them on the kernel's command line.
pub(crate) fn is_guest() -> bool {
    fs::read_to_string("/proc/cmdline").is_ok_and(|line| line.contains("seqtrace.guest"))
}

impl Guest {
    /// Reads the facts.
    pub(crate) fn read(long: bool) -> Self {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("/proc is mounted");
        // `/sys/kernel/realtime` is a file of the RT patches, which not all kernels with PREEMPT_RT have.
        let version = fs::read_to_string("/proc/sys/kernel/version").expect("/proc is mounted");
        let realtime = version.contains("PREEMPT_RT");
        Self {
            release: release.trim().to_owned(),
            realtime,
            long,
        }
    }

    /// How many episodes: the first number, or the second in a long run.
    pub(crate) fn episodes(&self, usual: u64, long: u64) -> u64 {
        if self.long { long } else { usual }
    }

    /// Makes the kernel's grace periods short, or as users have them. Taking a probe off waits for one, which is
    /// most of what the cases would wait for: on 6.12-rt 208 probes come off in 3 s, and else in 8.
    /// PREEMPT_RT makes them short only if told twice (`kernel/rcu/update.c`).
    pub(crate) fn expedite(&self, short: bool) {
        let normal = self.realtime && !short;
        for (file, value) in [("rcu_normal", normal), ("rcu_expedited", short)] {
            let file = Path::new("/sys/kernel").join(file);
            fs::write(file, u8::from(value).to_string()).expect("the kernel has it");
        }
    }

    /// Series of the kernel: `6.12`.
    pub(crate) fn series(&self) -> String {
        self.release
            .split('.')
            .take(2)
            .collect::<Vec<_>>()
            .join(".")
    }
}

/// Tells a number about this kernel that `docs/kernels.md` has, with its unit.
pub(crate) fn figure(name: &str, value: impl std::fmt::Display) {
    println!("live: figure {name} {value}");
}

/// Takes tracefs away, for good.
pub(crate) fn unmount_tracefs() {
    // debugfs brings its own along.
    for folder in [
        "/sys/kernel/debug/tracing",
        "/sys/kernel/tracing",
        "/sys/kernel/debug",
    ] {
        let _ = Command::new("umount")
            .arg(folder)
            .stderr(Stdio::null())
            .status();
    }
    assert!(
        !Path::new("/sys/kernel/tracing/events").exists(),
        "it is still mounted"
    );
}

/// Number of kprobes in the kernel, whoever attached them.
pub(crate) fn probes() -> usize {
    fs::read_to_string("/sys/kernel/debug/kprobes/list")
        .expect("debugfs is mounted")
        .lines()
        .count()
}

/// Waits until `condition` holds, for at most `limit`.
///
/// Panics with `what` when it does not.
pub(crate) fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < limit,
            "waited {limit:?} in vain for: {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A workload that runs until it is dropped.
pub(crate) struct Workload(Child);

impl Workload {
    /// Starts the workload `name` and waits until it is under way.
    pub(crate) fn start(name: &str) -> Self {
        let mut child = Command::new("workload")
            .arg(name)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the guest has the workload program");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout is caught"))
            .read_line(&mut line)
            .expect("it says when it is under way");
        assert_eq!(line, "under way\n");
        Self(child)
    }

    /// Processor time that it has used, in ticks of 10 ms.
    pub(crate) fn cpu_ticks(&self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).expect("it runs");
        // Fields 14 and 15 (proc(5)); the name before may hold anything but ends with `)`.
        let fields: Vec<&str> = text
            .rsplit(')')
            .next()
            .expect("a line")
            .split(' ')
            .collect();
        let ticks = |field: usize| fields[field].parse::<u64>().expect("a number");
        ticks(12) + ticks(13)
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
