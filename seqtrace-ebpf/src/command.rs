//! The processes of the command that is run: its own and all that they make, and theirs.
//!
//! A process id is in the map from before its process first runs. One that another process gets later is taken
//! out at that moment, so nobody is told by the id of a process that is gone.

use core::ptr::read_volatile;

use aya_ebpf::{
    bindings::{BPF_ANY, BPF_F_NO_PREALLOC},
    helpers::bpf_get_current_pid_tgid,
    macros::map,
    maps::{Array, HashMap},
    programs::RawTracePointContext,
};
use seqtrace_common::{loss, recent::RecentReader};

use crate::{
    maps::{add, lose, setting},
    task,
};

/// Ids of the processes of the command, those that are over included.
#[map]
static COMMANDS: HashMap<u32, u32> = HashMap::with_max_entries(1, BPF_F_NO_PREALLOC);

/// Id of the thread that starts the command just now; zero: none does.
#[map]
static SPAWNER: Array<u32> = Array::with_max_entries(1, 0);

/// How often `COMMANDS` has changed; added to atomically. A variable, as each reader of a command looks at it.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".bss.epoch")]
static mut EPOCH: u64 = 0;

/// 1 when the process of a reader is of the command. What was found out for the reader that came last holds as long as no
/// process comes or goes.
#[inline]
pub(crate) fn of(tgid: u32, recent: &mut RecentReader) -> u32 {
    let epoch = epoch();
    if recent.key.tgid == tgid && recent.epoch == epoch {
        return recent.key.command;
    }
    let command = u32::from(has(tgid));
    if recent.key.tgid == tgid && recent.key.command == command {
        recent.epoch = epoch;
    }
    command
}

/// How often processes of the command have come or gone.
#[inline]
pub(crate) fn epoch() -> u64 {
    // SAFETY: read in one piece. Volatile, as others write to it.
    unsafe { read_volatile(&raw const EPOCH) }
}

/// Whether a process is of the command.
#[inline]
pub(crate) fn has(tgid: u32) -> bool {
    // SAFETY: the value is not looked at.
    unsafe { COMMANDS.get(tgid) }.is_some()
}

/// At `sched_process_fork` (`include/trace/events/sched.h`), which comes before the new task runs
/// (`kernel/fork.c`, `kernel_clone`).
#[inline]
pub(crate) fn fork(ctx: &RawTracePointContext) {
    let ids = bpf_get_current_pid_tgid();
    let (thread, process) = (ids as u32, (ids >> 32) as u32);
    let is_spawner = SPAWNER.get(0).is_some_and(|spawner| *spawner == thread);
    let is_own = has(process) || (thread != 0 && is_spawner);
    let child = ctx.arg::<u64>(1) + u64::from(setting!(task_tgid));
    let Some(child) = task::read::<u32>(child) else {
        if is_own {
            lose(loss::COMMAND_LOST);
        }
        return;
    };
    // A thread of the same process is no news.
    if child == process {
        return;
    }
    if is_own {
        if COMMANDS.insert(child, 1, u64::from(BPF_ANY)).is_err() {
            lose(loss::COMMAND_LOST);
        }
    } else if has(child) {
        let _ = COMMANDS.remove(child);
    } else {
        return;
    }
    // Behind the change: who sees the new number looks it up anew.
    // SAFETY: a variable is an element of a map.
    unsafe { add(&raw mut EPOCH, 1) };
}
