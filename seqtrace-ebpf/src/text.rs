//! Copies kernel memory out for discovery, where there is no `/proc/kcore`. Never attached: user
//! space runs it by `BPF_PROG_TEST_RUN`.

use aya_ebpf::{helpers::generated::bpf_probe_read_kernel, macros::map, maps::Array};
use seqtrace_common::text::{CHUNK_BYTES, PAGE_BYTES, PAGES};

/// What was read last.
#[map]
static TEXT: Array<[u8; CHUNK_BYTES]> = Array::with_max_entries(1, 0);

/// Copies the pages from `address` on. Returns the pages that could not be read, a bit for each
/// from the lowest; the helper fills those with zeros.
#[inline]
pub(crate) fn copy(address: u64) -> u32 {
    let Some(chunk) = TEXT.get_ptr_mut(0) else {
        return u32::MAX;
    };
    let chunk: *mut u8 = chunk.cast();
    let mut unread = 0;
    for page in 0..PAGES {
        let at = page * PAGE_BYTES;
        // SAFETY: the page lies in the element; the helper survives any source address.
        let status = unsafe {
            bpf_probe_read_kernel(
                chunk.add(at).cast(),
                PAGE_BYTES as u32,
                (address + at as u64) as *const _,
            )
        };
        if status != 0 {
            unread |= 1 << page;
        }
    }
    unread
}
