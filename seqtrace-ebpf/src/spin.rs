//! Spins: a reader executes `pause` while a sequence is odd. `SpinState` says what one wait is.

use aya_ebpf::{bindings::BPF_NOEXIST, helpers::bpf_ktime_get_ns, programs::ProbeContext};
use seqtrace_common::{
    loss,
    site::SiteEntry,
    wait::{SpinState, WaitKey},
};

use crate::{
    complete::{complete, stack},
    maps::{SPINS, counters, lose, settings},
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
    let switches = task::switches(&settings());
    let registers = lasting_registers(ctx, &site, sequence);
    let sequence = sequence.map_or(SpinState::NO_SEQUENCE, |value| value & 0xffff_ffff);
    if let Some(spin) = SPINS.get_ptr_mut(key) {
        // SAFETY: the element is this key's or was until a moment ago.
        let spin = unsafe { &mut *spin };
        if spin.continues(now_ns, sequence, switches, registers) {
            spin.last_ns = now_ns;
            spin.pauses += 1;
            spin.cpu = task::cpu();
            return;
        }
        let ended = *spin;
        if SPINS.remove(key).is_ok() {
            finish(key, &ended);
        }
    }
    begin(ctx, key, now_ns, sequence, switches, registers);
}

#[inline]
fn begin(
    ctx: &ProbeContext,
    key: WaitKey,
    now_ns: u64,
    sequence: u64,
    switches: u64,
    registers: u64,
) {
    let reader = task::current();
    let state = SpinState {
        first_ns: now_ns,
        last_ns: now_ns,
        pauses: 1,
        sequence,
        switches,
        registers,
        tgid: reader.tgid,
        stack: stack(ctx),
        cpu: task::cpu(),
        reserved: 0,
        comm: reader.comm,
    };
    if SPINS.insert(key, state, u64::from(BPF_NOEXIST)).is_err() {
        lose(loss::SPINS_FULL);
    }
}

/// Sum of the registers that a spinning reader does not change.
#[inline]
fn lasting_registers(ctx: &ProbeContext, site: &SiteEntry, sequence: Option<u64>) -> u64 {
    let regs = registers(ctx);
    let sum = regs
        .rsp
        .wrapping_add(regs.rbx)
        .wrapping_add(regs.rbp)
        .wrapping_add(regs.r12)
        .wrapping_add(regs.r13)
        .wrapping_add(regs.r14)
        .wrapping_add(regs.r15);
    match (site.sequence_register, sequence) {
        (3 | 5 | 12..=15, Some(value)) => sum.wrapping_sub(value),
        _ => sum,
    }
}

#[inline]
fn finish(key: WaitKey, spin: &SpinState) {
    if let Some(counters) = counters(key.slot) {
        counters.complete(spin.duration_ns());
    }
    complete(&spin.event(key));
}
