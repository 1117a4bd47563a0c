//! Checks of read sections, executed by every reader: counts those that fail and, where the section
//! is a loop, how many fail in a row. Keeps `count = retries of finished runs + those of open runs +
//! runs_full`.
//!
//! What is seldom done stands in functions of its own: together their variables do not fit the 512 bytes
//! that a chain of BPF calls may use.

use aya_ebpf::{bindings::BPF_NOEXIST, helpers::bpf_ktime_get_ns, programs::ProbeContext};
use seqtrace_common::{
    blame::Edge,
    event::{Event, kind},
    loss,
    run::{RunKey, RunState},
    site::SiteEntry,
};

use crate::{
    complete::{lengthen, record, stack},
    filter,
    maps::{OPEN_RUNS, RUNS, add, counters, counting, lose, run_counters, setting},
    retry, site, task,
};

/// The zero flag in EFLAGS: the sides of the comparison before were equal.
const ZERO_FLAG: u64 = 1 << 6;

/// At the instruction that uses the result of the comparison. It asks for equality, whatever it
/// does then: the plan sees to that.
#[inline]
pub(crate) fn check(ctx: &ProbeContext) {
    if !counting() {
        return;
    }
    let Some(site) = site::find(ctx) else {
        return;
    };
    let is_followed = site.run != SiteEntry::NO_RUN;
    let Some(counters) = counters(site.slot) else {
        return;
    };
    let counts = filter::admits(site.slot) && site::is_taken(site, counters);
    if site::registers(ctx).eflags & ZERO_FLAG == 0 {
        if counts {
            retry::count(ctx, site.slot, counters);
        }
        if counts && is_followed {
            extend(ctx, site);
        }
    // Also where it is not counted: a run may end on a CPU that is left out.
    } else if is_followed && OPEN_RUNS.get(site.run).is_some_and(|open| *open != 0) {
        finish(ctx, site);
    }
}

#[inline]
fn key(ctx: &ProbeContext, site: &SiteEntry) -> RunKey {
    RunKey {
        tid: task::wait_key(site.slot).tid,
        slot: site.slot,
        stack_pointer: site::registers(ctx).rsp,
        generation: site.generation,
        reserved: 0,
    }
}

/// One more check has failed in a row.
#[inline]
fn extend(ctx: &ProbeContext, site: &SiteEntry) {
    // SAFETY: the helper takes nothing.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    let key = key(ctx, site);
    if let Some(run) = RUNS.get_ptr_mut(key) {
        // SAFETY: the key names what this thread runs at this depth, so nobody else uses the element.
        let run = unsafe { &mut *run };
        run.length += 1;
        let lasts_ns = now_ns.saturating_sub(run.first_ns);
        if run.unconverged == 0 && lasts_ns > setting!(converge_ns) {
            run.unconverged = 1;
            report(ctx, site, run.length, now_ns, lasts_ns);
        }
        return;
    }
    let first = RunState {
        length: 1,
        first_ns: now_ns,
        unconverged: 0,
    };
    if RUNS.insert(key, first, u64::from(BPF_NOEXIST)).is_err() {
        lose(loss::RUNS_FULL);
        return;
    }
    add_open(site.run, 1);
}

/// A check has passed while runs are open: perhaps one of this reader's is over.
#[inline(never)]
fn finish(ctx: &ProbeContext, site: &SiteEntry) {
    let key = key(ctx, site);
    // SAFETY: as in `extend`.
    let Some(run) = (unsafe { RUNS.get(key) }).copied() else {
        return;
    };
    let _ = RUNS.remove(key);
    add_open(site.run, u64::MAX);
    // SAFETY: the helper takes nothing.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    let lasts_ns = now_ns.saturating_sub(run.first_ns);
    if let Some(counters) = run_counters(site.run) {
        counters.finish(run.length);
    }
    let event = event(ctx, site, kind::RUN, run.length, now_ns, lasts_ns);
    if let Some(counters) = counters(site.slot) {
        counters.lengthen(lasts_ns);
        lengthen(counters, &event);
    }
    if setting!(events) != 0 && lasts_ns >= setting!(threshold_ns) {
        record(&event);
    }
}

/// A run is longer than it may be. It is told now: perhaps it never ends.
#[inline(never)]
fn report(ctx: &ProbeContext, site: &SiteEntry, length: u64, now_ns: u64, lasts_ns: u64) {
    if let Some(counters) = run_counters(site.run) {
        counters.unconverged += 1;
    }
    if setting!(events) != 0 {
        record(&event(
            ctx,
            site,
            kind::UNCONVERGED,
            length,
            now_ns,
            lasts_ns,
        ));
    }
}

#[inline]
fn event(
    ctx: &ProbeContext,
    site: &SiteEntry,
    kind: u32,
    length: u64,
    now_ns: u64,
    lasts_ns: u64,
) -> Event {
    let reader = task::current();
    Event {
        time_ns: now_ns,
        duration_ns: lasts_ns,
        lock: length,
        cgroup: task::cgroup(),
        hold_ns: 0,
        slot: site.slot,
        kind,
        cpu: task::cpu(),
        tid: reader.tid,
        tgid: reader.tgid,
        stack: stack(ctx),
        owner_tid: 0,
        slept: 0,
        hold_slot: Edge::NO_SLOT,
        command: task::is_command(reader.tgid),
        comm: reader.comm,
        owner_comm: [0; 16],
    }
}

/// Adds to the number of open runs; `u64::MAX` takes one away.
#[inline]
fn add_open(run: u32, more: u64) {
    if let Some(open) = OPEN_RUNS.get_ptr_mut(run) {
        // SAFETY: the pointer is an element of the map.
        unsafe { add(open, more) };
    }
}
