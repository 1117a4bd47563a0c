//! Holds: at an increment of a sequence, whether it begins or ends a write section is told by the
//! value before it.

use aya_ebpf::{
    bindings::{BPF_ANY, BPF_NOEXIST},
    helpers::{bpf_get_current_task, bpf_ktime_get_ns},
    programs::ProbeContext,
};
use seqtrace_common::{
    event::{Event, kind},
    hold::HoldState,
    loss,
    site::SiteEntry,
};

use crate::{
    complete::{credit_reader, record, stack},
    filter,
    maps::{HOLDS, counters, counting, lose, setting},
    site,
    task::{self, Task},
    word,
};

/// At an increment, before it is executed.
#[inline]
pub(crate) fn write(ctx: &ProbeContext) {
    let Some(site) = site::find(ctx) else {
        return;
    };
    // While the probes at its writers come or go, the sequence is not told.
    let Some(address) = word::address(ctx, site.slot) else {
        return;
    };
    let Some(value) = task::read::<u32>(address) else {
        lose(loss::WORD_UNREAD);
        return;
    };
    if value & 1 != 0 {
        end(address, site.generation);
    } else if counting() {
        begin(ctx, site, address, value);
    }
}

#[inline(never)]
fn begin(ctx: &ProbeContext, site: &SiteEntry, address: u64, value: u32) {
    let counts = filter::admits(site.slot);
    if counts && let Some(counters) = counters(site.slot) {
        counters.hits += 1;
    }
    let writer = task::current();
    let state = &HoldState {
        // SAFETY: the helper takes nothing.
        start_ns: unsafe { bpf_ktime_get_ns() },
        switches: task::switches(),
        // SAFETY: as above.
        task: unsafe { bpf_get_current_task() },
        slot: site.slot,
        tid: writer.tid,
        tgid: writer.tgid,
        sequence: value.wrapping_add(1),
        stack: stack(ctx),
        generation: site.generation,
        filtered: u32::from(!counts),
        command: task::is_command(writer.tgid),
        cgroup: task::cgroup(),
        comm: writer.comm,
    };
    if HOLDS.insert(address, state, u64::from(BPF_NOEXIST)).is_ok() {
        return;
    }
    // Either the end of another was not seen, or there is no room.
    // SAFETY: a sequence has one writer at a time, so nobody changes the element meanwhile.
    if let Some(old) = unsafe { HOLDS.get(address) } {
        if old.filtered == 0 {
            lose(loss::HOLD_WITHOUT_END);
        }
        if HOLDS.insert(address, state, u64::from(BPF_ANY)).is_ok() {
            return;
        }
    }
    if counts {
        lose(loss::HOLDS_FULL);
    }
}

#[inline(never)]
fn end(address: u64, generation: u32) {
    // SAFETY: a sequence has one writer at a time, so nobody changes the element meanwhile.
    let hold = unsafe { HOLDS.get(address) }.copied();
    let Some(hold) = hold.filter(|_| HOLDS.remove(address).is_ok()) else {
        if counting() {
            lose(loss::END_WITHOUT_HOLD);
        }
        return;
    };
    if hold.filtered != 0 {
        return;
    }
    if hold.generation != generation {
        lose(loss::HOLD_WITHOUT_END);
        lose(loss::END_WITHOUT_HOLD);
        return;
    }
    // SAFETY: the helper takes nothing.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    let duration_ns = now_ns.saturating_sub(hold.start_ns);
    if !filter::is_long(hold.slot, duration_ns) {
        return;
    }
    let is_same = task::current().tid == hold.tid;
    let slept = is_same && task::switches() != hold.switches;
    let Some(counters) = counters(hold.slot) else {
        return;
    };
    counters.complete(duration_ns);
    counters.slept += u64::from(slept);
    let writer = Task {
        tid: hold.tid,
        tgid: hold.tgid,
        comm: hold.comm,
        cgroup: hold.cgroup,
        command: hold.command,
    };
    credit_reader(counters, hold.slot, duration_ns, &writer);
    if setting!(holds) != 0 && duration_ns >= setting!(threshold_ns) {
        record(&Event {
            time_ns: now_ns,
            duration_ns,
            lock: 0,
            cgroup: hold.cgroup,
            hold_ns: hold.start_ns,
            slot: hold.slot,
            kind: kind::HOLD,
            cpu: task::cpu(),
            tid: hold.tid,
            tgid: hold.tgid,
            stack: hold.stack,
            owner_tid: 0,
            slept: u32::from(slept),
            hold_slot: hold.slot,
            command: hold.command,
            comm: hold.comm,
            owner_comm: [0; 16],
        });
    }
}
