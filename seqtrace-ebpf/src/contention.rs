//! Blocks, as the tracepoints of contended locks tell of them (`trace/events/lock.h`, since 5.19): no
//! probe is needed, and a function that takes none is seen too. Which reader it is tells the return
//! address of its lock call. Keeps the same identity as `block`.
//!
//! The kernel keeps a program at a raw tracepoint from interrupting itself (`bpf_prog.active` in
//! `__bpf_trace_run`, `kernel/trace/bpf_trace.c`; since 6.1), and what is counted here comes from tasks
//! that may sleep only: of the counters of a slot `hits` belong to `begin`, all others to `end`.

use aya_ebpf::{
    EbpfContext as _,
    bindings::BPF_NOEXIST,
    helpers::{
        bpf_get_current_pid_tgid, bpf_get_stack, bpf_ktime_get_ns, generated::bpf_probe_read_kernel,
    },
    macros::map,
    maps::{Array, PerCpuArray},
    programs::RawTracePointContext,
};
use seqtrace_common::{
    loss,
    site::{ReturnBits, ReturnEntry},
    wait::{BlockState, Contention},
};

use crate::{
    block,
    complete::stack_from,
    filter,
    maps::{CONTENTIONS, RETURNS, counters, counting, lose},
};

/// `LCB_F_RT`: the lock is built on an rt_mutex (`include/trace/events/lock.h`).
const RT: u64 = 1 << 3;

/// Frames that are searched for the reader: the tracing's own, those of the lock's slow path, and
/// some more.
const FRAMES: usize = 16;

/// Words of the stack among which a reader's return address lies, if there is one: the frames of the tracepoint and
/// of the lock's slow path take up to 700 bytes.
const STACK_WORDS: usize = 128;

/// Bytes of a stack, which is aligned to as many (`THREAD_SIZE`, `arch/x86/include/asm/page_64_types.h`; only with
/// KASAN it is more, and then a multiple).
const STACK_BYTES: u64 = 16 << 10;

/// What is looked at.
#[repr(C)]
struct StackWords {
    /// Where the arguments of the tracepoint are.
    address: u64,
    /// The words from there on.
    words: [u64; STACK_WORDS],
}

#[map]
static STACK_WORDS_SEEN: PerCpuArray<StackWords> = PerCpuArray::with_max_entries(1, 0);

/// The keys of `RETURNS`.
#[map]
static RETURN_BITS: Array<ReturnBits> = Array::with_max_entries(1, 0);

/// More than the size of `struct rwbase_rt`, whose rt_mutex is contended as a part of it.
const LOCK_BYTES: u64 = 64;

/// At `contention_begin`: a task is about to wait for a lock.
#[inline]
pub(crate) fn begin(ctx: &RawTracePointContext) {
    let (lock, flags): (u64, u64) = (ctx.arg(0), ctx.arg(1));
    // Who waits for a part of a reader's lock has that reader in its stack too.
    let tid = bpf_get_current_pid_tgid() as u32;
    if flags & RT == 0 || !counting() || !may_be_reader(ctx) || is_part(tid, lock) {
        return;
    }
    let Some((entry, depth)) = reader(ctx) else {
        return;
    };
    // Only now: before, it is not known whether a reader waits.
    if !filter::admits(entry.slot) {
        return;
    }
    if let Some(counters) = counters(entry.slot) {
        counters.hits += 1;
    }
    let mut contention = Contention {
        block: BlockState::NONE,
        slot: entry.slot,
        stack: stack_from(ctx, depth),
    };
    block::describe_call(lock, entry.owner_offset, &mut contention.block);
    let contention = &contention;
    if CONTENTIONS
        .insert(tid, contention, u64::from(BPF_NOEXIST))
        .is_err()
    {
        lose(loss::BLOCKS_FULL);
    }
}

/// Whether the lock is a part of one that the task waits for already, as the rt_mutex of an rwlock is.
/// A wait for any other lock is over: its end was not seen.
#[inline]
fn is_part(tid: u32, lock: u64) -> bool {
    let Some(open) = CONTENTIONS.get_ptr_mut(tid) else {
        return false;
    };
    // SAFETY: the key names the current thread, so nobody else uses the element.
    let block = unsafe { &mut (*open).block };
    if block.start_ns != 0 {
        if lock.wrapping_sub(block.lock).wrapping_sub(1) < LOCK_BYTES {
            return true;
        }
        block.start_ns = 0;
        lose(loss::START_WITHOUT_END);
    }
    let _ = CONTENTIONS.remove(tid);
    false
}

/// Whether the return address of a reader may be among the words of the stack, from the arguments of the tracepoint
/// on, which lie there. Most who wait for a lock are no readers, and a walk of the stack takes eight times as many
/// instructions. What the words hold may be left from a call that is over: the walk tells.
#[inline]
fn may_be_reader(ctx: &RawTracePointContext) -> bool {
    let (Some(seen), Some(bits)) = (STACK_WORDS_SEEN.get_ptr_mut(0), RETURN_BITS.get(0)) else {
        return true;
    };
    // SAFETY: this CPU's element, and the program does not interrupt itself. By way of memory the verifier takes the
    // pointer for a number.
    let (words, address) = unsafe {
        (&raw mut (*seen).address).write_volatile(ctx.as_ptr().addr() as u64);
        let address = (&raw const (*seen).address).read_volatile();
        (&mut (*seen).words, address)
    };
    // Beyond its end there may be nothing.
    let left = STACK_BYTES - address % STACK_BYTES;
    let bytes = left.min(size_of_val(words) as u64) as u32;
    // SAFETY: the buffer holds that many bytes; the helper refuses what cannot be read.
    let status =
        unsafe { bpf_probe_read_kernel(words.as_mut_ptr().cast(), bytes, address as *const _) };
    if status != 0 {
        return true;
    }
    // Behind a stack's end there are words of an earlier look, which the walk sorts out too.
    let (first, span) = bits.range();
    for word in &*words {
        if word.wrapping_sub(first) > span || !bits.may_have(*word) {
            continue;
        }
        // SAFETY: user space does not change the table while counting.
        if unsafe { RETURNS.get(word) }.is_some() {
            return true;
        }
    }
    false
}

/// The reader that called the lock, and how many frames lie below its own.
#[inline]
fn reader(ctx: &RawTracePointContext) -> Option<(ReturnEntry, u64)> {
    let mut frames = [0_u64; FRAMES];
    // SAFETY: the buffer has the size it says.
    let bytes = unsafe {
        bpf_get_stack(
            ctx.as_ptr(),
            frames.as_mut_ptr().cast(),
            size_of_val(&frames) as u32,
            0,
        )
    };
    if bytes < 0 {
        lose(loss::CALLER_UNKNOWN);
        return None;
    }
    for (depth, frame) in (0..).zip(&frames) {
        // SAFETY: user space does not change the table while counting.
        if let Some(entry) = unsafe { RETURNS.get(frame) } {
            return Some((*entry, depth));
        }
    }
    None
}

/// At `contention_end`: the task has the lock. A block that began in time is counted even if it ends
/// late.
#[inline]
pub(crate) fn end(ctx: &RawTracePointContext) {
    let tid = bpf_get_current_pid_tgid() as u32;
    let Some(open) = CONTENTIONS.get_ptr_mut(tid) else {
        return;
    };
    // SAFETY: as in `is_part`.
    let open = unsafe { &mut *open };
    let BlockState { start_ns, lock, .. } = open.block;
    if start_ns == 0 || lock != ctx.arg::<u64>(0) {
        return;
    }
    // SAFETY: the helper takes nothing.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    block::finish(open.slot, open.stack, now_ns, &open.block);
    // The mark keeps the identity even if the element cannot be removed.
    open.block.start_ns = 0;
    let _ = CONTENTIONS.remove(tid);
}
