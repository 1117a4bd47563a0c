//! What the harness on the host and the init in the guest say to each other: a job in the
//! initramfs, a verdict on the control port. Both ends are built from the same sources, so
//! nothing here is versioned.

use serde::{Deserialize, Serialize};

/// Where the initramfs holds the [`Job`] as JSON.
pub const JOB_PATH: &str = "/job.json";

/// 9p tag of the shared folder, and where the guest mounts it.
pub const SHARE_TAG: &str = "share";
/// 9p tag of the writable `out` folder inside the shared one.
pub const OUT_TAG: &str = "out";

/// Names of the virtio ports, in the order in which QEMU gets them.
pub mod port {
    /// Standard output of the command; in a terminal session everything the terminal shows.
    pub const STDOUT: &str = "stdout";
    /// Standard error of the command.
    pub const STDERR: &str = "stderr";
    /// What is typed, in a terminal session.
    pub const STDIN: &str = "stdin";
    /// The verdict as one line of JSON; the host answers with one line when it has everything.
    pub const CONTROL: &str = "control";

    /// All of them.
    pub const ALL: [&str; 4] = [STDOUT, STDERR, STDIN, CONTROL];
}

/// The workloads. A guest knows them all; `storm` is for machines whose processors run at one time,
/// `clone-exit` for those with two NUMA nodes.
pub const WORKLOADS: [&str; 8] = [
    "clock",
    "clone-exit",
    "cputime",
    "idle",
    "mount",
    "read",
    "rename",
    "storm",
];

/// What the guest is to do.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Job {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Kernel modules to load, as files of the initramfs, dependencies first.
    pub modules: Vec<String>,
    /// [`WORKLOADS`] that run beside the command.
    pub workloads: Vec<String>,
    /// A folder is shared under [`SHARE_TAG`] and [`OUT_TAG`].
    pub share: bool,
    /// The command gets a terminal of this size.
    pub terminal: Option<TerminalSize>,
}

/// Size of a terminal in characters.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TerminalSize {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

/// What `bench-guest measure` is to do, in a guest that counts its instructions.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Measurements {
    /// Pieces of work by name, each with how often it is done at once.
    pub works: Vec<(String, u32)>,
    /// Where the result goes: instructions of one round by work, several times.
    pub file: String,
}

/// How the command ended.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Outcome {
    /// It returned this status.
    Exited(u8),
    /// A signal of this number ended it.
    Signaled(u8),
    /// It could not be run, for this reason.
    NotRun(String),
}

/// What the guest reports before it powers off.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Verdict {
    /// How the command ended.
    pub outcome: Outcome,
    /// Bytes sent on [`port::STDOUT`], so that the host knows when it has them all.
    pub stdout_bytes: u64,
    /// Bytes sent on [`port::STDERR`].
    pub stderr_bytes: u64,
    /// What else went wrong, for people.
    pub notes: Vec<String>,
}
