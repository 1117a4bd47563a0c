//! Retries and fallbacks: events without a duration, so `count = hits`.

use aya_ebpf::{helpers::bpf_ktime_get_ns, programs::ProbeContext};
use seqtrace_common::{
    blame::Edge,
    counters::SiteCounters,
    event::{Event, kind},
};

use crate::{
    complete::{credit_current, credit_stack, record, stack},
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
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a call takes as much as finding the site"
)]
fn count_here(ctx: &ProbeContext, slot: u32, counters: &mut SiteCounters) {
    counters.count += 1;
    credit_current(counters, slot, 0);
    if setting!(stacks) == 0 && setting!(events) == 0 {
        return;
    }
    let stack = stack(ctx);
    credit_stack(slot, 0, &counters.recent.key.comm, stack);
    if setting!(events) != 0 && setting!(threshold_ns) == 0 {
        tell(counters, slot, stack);
    }
}

/// Writes the record of a retry of the reader that came last.
#[inline]
fn tell(counters: &SiteCounters, slot: u32, stack: i32) {
    let reader = &counters.recent.key;
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
        tid: task::thread(),
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
