//! From the registers at a probe to the sequence.

use aya_ebpf::programs::ProbeContext;
use seqtrace_common::hold::WordEntry;

use crate::{maps::WORDS, site::register};

/// Where the sequence of a site lies; `None` when the registers do not lead there.
#[inline]
pub(crate) fn address(ctx: &ProbeContext, slot: u32) -> Option<u64> {
    address_by(ctx, WORDS.get(slot)?)
}

/// As [`address`], of a sequence that is reached so.
#[inline]
pub(crate) fn address_by(ctx: &ProbeContext, word: &WordEntry) -> Option<u64> {
    if word.scale == 0 {
        return None;
    }
    if word.is_variable() {
        return Some(word.constant);
    }
    let part = |number| match number {
        WordEntry::NO_REGISTER => Some(0),
        number => register(ctx, number),
    };
    let index = part(word.index)?.wrapping_mul(u64::from(word.scale));
    Some(
        word.constant
            .wrapping_add(part(word.base)?)
            .wrapping_add(index),
    )
}
