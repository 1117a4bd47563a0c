//! From the registers saved at a probe to the site it stands for.

use core::{arch::asm, mem::offset_of};

use aya_ebpf::{bindings::pt_regs, helpers::bpf_get_prandom_u32, programs::ProbeContext};
use seqtrace_common::{
    loss,
    site::{SiteEntry, probed_address},
};

use crate::{
    filter,
    maps::{SITES, THINNING, counters, counting, lose},
};

/// Loads one register from the context.
///
/// Not written in Rust, because the compiler would make one load with a computed address of the many
/// in `register`, and the verifier wants a constant offset from the context.
macro_rules! load {
    ($ctx:expr, $register:ident) => {{
        let value: u64;
        // SAFETY: reads a member of the `pt_regs` that the context of a kprobe program is.
        unsafe {
            asm!(
                "{value} = *(u64 *)({regs} + {offset})",
                value = out(reg) value,
                regs = in(reg) $ctx.regs,
                offset = const offset_of!(pt_regs, $register),
                options(pure, readonly, nostack),
            );
        }
        value
    }};
}

/// Finds the site and counts the hit; `None` outside the time in which events are counted, and for what
/// the filter leaves out.
#[inline]
pub(crate) fn hit(ctx: &ProbeContext) -> Option<SiteEntry> {
    if !counting() {
        return None;
    }
    let site = find(ctx).filter(|site| filter::admits(site.slot))?;
    if let Some(counters) = counters(site.slot) {
        counters.hits += 1;
    }
    Some(site)
}

/// As [`hit`], at a site that may be thinned: `None` also for the hits that are passed over.
#[inline]
pub(crate) fn chosen(ctx: &ProbeContext) -> Option<SiteEntry> {
    if !counting() {
        return None;
    }
    find(ctx).filter(|site| filter::admits(site.slot) && is_taken(site))
}

/// Counts the hit of a site that may be thinned, or that it is passed over; whether it counts.
///
/// Chance decides, not every n-th hit: readers that come in turn would be seen always or never.
#[inline]
pub(crate) fn is_taken(site: &SiteEntry) -> bool {
    let mask = THINNING.get(site.slot).copied().unwrap_or_default();
    // SAFETY: the helper takes nothing.
    let is_chosen = mask == 0 || unsafe { bpf_get_prandom_u32() } & mask == 0;
    if let Some(counters) = counters(site.slot) {
        counters.hits += u64::from(is_chosen);
        counters.thinned_out += u64::from(!is_chosen);
    }
    is_chosen
}

/// Finds the site without counting, for the second half of a block.
#[inline]
pub(crate) fn find(ctx: &ProbeContext) -> Option<SiteEntry> {
    let address = probed_address(registers(ctx).rip);
    // SAFETY: user space does not change the table while probes are attached.
    let site = unsafe { SITES.get(address) };
    if site.is_none() {
        lose(loss::UNKNOWN_ADDRESS);
    }
    site.copied()
}

/// The registers at the probe.
#[inline]
pub(crate) fn registers(ctx: &ProbeContext) -> &pt_regs {
    // SAFETY: the context of a kprobe program is a `pt_regs`.
    unsafe { &*ctx.regs }
}

/// A register by its number in the instruction encoding; `None` for the stack pointer and numbers
/// that no register has.
#[inline]
pub(crate) fn register(ctx: &ProbeContext, number: u32) -> Option<u64> {
    Some(match number {
        0 => load!(ctx, rax),
        1 => load!(ctx, rcx),
        2 => load!(ctx, rdx),
        3 => load!(ctx, rbx),
        5 => load!(ctx, rbp),
        6 => load!(ctx, rsi),
        7 => load!(ctx, rdi),
        8 => load!(ctx, r8),
        9 => load!(ctx, r9),
        10 => load!(ctx, r10),
        11 => load!(ctx, r11),
        12 => load!(ctx, r12),
        13 => load!(ctx, r13),
        14 => load!(ctx, r14),
        15 => load!(ctx, r15),
        _ => return None,
    })
}
