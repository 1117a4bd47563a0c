//! Credits a completed event to its task, its stack and, if it is over the threshold, to the ring.

use aya_ebpf::{
    bindings::{BPF_ANY, BPF_NOEXIST},
    programs::tracing::StackIdContext,
};
use seqtrace_common::{
    counters::{SiteCounters, StackKey, StackValue, TaskKey, TaskValue, side},
    event::{Event, kind},
    loss,
    recent::RecentReader,
};

use crate::{
    maps::{EVENTS, STACK_COUNTS, STACKS, TASKS, add, barrier, lose, lose_many, setting},
    task::{self, Task, words},
};

/// Credits the event to the reader and, where stacks are on, to the reader's stack, and records it
/// if it lasted long enough. The other counters of the site are the caller's business.
#[inline(never)]
pub(crate) fn complete(counters: &mut SiteCounters, event: &Event) {
    let reader = Task {
        tid: event.tid,
        tgid: event.tgid,
        comm: event.comm,
        cgroup: event.cgroup,
        command: event.command,
    };
    credit_reader(counters, event.slot, event.duration_ns, &reader);
    credit_stack(event.slot, event.duration_ns, &reader.comm, event.stack);
    if event.kind != kind::SAMPLE
        && setting!(events) != 0
        && event.duration_ns >= setting!(threshold_ns)
    {
        record(event);
    }
}

/// Credits an event at a site to the task under the probe, which is then the reader that came last.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a call takes as much as the comparison"
)]
pub(crate) fn credit_current(counters: &mut SiteCounters, slot: u32, duration_ns: u64) {
    let recent = &mut counters.recent;
    if task::is_again(recent) {
        recent.value.count += 1;
        recent.value.total_ns += duration_ns;
    } else {
        credit_other(counters, slot, duration_ns);
    }
}

#[inline(never)]
fn credit_other(counters: &mut SiteCounters, slot: u32, duration_ns: u64) {
    let reader = task::placed(&mut counters.recent);
    credit_reader(counters, slot, duration_ns, &reader);
}

/// Credits an event at a site to the reader.
#[inline]
pub(crate) fn credit_reader(
    counters: &mut SiteCounters,
    slot: u32,
    duration_ns: u64,
    reader: &Task,
) {
    let recent = &mut counters.recent;
    if !is_by(recent, reader) {
        recent.moves += 1;
        barrier();
        if recent.is_due() {
            settle(recent);
        }
        recent.key = TaskKey {
            slot,
            side: side::READER,
            tgid: reader.tgid,
            command: reader.command,
            cgroup: reader.cgroup,
            comm: reader.comm,
        };
        recent.value.tid = reader.tid.into();
        recent.epoch = u64::MAX;
        barrier();
        recent.moves += 1;
    }
    recent.value.count += 1;
    recent.value.total_ns += duration_ns;
}

/// Whether a reader is the one that came last.
#[inline]
fn is_by(recent: &RecentReader, reader: &Task) -> bool {
    let (own, comm) = (words(&recent.key.comm), words(&reader.comm));
    recent.key.tgid == reader.tgid
        && own[0] == comm[0]
        && own[1] == comm[1]
        && recent.key.cgroup == reader.cgroup
        && recent.key.command == reader.command
}

/// Credits the reader that came last with all that it did: another one has come.
#[inline(never)]
fn settle(recent: &mut RecentReader) {
    credit_task(&recent.key, &recent.value);
    recent.value.count = 0;
    recent.value.total_ns = 0;
}

/// Credits events at a site to one of the tasks that took part in them.
#[inline]
pub(crate) fn credit_task(key: &TaskKey, value: &TaskValue) {
    let (count, total_ns) = (value.count, value.total_ns);
    // Another CPU may have put the key there meanwhile; else the map is full.
    if !add_task(key, count, total_ns)
        && TASKS.insert(key, value, u64::from(BPF_NOEXIST)).is_err()
        && !add_task(key, count, total_ns)
    {
        lose_many(loss::TASKS_FULL, count);
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

/// Credits an event at a site to the reader's stack, where stacks are on.
#[inline]
pub(crate) fn credit_stack(slot: u32, duration_ns: u64, comm: &[u8; 16], stack: i32) {
    if setting!(stacks) == 0 {
        return;
    }
    let key = StackKey {
        slot,
        stack,
        comm: task::bytes(words(comm)),
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
pub(crate) fn lengthen(counters: &mut SiteCounters, event: &Event) {
    let (slot, comm) = (event.slot, event.comm);
    let reader = Task {
        tid: event.tid,
        tgid: event.tgid,
        comm,
        cgroup: event.cgroup,
        command: event.command,
    };
    if is_by(&counters.recent, &reader) {
        counters.recent.value.total_ns += event.duration_ns;
        return lengthen_stack(event);
    }
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
    lengthen_stack(event);
}

#[inline]
fn lengthen_stack(event: &Event) {
    if setting!(stacks) != 0 {
        let (slot, stack, comm) = (event.slot, event.stack, event.comm);
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
    if setting!(stacks) == 0 {
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
