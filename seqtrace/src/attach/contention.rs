//! The contention backend: programs at the tracepoints of contended locks (`include/trace/events/lock.h`,
//! since 5.19), which find the reader by the return address of its lock call.
//!
//! Exact for the blocks whose lock was taken, needs no kprobes, and sees functions that those refuse. A
//! block that found its lock free passes unseen.

use anyhow::{Context as _, Result};
use aya::{
    Ebpf,
    programs::{RawTracePoint, raw_trace_point::RawTracePointLink},
};

/// The tracepoints, and the names of the programs in the object; in the order in which they are to be
/// stopped.
pub(super) const PROGRAMS: [&str; 2] = ["contention_begin", "contention_end"];

/// The programs at the tracepoints; dropping it takes them off, the one at the end of waits last.
#[derive(Debug)]
pub(super) struct Contention {
    _begin: RawTracePointLink,
    _end: RawTracePointLink,
}

impl Contention {
    /// Attaches both.
    pub(super) fn start(ebpf: &mut Ebpf) -> Result<Self> {
        let [begin, end] = PROGRAMS;
        let end = attach(ebpf, end)?;
        let begin = attach(ebpf, begin)?;
        Ok(Self {
            _begin: begin,
            _end: end,
        })
    }
}

fn attach(ebpf: &mut Ebpf, name: &str) -> Result<RawTracePointLink> {
    let program = ebpf
        .program_mut(name)
        .with_context(|| format!("failed to find the program `{name}`"))?;
    let program: &mut RawTracePoint = program.try_into()?;
    let link = program
        .attach(name)
        .with_context(|| format!("failed to attach to the tracepoint `lock:{name}`"))?;
    Ok(program.take_link(link)?)
}
