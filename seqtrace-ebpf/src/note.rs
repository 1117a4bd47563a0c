//! Notes: who met a loss, now and then. Nothing of this is left in the programs where notes are not asked for: the
//! verifier knows the setting.

use aya_ebpf::{helpers::bpf_ktime_get_ns, macros::map, maps::PerCpuArray};
use seqtrace_common::{
    blame::Edge,
    event::{Event, kind},
    loss,
};

use crate::{
    maps::{EVENTS, setting},
    task,
};

/// When each loss was noted on this CPU, by index (`seqtrace_common::loss`).
#[map]
static NOTED: PerCpuArray<u64> = PerCpuArray::with_max_entries(loss::COUNT, 0);

/// Notes a loss, unless it was just now. A note that finds the ring full is no loss: it would be the next one.
#[inline(never)]
pub(crate) fn note(index: u32) {
    let Some(noted) = NOTED.get_ptr_mut(index) else {
        return;
    };
    // SAFETY: this CPU's element; a program that interrupts this one notes once more at most.
    let noted = unsafe { &mut *noted };
    // SAFETY: the helper takes nothing.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    if *noted != 0 && now_ns.saturating_sub(*noted) < setting!(notes_ns) {
        return;
    }
    *noted = now_ns;
    let Some(mut entry) = EVENTS.reserve::<Event>(0) else {
        return;
    };
    let current = task::current();
    entry.write(Event {
        time_ns: now_ns,
        duration_ns: 0,
        lock: index.into(),
        cgroup: 0,
        hold_ns: 0,
        slot: u32::MAX,
        kind: kind::NOTE,
        cpu: task::cpu(),
        tid: current.tid,
        tgid: current.tgid,
        stack: -1,
        owner_tid: 0,
        slept: 0,
        hold_slot: Edge::NO_SLOT,
        command: 0,
        comm: current.comm,
        owner_comm: [0; 16],
    });
    entry.submit(0);
}
