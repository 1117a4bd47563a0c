//! Spins: a reader executes `pause` while a sequence is odd. `SpinState` says what one wait is.

use core::hint::black_box;

use aya_ebpf::{bindings::BPF_NOEXIST, helpers::bpf_ktime_get_ns, programs::ProbeContext};
use seqtrace_common::{
    blame::{Edge, reason},
    loss,
    site::SiteEntry,
    wait::{SpinState, WaitKey},
};

use crate::{
    blame::{self, LastWait},
    complete::{complete, stack},
    filter,
    maps::{SPIN, SPINS, counters, lose},
    site::{self, register, registers},
    task,
};

/// At a `pause`.
///
/// User space may take a wait that has been quiet for long out of the map. Whoever removes the
/// element owns the wait; only extending one, which is harmless to whatever took the element's
/// place, is done without.
#[inline]
pub(crate) fn pause(ctx: &ProbeContext) {
    // SAFETY: the helper takes nothing.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    let Some(site) = site::hit(ctx) else {
        return;
    };
    let key = task::wait_key(site.slot);
    let sequence = register(ctx, site.sequence_register);
    // Opaque: the compiler would compute with whatever lies in its register where there is none, and the
    // verifier refuses that.
    let value = black_box(sequence.unwrap_or_default());
    let seen = Seen {
        now_ns,
        switches: task::switches(),
        registers: lasting_registers(ctx, site, value),
        sequence: if sequence.is_some() {
            value & 0xffff_ffff
        } else {
            SpinState::NO_SEQUENCE
        },
    };
    if let Some(spin) = SPINS.get_ptr_mut(key) {
        // SAFETY: the element is this key's or was until a moment ago.
        let spin = unsafe { &mut *spin };
        if spin.continues(now_ns, seen.sequence, seen.switches, seen.registers) {
            spin.last_ns = now_ns;
            spin.pauses += 1;
            spin.cpu = task::cpu();
            return;
        }
        end(key, spin);
    }
    begin(ctx, key, &seen);
}

/// What a `pause` shows.
struct Seen {
    now_ns: u64,
    sequence: u64,
    switches: u64,
    registers: u64,
}

#[inline(never)]
fn begin(ctx: &ProbeContext, key: WaitKey, seen: &Seen) {
    let reader = task::current();
    let Seen {
        now_ns,
        sequence,
        switches,
        registers,
    } = *seen;
    let Some(state) = SPIN.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: this CPU's element.
    let state = unsafe { &mut *state };
    // Field by field: the compiler would make the whole on the stack first.
    state.first_ns = now_ns;
    state.last_ns = now_ns;
    state.pauses = 1;
    state.sequence = sequence;
    state.switches = switches;
    state.registers = registers;
    state.tgid = reader.tgid;
    state.stack = stack(ctx);
    state.cpu = task::cpu();
    state.command = task::is_command(reader.tgid);
    state.cgroup = task::cgroup();
    state.comm = reader.comm;
    state.edge = Edge::unknown(reason::UNKNOWN_WORD);
    blame::find(ctx, key.slot, sequence, &mut state.edge);
    let state = &*state;
    if SPINS.insert(key, state, u64::from(BPF_NOEXIST)).is_err() {
        lose(loss::SPINS_FULL);
    }
}

/// The wait is over.
#[inline(never)]
fn end(key: WaitKey, spin: &SpinState) {
    let Some(ended) = SPIN.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: this CPU's element.
    let ended = unsafe { &mut *ended };
    *ended = *spin;
    if SPINS.remove(key).is_ok() && filter::is_long(key.slot, ended.duration_ns()) {
        let Some(counters) = counters(key.slot) else {
            return;
        };
        counters.complete(ended.duration_ns());
        let event = ended.event(key);
        complete(counters, &event);
        let wait = LastWait {
            end_ns: event.time_ns,
            duration_ns: event.duration_ns,
            slot: event.slot,
            stack: event.stack,
            tid: event.tid,
        };
        blame::credit(counters, &wait, &ended.edge);
    }
}

/// Sum of the registers that a spinning reader does not change.
#[inline]
fn lasting_registers(ctx: &ProbeContext, site: &SiteEntry, sequence: u64) -> u64 {
    let regs = registers(ctx);
    let sum = regs
        .rsp
        .wrapping_add(regs.rbx)
        .wrapping_add(regs.rbp)
        .wrapping_add(regs.r12)
        .wrapping_add(regs.r13)
        .wrapping_add(regs.r14)
        .wrapping_add(regs.r15);
    match site.sequence_register {
        3 | 5 | 12..=15 => sum.wrapping_sub(sequence),
        _ => sum,
    }
}
