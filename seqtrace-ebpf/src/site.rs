//! From the registers saved at a probe to the site it stands for.

use aya_ebpf::{bindings::pt_regs, programs::ProbeContext};
use seqtrace_common::{
    loss,
    site::{SiteEntry, probed_address},
};

use crate::maps::{SITES, counters, counting, lose};

/// Finds the site and counts the hit; `None` outside the time in which events are counted.
#[inline]
pub(crate) fn hit(ctx: &ProbeContext) -> Option<SiteEntry> {
    if !counting() {
        return None;
    }
    let site = find(ctx)?;
    if let Some(counters) = counters(site.slot) {
        counters.hits += 1;
    }
    Some(site)
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
    let regs = registers(ctx);
    Some(match number {
        0 => regs.rax,
        1 => regs.rcx,
        2 => regs.rdx,
        3 => regs.rbx,
        5 => regs.rbp,
        6 => regs.rsi,
        7 => regs.rdi,
        8 => regs.r8,
        9 => regs.r9,
        10 => regs.r10,
        11 => regs.r11,
        12 => regs.r12,
        13 => regs.r13,
        14 => regs.r14,
        15 => regs.r15,
        _ => return None,
    })
}
