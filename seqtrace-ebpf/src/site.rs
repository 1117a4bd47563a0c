//! From the registers saved at a probe to the site it stands for.

use core::{arch::asm, mem::offset_of};

use aya_ebpf::{bindings::pt_regs, helpers::bpf_get_prandom_u32, programs::ProbeContext};
use seqtrace_common::{
    counters::SiteCounters,
    loss,
    site::{SiteEntry, SitePlaces, probed_address},
};

use crate::{
    filter,
    maps::{SITE_PLACES, SITES, counters, counting, lose, setting},
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
pub(crate) fn hit(ctx: &ProbeContext) -> Option<&'static SiteEntry> {
    if !counting() {
        return None;
    }
    let site = find(ctx).filter(|site| filter::admits(site.slot))?;
    if let Some(counters) = counters(site.slot) {
        counters.hits += 1;
    }
    Some(site)
}

/// Counts the hit of a site that may be thinned, or that it is passed over; whether it counts.
///
/// Chance decides, not every n-th hit: readers that come in turn would be seen always or never.
#[inline]
pub(crate) fn is_taken(site: &SiteEntry, counters: &mut SiteCounters) -> bool {
    // SAFETY: the helper takes nothing.
    let is_chosen = site.thinning == 0 || unsafe { bpf_get_prandom_u32() } & site.thinning == 0;
    if is_chosen {
        counters.hits += 1;
    } else {
        counters.thinned_out += 1;
    }
    is_chosen
}

/// Finds the site without counting, for the second half of a block.
#[inline]
pub(crate) fn find(ctx: &ProbeContext) -> Option<&'static SiteEntry> {
    let address = probed_address(registers(ctx).rip);
    let first =
        setting!(SITE_PLACES, multiplier).wrapping_mul(address) >> setting!(SITE_PLACES, shift);
    for place in 0..SitePlaces::PLACES {
        let site = SITES.get(first as u32 + place);
        if let Some(site) = site
            && site.address == address
        {
            return Some(site);
        }
    }
    lose(loss::UNKNOWN_ADDRESS);
    None
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
