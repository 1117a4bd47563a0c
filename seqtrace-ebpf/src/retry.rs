//! Retries and fallbacks: events without a duration, so `count = hits`.

use aya_ebpf::{helpers::bpf_ktime_get_ns, programs::ProbeContext};
use seqtrace_common::{
    blame::Edge,
    counters::SiteCounters,
    event::{Event, kind},
};

use crate::{
    complete::{credit_reader, credit_stack, record, stack},
    filter,
    maps::{counters, counting, setting},
    site, task,
};

/// At the first instruction that only a failed check leads to.
#[inline]
pub(crate) fn retry(ctx: &ProbeContext) {
    if !counting() {
        return;
    }
    let Some(site) = site::find(ctx).filter(|site| filter::admits(site.slot)) else {
        return;
    };
    if let Some(counters) = counters(site.slot)
        && site::is_taken(site, counters)
    {
        count_here(ctx, site.slot, counters);
    }
}

/// As [`count_here`], for a program whose own variables leave no room on the stack.
#[inline(never)]
pub(crate) fn count(ctx: &ProbeContext, slot: u32, counters: &mut SiteCounters) {
    count_here(ctx, slot, counters);
}

/// Counts one retry and credits it. Most are not recorded, and so not described.
#[inline]
fn count_here(ctx: &ProbeContext, slot: u32, counters: &mut SiteCounters) {
    counters.count += 1;
    let reader = task::placed(&mut counters.recent);
    let stack = stack(ctx);
    credit_reader(counters, slot, 0, &reader);
    credit_stack(slot, 0, &reader, stack);
    if setting!(events) != 0 && setting!(threshold_ns) == 0 {
        record(&Event {
            // SAFETY: the helper takes nothing.
            time_ns: unsafe { bpf_ktime_get_ns() },
            duration_ns: 0,
            lock: 0,
            cgroup: reader.cgroup,
            hold_ns: 0,
            slot,
            kind: kind::RETRY,
            cpu: task::cpu(),
            tid: reader.tid,
            tgid: reader.tgid,
            stack,
            owner_tid: 0,
            slept: 0,
            hold_slot: Edge::NO_SLOT,
            command: reader.command,
            comm: reader.comm,
            owner_comm: [0; 16],
        });
    }
}
