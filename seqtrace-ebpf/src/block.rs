//! Blocks: a reader takes and drops the writer's lock (PREEMPT_RT). Keeps the identity
//! `hits = count + short + in flight + blocks_full + start_without_end`.

use aya_ebpf::{bindings::BPF_NOEXIST, helpers::bpf_ktime_get_ns, programs::ProbeContext};
use seqtrace_common::{
    blame::{Edge, reason},
    event::{Event, kind},
    loss,
    site::SiteEntry,
    wait::{BlockState, SpinState},
};

use crate::{
    blame,
    complete::{complete, stack},
    filter,
    maps::{BLOCKS, counters, counting, lose},
    site, task,
};

/// At the lock call.
#[inline]
pub(crate) fn begin(ctx: &ProbeContext) {
    let Some(site) = site::hit(ctx) else {
        return;
    };
    let key = task::wait_key(site.slot);
    let mut state = state(site::registers(ctx).rdi, site.owner_offset);
    state.generation = site.generation;
    blame::find(ctx, site.slot, SpinState::NO_SEQUENCE, &mut state.edge);
    let state = &state;
    if BLOCKS.insert(key, state, u64::from(BPF_NOEXIST)).is_ok() {
        return;
    }
    // Either the end of another was not seen, or there is no room.
    let Some(old) = BLOCKS.get_ptr_mut(key) else {
        lose(loss::BLOCKS_FULL);
        return;
    };
    // SAFETY: the key names the current thread and site, so nobody else uses the element.
    let old = unsafe { &mut *old };
    if old.start_ns != 0 {
        lose(loss::START_WITHOUT_END);
    }
    *old = *state;
}

/// A reader that calls the lock now.
#[inline]
pub(crate) fn state(lock: u64, owner_offset: i32) -> BlockState {
    let mut state = BlockState {
        // SAFETY: the helper takes nothing.
        start_ns: unsafe { bpf_ktime_get_ns() },
        lock,
        switches: task::switches(),
        generation: 0,
        reserved: 0,
        edge: Edge::unknown(reason::UNKNOWN_WORD),
    };
    if owner_offset != SiteEntry::NO_OWNER {
        blame::find_owner(lock, owner_offset, &mut state.edge);
    }
    state
}

/// At the re-load after the unlock. A block that began in time is counted even if it ends late.
#[inline]
pub(crate) fn end(ctx: &ProbeContext) {
    // SAFETY: the helper takes nothing.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    let Some(site) = site::find(ctx) else {
        return;
    };
    let key = task::wait_key(site.slot);
    let Some(block) = BLOCKS.get_ptr_mut(key) else {
        if counting() && filter::must_have_begun() {
            lose(loss::END_WITHOUT_START);
        }
        return;
    };
    // SAFETY: as in `begin`.
    let block = unsafe { &mut *block };
    if block.start_ns == 0 {
        lose(loss::END_WITHOUT_START);
        return;
    }
    if block.generation == site.generation {
        finish(site.slot, stack(ctx), now_ns, block);
    } else {
        lose(loss::START_WITHOUT_END);
        lose(loss::END_WITHOUT_START);
    }
    // The mark keeps the identity even if the element cannot be removed.
    block.start_ns = 0;
    let _ = BLOCKS.remove(key);
}

/// Counts and credits a block that is over.
#[inline(never)]
pub(crate) fn finish(slot: u32, stack: i32, now_ns: u64, state: &BlockState) {
    let duration_ns = now_ns.saturating_sub(state.start_ns);
    if !filter::is_long(slot, duration_ns) {
        return;
    }
    let edge = &state.edge;
    let slept = u32::from(task::switches() != state.switches);
    let Some(counters) = counters(slot) else {
        return;
    };
    counters.complete(duration_ns);
    counters.slept += u64::from(slept);
    counters.owned += u64::from(edge.owned);
    let reader = task::current();
    let mut event = Event {
        time_ns: now_ns,
        duration_ns,
        lock: state.lock,
        cgroup: task::cgroup(),
        hold_ns: edge.hold_ns,
        slot,
        kind: kind::BLOCK,
        cpu: task::cpu(),
        tid: reader.tid,
        tgid: reader.tgid,
        stack,
        owner_tid: 0,
        slept,
        hold_slot: edge.slot,
        command: task::command_of(reader.tgid, &mut counters.recent),
        comm: reader.comm,
        owner_comm: [0; 16],
    };
    if edge.owned != 0 {
        event.owner_tid = edge.tid;
        event.owner_comm = edge.comm;
    }
    complete(counters, &event);
    blame::credit(counters, &event, edge);
}
