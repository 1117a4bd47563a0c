//! The guest: what kernel it runs, its probes, and the workloads that provoke waits.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Facts of this guest that cases depend on.
#[derive(Debug)]
pub struct Guest {
    /// `uname -r`.
    pub release: String,
    /// Whether it is a PREEMPT_RT kernel.
    pub realtime: bool,
}

/// Whether this is a guest of the harness: it marks them on the kernel's command line.
pub fn is_guest() -> bool {
    fs::read_to_string("/proc/cmdline").is_ok_and(|line| line.contains("seqtrace.guest"))
}

impl Guest {
    /// Reads the facts.
    pub fn read() -> Self {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("/proc is mounted");
        let realtime = fs::read_to_string("/sys/kernel/realtime").is_ok_and(|t| t.trim() == "1");
        Self {
            release: release.trim().to_owned(),
            realtime,
        }
    }

    /// Series of the kernel: `6.12`.
    pub fn series(&self) -> String {
        self.release
            .split('.')
            .take(2)
            .collect::<Vec<_>>()
            .join(".")
    }
}

/// Number of kprobes in the kernel, whoever attached them.
pub fn probes() -> usize {
    fs::read_to_string("/sys/kernel/debug/kprobes/list")
        .expect("debugfs is mounted")
        .lines()
        .count()
}

/// Waits until `condition` holds, for at most `limit`.
///
/// Panics with `what` when it does not.
pub fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
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
pub struct Workload(Child);

impl Workload {
    /// Starts the workload `name`, alone on the given CPU where one is given.
    pub fn start(name: &str) -> Self {
        let program = ["/bin/workload", "/usr/bin/workload"]
            .into_iter()
            .find(|path| Path::new(path).exists())
            .expect("the guest has the workload program");
        let child = Command::new(program)
            .arg(name)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("the workload starts");
        Self(child)
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
