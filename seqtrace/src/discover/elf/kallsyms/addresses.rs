//! `kallsyms_offsets` and `kallsyms_relative_base`: the address of each symbol, in every layout
//! that kernels have had since 4.6.

use super::{super::memory::Part, names::Names, tokens::Tokens};

/// How an offset becomes an address.
#[derive(Clone, Copy, Debug)]
enum Encoding {
    /// Behind the base; with `CONFIG_KALLSYMS_ABSOLUTE_PERCPU` (until 6.14), an offset that is
    /// not negative is the value itself.
    AbsolutePerCpu { base: u64 },
    /// Behind the base.
    Relative { base: u64 },
    /// Behind its own place (since 7.0).
    Itself,
}

/// The addresses in the order of the names. `known` is the index of a symbol and its address.
pub(super) fn addresses(
    part: Part<'_>,
    names: &Names<'_>,
    tokens: &Tokens<'_>,
    known: (usize, u64),
) -> Option<Vec<u64>> {
    let bytes = 4 * names.len();
    // Until 6.3 before the number of names, with the base in between; since 6.4 behind the
    // tokens, with the base behind.
    let base_before = names.start.checked_sub(8).map(|at| at & !7);
    let before = base_before.and_then(|base| Some((base.checked_sub(bytes)? & !7, base)));
    let behind = [4, 8].map(|align| tokens.end.next_multiple_of(align));
    let with_base = behind.map(|at| (at, (at + bytes).next_multiple_of(8)));
    let relative = before.into_iter().chain(with_base).flat_map(|(at, base)| {
        let base = word(part.bytes, base);
        base.into_iter().flat_map(move |base| {
            [
                (at, Encoding::AbsolutePerCpu { base }),
                (at, Encoding::Relative { base }),
            ]
        })
    });
    let to_themselves = behind.map(|at| (at, Encoding::Itself));
    relative.chain(to_themselves).find_map(|(at, encoding)| {
        let offsets = part.bytes.get(at..at.checked_add(bytes)?)?;
        let decoded = decode(offsets, part.address + at as u64, encoding);
        let (index, address) = known;
        let is_right = decoded[index] == address && decoded.is_sorted();
        is_right.then_some(decoded)
    })
}

fn decode(offsets: &[u8], address: u64, encoding: Encoding) -> Vec<u64> {
    let words = offsets.chunks_exact(4);
    let words = words.map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    let places = (address..).step_by(4);
    words
        .zip(places)
        .map(|(offset, place)| {
            let signed = i64::from(offset as i32);
            match encoding {
                Encoding::AbsolutePerCpu { .. } if signed >= 0 => offset.into(),
                Encoding::AbsolutePerCpu { base } => {
                    base.wrapping_sub(1).wrapping_add_signed(-signed)
                }
                Encoding::Relative { base } => base.wrapping_add(offset.into()),
                Encoding::Itself => place.wrapping_add_signed(signed),
            }
        })
        .collect()
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let word = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*word))
}
