//! Retries and fallbacks: events without a duration, so `count = hits`.

use aya_ebpf::{helpers::bpf_ktime_get_ns, programs::ProbeContext};
use seqtrace_common::{
    blame::Edge,
    event::{Event, kind},
};

use crate::{
    complete::{credit, record, stack},
    maps::{counters, settings},
    site, task,
};

/// At the first instruction that only a failed check leads to.
#[inline]
pub(crate) fn retry(ctx: &ProbeContext) {
    if let Some(site) = site::chosen(ctx) {
        count(ctx, site.slot);
    }
}

/// Counts one retry and credits it. Most are not recorded, and so not described.
#[inline(never)]
pub(crate) fn count(ctx: &ProbeContext, slot: u32) {
    if let Some(counters) = counters(slot) {
        counters.count += 1;
    }
    let reader = task::placed();
    let stack = stack(ctx);
    credit(slot, 0, &reader, stack);
    let settings = settings();
    if settings.events != 0 && settings.threshold_ns == 0 {
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
