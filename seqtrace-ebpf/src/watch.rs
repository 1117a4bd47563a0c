//! Writes to one word of memory, reported by a hardware breakpoint after the instruction that wrote.

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    helpers::{bpf_ktime_get_ns, bpf_probe_read_kernel},
    macros::map,
    maps::{Array, HashMap, PerCpuArray},
    programs::PerfEventContext,
};
use seqtrace_common::watch::{WriterKey, Writes};

use crate::{
    maps::{add, counting},
    task,
};

/// Totals.
#[map]
static WRITES: PerCpuArray<Writes> = PerCpuArray::with_max_entries(1, 0);

/// Writes by writer.
#[map]
static WRITERS: HashMap<WriterKey, u64> = HashMap::with_max_entries(1, 0);

/// When the word became odd; zero: it is even, or that was not seen. Writers exclude each other, so
/// that one element for all CPUs does.
#[map]
static ODD_SINCE: Array<u64> = Array::with_max_entries(1, 0);

/// At a write. Keeps the identity `writes = odd + even + unread`.
#[inline]
pub(crate) fn write(ctx: &PerfEventContext) {
    // SAFETY: the helper takes nothing.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    if !counting() {
        return;
    }
    let Some(writes) = WRITES.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: this CPU's element; programs at perf events do not nest (`bpf_prog_active`,
    // `kernel/events/core.c`).
    let writes = unsafe { &mut *writes };
    writes.writes += 1;
    // SAFETY: the context of such a program is a `bpf_perf_event_data`.
    let (word, address) = unsafe { ((*ctx.ctx).addr, (*ctx.ctx).regs.rip) };
    // SAFETY: the helper refuses addresses that cannot be read.
    match unsafe { bpf_probe_read_kernel(word as *const u32) } {
        Ok(value) => hold(writes, value, now_ns),
        Err(_) => writes.unread += 1,
    }
    let current = task::current();
    let key = WriterKey {
        address,
        tgid: current.tgid,
        reserved: 0,
        comm: current.comm,
    };
    if !credit(&key) && WRITERS.insert(key, 1, u64::from(BPF_NOEXIST)).is_err() && !credit(&key) {
        writes.writers_full += 1;
    }
}

#[inline]
fn hold(writes: &mut Writes, value: u32, now_ns: u64) {
    let Some(since) = ODD_SINCE.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: a live element; who writes the word has its lock, and so this.
    let since = unsafe { &mut *since };
    if value & 1 == 1 {
        writes.odd += 1;
        *since = now_ns;
        return;
    }
    writes.even += 1;
    if *since != 0 {
        let hold_ns = now_ns.saturating_sub(*since);
        writes.holds += 1;
        writes.hold_ns += hold_ns;
        writes.max_hold_ns = writes.max_hold_ns.max(hold_ns);
        *since = 0;
    }
}

#[inline]
fn credit(key: &WriterKey) -> bool {
    let Some(count) = WRITERS.get_ptr_mut(key) else {
        return false;
    };
    // SAFETY: nothing is ever removed from the map, so the element stays this key's.
    unsafe { add(count, 1) };
    true
}
