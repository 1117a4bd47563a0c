//! Credits a completed event to its task, its stack and, if it is over the threshold, to the ring.

use aya_ebpf::{
    bindings::{BPF_ANY, BPF_NOEXIST},
    programs::tracing::StackIdContext,
};
use seqtrace_common::{
    counters::{StackKey, StackValue, TaskKey, TaskValue, side},
    event::{Event, kind},
    loss,
};

use crate::{
    maps::{EVENTS, STACK_COUNTS, STACKS, TASKS, add, lose, settings},
    task::Task,
};

/// Credits the event to the reader and, where stacks are on, to the reader's stack, and records it
/// if it lasted long enough. The counters of the site are the caller's business.
#[inline(never)]
pub(crate) fn complete(event: &Event) {
    let settings = settings();
    let reader = Task {
        tid: event.tid,
        tgid: event.tgid,
        comm: event.comm,
        cgroup: event.cgroup,
        command: event.command,
    };
    credit(event.slot, event.duration_ns, &reader, event.stack);
    if event.kind != kind::SAMPLE
        && settings.events != 0
        && event.duration_ns >= settings.threshold_ns
    {
        record(event);
    }
}

/// Credits an event at a site to the reader and, where stacks are on, to the reader's stack.
#[inline]
pub(crate) fn credit(slot: u32, duration_ns: u64, reader: &Task, stack: i32) {
    credit_task(slot, duration_ns, side::READER, reader);
    if settings().stacks != 0 {
        credit_stack(slot, duration_ns, reader, stack);
    }
}

/// Credits an event at a site to one of the tasks that took part in it.
#[inline]
pub(crate) fn credit_task(slot: u32, duration_ns: u64, side: u32, task: &Task) {
    let key = TaskKey {
        slot,
        side,
        tgid: task.tgid,
        command: task.command,
        cgroup: task.cgroup,
        comm: task.comm,
    };
    if add_task(&key, 1, duration_ns) {
        return;
    }
    let first = TaskValue {
        count: 1,
        total_ns: duration_ns,
        tid: u64::from(task.tid),
    };
    // Another CPU may have put the key there meanwhile; else the map is full.
    if TASKS.insert(key, first, u64::from(BPF_NOEXIST)).is_err() && !add_task(&key, 1, duration_ns)
    {
        lose(loss::TASKS_FULL);
    }
}

#[inline]
fn add_task(key: &TaskKey, count: u64, duration_ns: u64) -> bool {
    let Some(value) = TASKS.get_ptr_mut(key) else {
        return false;
    };
    // SAFETY: nothing is ever removed from the map, so the element stays this key's.
    unsafe {
        add(&raw mut (*value).count, count);
        add(&raw mut (*value).total_ns, duration_ns);
    }
    true
}

#[inline]
fn credit_stack(slot: u32, duration_ns: u64, reader: &Task, stack: i32) {
    let key = StackKey {
        slot,
        stack,
        comm: reader.comm,
    };
    if add_stack(&key, 1, duration_ns) {
        return;
    }
    let first = StackValue {
        count: 1,
        total_ns: duration_ns,
    };
    if STACK_COUNTS
        .insert(key, first, u64::from(BPF_NOEXIST))
        .is_err()
        && !add_stack(&key, 1, duration_ns)
    {
        lose(loss::STACK_COUNTS_FULL);
    }
}

#[inline]
fn add_stack(key: &StackKey, count: u64, duration_ns: u64) -> bool {
    let Some(value) = STACK_COUNTS.get_ptr_mut(key) else {
        return false;
    };
    // SAFETY: as in `add_task`.
    unsafe {
        add(&raw mut (*value).count, count);
        add(&raw mut (*value).total_ns, duration_ns);
    }
    true
}

/// Adds the time of a run to its reader and, where stacks are on, to the reader's stack: its retries
/// were credited one by one, without a time. Where there was no room for them, there is none now.
#[inline]
pub(crate) fn lengthen(event: &Event) {
    let (slot, comm) = (event.slot, event.comm);
    let task = TaskKey {
        slot,
        side: side::READER,
        tgid: event.tgid,
        command: event.command,
        cgroup: event.cgroup,
        comm,
    };
    if !add_task(&task, 0, event.duration_ns) {
        // It has changed its name or its cgroup on the way.
        let first = TaskValue {
            count: 0,
            total_ns: event.duration_ns,
            tid: u64::from(event.tid),
        };
        let _ = TASKS.insert(task, first, u64::from(BPF_NOEXIST));
    }
    if settings().stacks != 0 {
        let stack = event.stack;
        add_stack(&StackKey { slot, stack, comm }, 0, event.duration_ns);
    }
}

/// Writes an event to the ring.
#[inline]
pub(crate) fn record(event: &Event) {
    let Some(mut entry) = EVENTS.reserve::<Event>(0) else {
        lose(loss::RING_FULL);
        return;
    };
    entry.write(*event);
    entry.submit(0);
}

/// The id of the current kernel stack, or a negative errno. A stack is never replaced by another
/// with the same hash: ids stay good for the whole session.
#[inline]
pub(crate) fn stack(ctx: &impl StackIdContext) -> i32 {
    stack_from(ctx, 0)
}

/// As [`stack`], without the `depth` innermost frames.
#[inline]
pub(crate) fn stack_from(ctx: &impl StackIdContext, depth: u64) -> i32 {
    if settings().stacks == 0 {
        return NO_STACK;
    }
    match ctx.get_stackid(&STACKS, u64::from(BPF_ANY) | depth) {
        Ok(id) => id as i32,
        Err(errno) => {
            lose(loss::STACK_LOST);
            errno
        }
    }
}

/// `-ENODATA`: stacks were not asked for.
const NO_STACK: i32 = -61;
