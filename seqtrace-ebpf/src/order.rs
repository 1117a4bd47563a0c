//! Order: which nodes a task holds while it reads or takes another. Keeps
//! `taken = released + retaken + not_held + full + held`.
//!
//! What a task holds is changed by the task alone: an interrupt on top of it has an entry of its own.

use aya_ebpf::{
    bindings::{BPF_ANY, BPF_NOEXIST},
    helpers::{bpf_get_current_pid_tgid, bpf_get_current_task},
    macros::map,
    maps::{Array, HashMap, PerCpuArray},
    programs::ProbeContext,
};
use seqtrace_common::{
    order::{
        EdgeKey, EdgeValue, HeldNode, HeldNodes, OrderCounters, OrderEntry, act, deed, holder,
        proof,
    },
    wait::WaitKey,
};

use crate::{
    complete::stack,
    context::context,
    maps::{add, counters, counting},
    site::{self, registers},
    task, word,
};

/// What is followed at a probe, by slot.
#[map]
static ORDER_SITES: Array<OrderEntry> = Array::with_max_entries(1, 0);

/// What was seen of each node.
#[map]
static ORDER_COUNTERS: PerCpuArray<OrderCounters> = PerCpuArray::with_max_entries(1, 0);

/// What tasks hold, by `holder`.
#[map]
static HELD: HashMap<u32, HeldNodes> = HashMap::with_max_entries(1, 0);

/// Locks that tasks try to take, by `holder`.
#[map]
static TRIES: HashMap<u32, u64> = HashMap::with_max_entries(1, 0);

/// What was done while something was held.
#[map]
static EDGES: HashMap<EdgeKey, EdgeValue> = HashMap::with_max_entries(1, 0);

/// An entry of `HELD` in which everything is free: too large to be made on the stack.
#[map]
static NOTHING_HELD: PerCpuArray<HeldNodes> = PerCpuArray::with_max_entries(1, 0);

/// Something that is done to a node.
#[derive(Clone, Copy)]
struct Done {
    /// Address of the lock, or of the sequence; zero: not known.
    address: u64,
    slot: u32,
    node: u32,
    deed: u32,
    context: u32,
    stack: i32,
}

/// At a followed address, before it is executed.
#[inline]
pub(crate) fn step(ctx: &ProbeContext) {
    let Some(site) = site::find(ctx) else {
        return;
    };
    let Some(entry) = ORDER_SITES.get(site.slot) else {
        return;
    };
    if let Some(counters) = counters(site.slot) {
        counters.hits += 1;
    }
    let context = context();
    let lock = registers(ctx).rdi;
    match entry.act {
        act::DROP => drop_node(entry.node, lock, context),
        act::WRITE => write(ctx, entry, site.slot, context),
        _ if !counting() => {}
        act::TAKE => take_lock(ctx, entry, site.slot, context),
        act::TRY => begin_try(entry, lock, context),
        act::READ | act::BLOCK => {
            let deed = if entry.act == act::READ {
                deed::READ
            } else {
                deed::BLOCK
            };
            let address = word::address(ctx, site.slot).unwrap_or_default();
            look(
                ctx,
                Done {
                    address,
                    slot: site.slot,
                    node: entry.node,
                    deed,
                    context,
                    stack: 0,
                },
            );
        }
        _ => {}
    }
}

/// Behind the call of a function that may have failed to take a lock.
#[inline]
pub(crate) fn tried(ctx: &ProbeContext) {
    let Some(site) = site::find(ctx) else {
        return;
    };
    let Some(entry) = ORDER_SITES.get(site.slot) else {
        return;
    };
    let key = holder(holder_tid(), context());
    // SAFETY: the key is the current task's, in this context: nobody else changes the element.
    let Some(lock) = (unsafe { TRIES.get(key) }).copied() else {
        return;
    };
    let _ = TRIES.remove(key);
    let Some(counters) = order_counters(entry.node) else {
        return;
    };
    // The functions return an `int`.
    let is_nonzero = registers(ctx).rax as u32 != 0;
    if is_nonzero != (entry.nonzero != 0) {
        counters.failed += 1;
        return;
    }
    hold(entry.node, site.slot, lock, key);
}

#[inline]
fn begin_try(entry: &OrderEntry, lock: u64, context: u32) {
    let Some(counters) = order_counters(entry.node) else {
        return;
    };
    counters.tried += 1;
    let key = holder(holder_tid(), context);
    // SAFETY: as in `tried`.
    let is_open = unsafe { TRIES.get(key) }.is_some();
    if TRIES.insert(key, lock, u64::from(BPF_ANY)).is_err() || is_open {
        counters.try_lost += 1;
    }
}

#[inline(never)]
fn take_lock(ctx: &ProbeContext, entry: &OrderEntry, slot: u32, context: u32) {
    let lock = registers(ctx).rdi;
    let done = Done {
        address: lock,
        slot,
        node: entry.node,
        deed: deed::LOCK,
        context,
        stack: 0,
    };
    look(ctx, done);
    if entry.waits_for != OrderEntry::NO_NODE {
        look(
            ctx,
            Done {
                address: 0,
                node: entry.waits_for,
                deed: deed::BLOCK,
                ..done
            },
        );
    }
    hold(entry.node, slot, lock, holder(holder_tid(), context));
}

#[inline(never)]
fn write(ctx: &ProbeContext, entry: &OrderEntry, slot: u32, context: u32) {
    let Some(address) = word::address(ctx, slot) else {
        return;
    };
    let Some(value) = task::read::<u32>(address) else {
        return;
    };
    if value & 1 != 0 {
        drop_node(entry.node, address, context);
    } else if counting() {
        look(
            ctx,
            Done {
                address,
                slot,
                node: entry.node,
                deed: deed::WRITE,
                context,
                stack: 0,
            },
        );
        hold(entry.node, slot, address, holder(holder_tid(), context));
    }
}

/// Keeps that the task holds a node from now on.
#[inline(never)]
fn hold(node: u32, slot: u32, address: u64, key: u32) {
    let Some(counters) = order_counters(node) else {
        return;
    };
    counters.taken += 1;
    if HELD.get_ptr_mut(key).is_none() {
        let Some(nothing) = NOTHING_HELD.get(0) else {
            return;
        };
        let _ = HELD.insert(key, nothing, u64::from(BPF_NOEXIST));
    }
    let Some(held) = HELD.get_ptr_mut(key) else {
        counters.full += 1;
        return;
    };
    // SAFETY: the key is the current task's, in this context: nobody else uses the element.
    let held = unsafe { &mut *held };
    let mut free = None;
    for place in &mut held.nodes {
        if place.address == address {
            counters.retaken += 1;
            place.slot = slot;
            return;
        }
        if place.address == 0 {
            free = Some(place);
        }
    }
    match free {
        Some(place) => {
            *place = HeldNode {
                address,
                node,
                slot,
            }
        }
        None => counters.full += 1,
    }
}

/// Keeps that the task holds a node no longer.
#[inline(never)]
fn drop_node(node: u32, address: u64, context: u32) {
    let Some(counters) = order_counters(node) else {
        return;
    };
    let key = holder(holder_tid(), context);
    let mut is_found = false;
    let mut is_left = false;
    if let Some(held) = HELD.get_ptr_mut(key) {
        // SAFETY: as in `hold`.
        let held = unsafe { &mut *held };
        for place in &mut held.nodes {
            if place.address == address {
                place.address = 0;
                is_found = true;
            }
            is_left |= place.address != 0;
        }
        if !is_left {
            let _ = HELD.remove(key);
        }
    }
    if is_found {
        counters.released += 1;
    } else if counting() {
        counters.untaken += 1;
    }
}

/// Counts what is done, and an edge from each node that is held.
#[inline(never)]
fn look(ctx: &ProbeContext, done: Done) {
    let Some(counters) = order_counters(done.node) else {
        return;
    };
    let deed = done.deed as usize & (deed::COUNT - 1);
    counters.deeds[deed] += 1;
    let Some(held) = HELD.get_ptr_mut(holder(holder_tid(), done.context)) else {
        return;
    };
    // SAFETY: as in `hold`.
    let held = unsafe { &mut *held };
    let mut done = done;
    let mut links = 0;
    for place in &mut held.nodes {
        if place.address == 0 {
            continue;
        }
        if !is_held(place) {
            if let Some(counters) = order_counters(place.node) {
                counters.not_held += 1;
            }
            place.address = 0;
            continue;
        }
        if links == 0 {
            done.stack = stack(ctx);
        }
        links += 1;
        if !add_edge(place, &done) {
            counters.edges_full += 1;
        }
    }
    counters.links += links;
    counters.under[deed] += u64::from(links != 0);
}

/// Whether the node is held still, as far as can be told.
#[inline]
fn is_held(place: &HeldNode) -> bool {
    let Some(taken) = ORDER_SITES.get(place.slot) else {
        return true;
    };
    match taken.proof {
        proof::OWNER => {
            // SAFETY: the helper takes nothing.
            let running = unsafe { bpf_get_current_task() };
            task::owner(place.address, taken.owner_offset) == running
        }
        proof::BYTE => task::read::<u8>(place.address).is_none_or(|byte| byte != 0),
        proof::ODD => task::read::<u32>(place.address).is_none_or(|word| word & 1 != 0),
        _ => true,
    }
}

#[inline(never)]
fn add_edge(place: &HeldNode, done: &Done) -> bool {
    let key = EdgeKey {
        held: place.node,
        node: done.node,
        deed: done.deed,
        context: done.context,
        same: u32::from(place.address == done.address),
        held_slot: place.slot,
        slot: done.slot,
        stack: done.stack,
    };
    if count_edge(&key) {
        return true;
    }
    let who = task::current();
    let first = EdgeValue {
        count: 1,
        tgid: who.tgid,
        tid: who.tid,
        comm: who.comm,
    };
    // Another CPU may have put the key there meanwhile; else the map is full.
    EDGES.insert(key, first, u64::from(BPF_NOEXIST)).is_ok() || count_edge(&key)
}

#[inline]
fn count_edge(key: &EdgeKey) -> bool {
    let Some(value) = EDGES.get_ptr_mut(key) else {
        return false;
    };
    // SAFETY: nothing is ever removed from the map, so the element stays this key's.
    unsafe { add(&raw mut (*value).count, 1) };
    true
}

/// This CPU's counters of a node.
#[inline]
fn order_counters(node: u32) -> Option<&'static mut OrderCounters> {
    // SAFETY: the pointer is this CPU's element, and programs at kprobes do not nest on a CPU; the
    // reference does not outlive the program's run.
    ORDER_COUNTERS
        .get_ptr_mut(node)
        .map(|counters| unsafe { &mut *counters })
}

/// The thread id of the task that runs, or a number for the idle task of this CPU.
#[inline]
fn holder_tid() -> u32 {
    match bpf_get_current_pid_tgid() as u32 {
        0 => WaitKey::IDLE + task::cpu(),
        tid => tid,
    }
}
