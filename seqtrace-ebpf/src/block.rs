//! Blocks: a reader takes and drops the writer's lock (PREEMPT_RT). Keeps the identity
//! `hits = count + short + in flight + blocks_full + start_without_end`.

use core::ptr::{read_volatile, write_volatile};

use aya_ebpf::{bindings::BPF_NOEXIST, helpers::bpf_ktime_get_ns, programs::ProbeContext};
use seqtrace_common::{
    blame::{Edge, reason},
    counters::TaskKey,
    event::{Event, kind},
    loss,
    site::SiteEntry,
    wait::{BlockState, OpenBlock, OpenBlocks, WaitKey},
};

use crate::{
    blame::{self, LastWait},
    complete::{credit_current, credit_stack, record, stack},
    filter,
    maps::{BLOCKS, OPEN_BLOCKS, barrier, compare_exchange, counters, counting, lose, setting},
    site, task,
};

/// At the lock call.
#[inline]
pub(crate) fn begin(ctx: &ProbeContext) {
    let Some(site) = site::hit(ctx) else {
        return;
    };
    let key = task::wait_key(site.slot);
    let cell = cell(key);
    // SAFETY: a member of a static that lives as long as the program.
    let before = unsafe { compare_exchange(&raw mut (*cell).key, 0, key.number()) };
    if before != 0 && before != key.number() {
        return begin_aside(ctx, site, key);
    }
    if before != 0 {
        lose(loss::START_WITHOUT_END);
    }
    // SAFETY: the key names the current thread, which has the cell until it gives it back.
    let block = unsafe { &mut (*cell).block };
    describe(ctx, site, block);
}

/// Where the block of a thread is kept, unless another's is there.
#[inline]
fn cell(key: WaitKey) -> *mut OpenBlock {
    let place = (key.tid & setting!(cells)) as usize & (OpenBlocks::CELLS - 1);
    // SAFETY: the place is less than their number.
    unsafe { (&raw mut OPEN_BLOCKS.cells).cast::<OpenBlock>().add(place) }
}

/// Keeps a block whose place is taken.
#[inline(never)]
fn begin_aside(ctx: &ProbeContext, site: &SiteEntry, key: WaitKey) {
    let mut state = BlockState::NONE;
    describe(ctx, site, &mut state);
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

/// Describes a reader that calls the lock now.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a call would be a part of what it costs"
)]
fn describe(ctx: &ProbeContext, site: &SiteEntry, block: &mut BlockState) {
    block.generation = site.generation;
    describe_call(site::registers(ctx).rdi, site.owner_offset, block);
    blame::find_held(ctx, site, block);
}

/// As [`describe`], without what the registers at the call tell.
#[inline(always)]
#[expect(clippy::inline_always, reason = "as above")]
pub(crate) fn describe_call(lock: u64, owner_offset: i32, block: &mut BlockState) {
    // SAFETY: the helper takes nothing.
    block.start_ns = unsafe { bpf_ktime_get_ns() };
    block.lock = lock;
    block.switches = task::switches();
    block.edge = Edge::unknown(reason::UNKNOWN_WORD);
    if owner_offset != SiteEntry::NO_OWNER {
        blame::find_owner(lock, owner_offset, &mut block.edge);
    }
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
    let cell = cell(key);
    // SAFETY: as in `begin`.
    unsafe {
        let key_of_cell = &raw mut (*cell).key;
        if read_volatile(key_of_cell) != key.number() {
            return end_aside(ctx, site, key, now_ns);
        }
        finish_if_known(ctx, site, now_ns, &(*cell).block);
        barrier();
        write_volatile(key_of_cell, 0);
    }
}

/// Ends a block whose place was taken.
#[inline(never)]
fn end_aside(ctx: &ProbeContext, site: &SiteEntry, key: WaitKey, now_ns: u64) {
    let Some(block) = BLOCKS.get_ptr_mut(key) else {
        if counting() && filter::must_have_begun() {
            lose(loss::END_WITHOUT_START);
        }
        return;
    };
    // SAFETY: as in `begin_aside`.
    let block = unsafe { &mut *block };
    if block.start_ns == 0 {
        lose(loss::END_WITHOUT_START);
        return;
    }
    finish_if_known(ctx, site, now_ns, block);
    // The mark keeps the identity even if the element cannot be removed.
    block.start_ns = 0;
    let _ = BLOCKS.remove(key);
}

/// Counts a block that is over, unless its end is another's.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a call would be a part of what it costs"
)]
fn finish_if_known(ctx: &ProbeContext, site: &SiteEntry, now_ns: u64, block: &BlockState) {
    if block.generation == site.generation {
        finish(site.slot, stack(ctx), now_ns, block);
    } else {
        lose(loss::START_WITHOUT_END);
        lose(loss::END_WITHOUT_START);
    }
}

/// Counts and credits a block that is over.
#[inline(always)]
#[expect(clippy::inline_always, reason = "as above")]
pub(crate) fn finish(slot: u32, stack: i32, now_ns: u64, block: &BlockState) {
    let duration_ns = now_ns.saturating_sub(block.start_ns);
    if !filter::is_long(slot, duration_ns) {
        return;
    }
    let Some(counters) = counters(slot) else {
        return;
    };
    let slept = u32::from(task::switches() != block.switches);
    counters.complete(duration_ns);
    counters.slept += u64::from(slept);
    counters.owned += u64::from(block.edge.owned);
    credit_current(counters, slot, duration_ns);
    credit_stack(slot, duration_ns, &counters.recent.key.comm, stack);
    let wait = LastWait {
        end_ns: now_ns,
        duration_ns,
        slot,
        stack,
        tid: task::thread(),
    };
    blame::credit(counters, &wait, &block.edge);
    if setting!(events) != 0 && duration_ns >= setting!(threshold_ns) {
        tell(&wait, &counters.recent.key, slept, block);
    }
}

/// Writes the record of a block that is over.
#[inline]
fn tell(wait: &LastWait, reader: &TaskKey, slept: u32, block: &BlockState) {
    let edge = &block.edge;
    let is_owned = edge.owned != 0;
    record(&Event {
        time_ns: wait.end_ns,
        duration_ns: wait.duration_ns,
        lock: block.lock,
        cgroup: reader.cgroup,
        hold_ns: edge.hold_ns,
        slot: wait.slot,
        kind: kind::BLOCK,
        cpu: task::cpu(),
        tid: wait.tid,
        tgid: reader.tgid,
        stack: wait.stack,
        owner_tid: if is_owned { edge.tid } else { 0 },
        slept,
        hold_slot: edge.slot,
        command: reader.command,
        comm: reader.comm,
        owner_comm: if is_owned { edge.comm } else { [0; 16] },
    });
}
