//! Samples of the CPU clock: where the kernel was when the timer struck. One in code that only waiting
//! readers execute stands for the time between two samples.

use aya_ebpf::{helpers::bpf_ktime_get_ns, programs::PerfEventContext};
use seqtrace_common::{
    blame::Edge,
    event::{Event, kind},
};

use crate::{
    complete::{complete, stack},
    filter,
    maps::{COLD, ELSEWHERE, counters, counting, setting},
    task,
};

/// At a tick of the CPU clock. Keeps the identity `samples = hits + filtered + elsewhere`.
#[inline]
pub(crate) fn sample(ctx: &PerfEventContext) {
    if !counting() {
        return;
    }
    // SAFETY: the context of such a program is a `bpf_perf_event_data`.
    let address = unsafe { (*ctx.ctx).regs.rip };
    // SAFETY: user space does not change the table while counting.
    let Some(slot) = (unsafe { COLD.get(address) }).copied() else {
        if let Some(count) = ELSEWHERE.get_ptr_mut(0) {
            // SAFETY: this CPU's element, and this program does not interrupt itself.
            unsafe { *count += 1 };
        }
        return;
    };
    if !filter::admits(slot) {
        return;
    }
    let sample_ns = setting!(sample_ns);
    let Some(counters) = counters(slot) else {
        return;
    };
    counters.hits += 1;
    counters.count += 1;
    counters.total_ns += sample_ns;
    let reader = task::current();
    let event = Event {
        // SAFETY: the helper takes nothing.
        time_ns: unsafe { bpf_ktime_get_ns() },
        duration_ns: sample_ns,
        lock: 0,
        cgroup: task::cgroup(),
        hold_ns: 0,
        slot,
        kind: kind::SAMPLE,
        cpu: task::cpu(),
        tid: reader.tid,
        tgid: reader.tgid,
        stack: stack(ctx),
        owner_tid: 0,
        slept: 0,
        hold_slot: Edge::NO_SLOT,
        command: task::command_of(reader.tgid, &mut counters.recent),
        comm: reader.comm,
        owner_comm: [0; 16],
    };
    complete(counters, &event);
}
