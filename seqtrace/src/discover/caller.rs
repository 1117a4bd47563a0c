//! Where functions are called from: the bytes of the text in, direct calls of given functions out.
//!
//! A search for the bytes of calls and jumps, which may also turn up bytes inside other
//! instructions; who looks at the caller sees that it is none. Calls through pointers are not
//! found.

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use rustc_hash::FxHashSet;

use super::image::{Image, Segment};

/// `call rel32` and `jmp rel32`.
const OPCODES: [u8; 2] = [0xe8, 0xe9];
const INSTRUCTION_BYTES: usize = 5;
/// Bytes that one thread looks through at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// Addresses of what may be calls of any of the functions, with the function that is called;
/// sorted.
pub(super) fn calls_of(image: &Image, functions: &FxHashSet<u64>) -> Vec<(u64, u64)> {
    let chunks: Vec<(&Segment, usize)> = image
        .text
        .iter()
        .flat_map(|segment| {
            let starts = (0..segment.bytes.len()).step_by(CHUNK_BYTES);
            starts.map(move |start| (segment, start))
        })
        .collect();
    let mut calls: Vec<(u64, u64)> = chunks
        .into_par_iter()
        .flat_map_iter(|(segment, start)| calls_in(segment, start, functions))
        .collect();
    calls.sort_unstable();
    calls
}

fn calls_in<'a>(
    segment: &'a Segment,
    start: usize,
    functions: &'a FxHashSet<u64>,
) -> impl Iterator<Item = (u64, u64)> + 'a {
    let end = start.saturating_add(CHUNK_BYTES).min(segment.bytes.len());
    (start..end).filter_map(move |at| {
        if !OPCODES.contains(&segment.bytes[at]) {
            return None;
        }
        let operand = segment.bytes.get(at + 1..)?.first_chunk::<4>()?;
        let distance = i64::from(i32::from_le_bytes(*operand));
        let call = segment.address.wrapping_add(at as u64);
        let next = call.wrapping_add(INSTRUCTION_BYTES as u64);
        let target = next.wrapping_add_signed(distance);
        functions.contains(&target).then_some((call, target))
    })
}
