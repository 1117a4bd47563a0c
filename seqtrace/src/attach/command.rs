//! The processes of a command that is run: a program at the tracepoint of new processes
//! (`include/trace/events/sched.h`, `sched_process_fork`) follows them from the first on.

use anyhow::{Context as _, Result};
use aya::{
    Ebpf,
    maps::{Array, HashMap, MapData},
    programs::{RawTracePoint, raw_trace_point::RawTracePointLink},
};
use nix::unistd::gettid;

/// Name of the program in the object.
pub(super) const PROGRAM: &str = "process_fork";

/// The tracepoint.
const TRACEPOINT: &str = "sched_process_fork";

/// The program at the tracepoint; dropping it takes it off.
#[derive(Debug)]
pub(super) struct Follower {
    _link: RawTracePointLink,
}

impl Follower {
    /// Attaches the program.
    pub(super) fn start(ebpf: &mut Ebpf) -> Result<Self> {
        let program = ebpf
            .program_mut(PROGRAM)
            .with_context(|| format!("failed to find the program `{PROGRAM}`"))?;
        let program: &mut RawTracePoint = program.try_into()?;
        let link = program
            .attach(TRACEPOINT)
            .with_context(|| format!("failed to attach to the tracepoint `sched:{TRACEPOINT}`"))?;
        Ok(Self {
            _link: program.take_link(link)?,
        })
    }
}

/// Tells the kernel side where a command begins.
pub struct CommandTree {
    spawner: Array<MapData, u32>,
    processes: HashMap<MapData, u32, u32>,
}

impl CommandTree {
    pub(super) fn take(ebpf: &mut Ebpf) -> Result<Self> {
        let mut map = |name: &str| {
            ebpf.take_map(name)
                .with_context(|| format!("failed to find the map `{name}`"))
        };
        Ok(Self {
            spawner: map("SPAWNER")?.try_into()?,
            processes: map("COMMANDS")?.try_into()?,
        })
    }

    /// Has every process that `start` makes in this thread followed, from before it first runs, and all that
    /// these make.
    ///
    /// # Errors
    ///
    /// That of `start`, or when the kernel side cannot be told.
    pub fn adopt<T>(&mut self, start: impl FnOnce() -> Result<T>) -> Result<T> {
        self.tell(gettid().as_raw().cast_unsigned())?;
        let started = start();
        self.tell(0)?;
        started
    }

    /// Whether any process is followed: none is where this process sees other ids than the kernel side, as in
    /// a container.
    pub fn is_followed(&self) -> bool {
        self.processes.keys().next().is_some()
    }

    fn tell(&mut self, tid: u32) -> Result<()> {
        self.spawner
            .set(0, tid, 0)
            .context("failed to tell who starts the command")
    }
}
