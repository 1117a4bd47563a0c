//! `kallsyms_num_syms`, `kallsyms_names` and `kallsyms_markers`: the compressed names.

use super::tokens::Tokens;

/// Every so many names there is a marker with its position.
const NAMES_PER_MARKER: usize = 256;
/// How many names are looked at, all attempts together, before a table is given up.
const LOOKS: usize = 1 << 26;
/// The longest name (`KSYM_NAME_LEN`), and that of all together; a kernel's are a tenth.
const LONGEST_NAME_BYTES: usize = 512;
const ALL_NAMES_BYTES: usize = 64 << 20;
/// Fewer names are no kernel's, and have no marker but that of the start, which is zero anywhere.
const FEWEST_NAMES: usize = NAMES_PER_MARKER + 1;
/// The types of symbols that `nm` knows.
const KINDS: &[u8] = b"aAbBcCdDgGiInNpPrRsStTuUvVwW?";

/// The compressed names.
#[derive(Debug)]
pub(super) struct Names<'data> {
    /// Where the number of names is.
    pub(super) start: usize,
    compressed: Vec<&'data [u8]>,
}

impl<'data> Names<'data> {
    /// All that may be the names before the table of tokens.
    pub(super) fn candidates(
        bytes: &'data [u8],
        tokens: &Tokens<'data>,
    ) -> impl Iterator<Item = Self> {
        let before = &bytes[..tokens.start];
        let mut looks = LOOKS;
        (0..before.len().saturating_sub(4))
            .step_by(4)
            .filter_map(move |at| Some((at, count(before, at)?)))
            .flat_map(|(at, count)| {
                let aligned = (at + 4).next_multiple_of(8);
                let other = (aligned != at + 4).then_some(aligned);
                let places = std::iter::once(at + 4).chain(other);
                places.map(move |names| (at, count, names))
            })
            .filter_map(move |(at, count, names)| {
                let compressed = records(before, names, count, tokens, &mut looks)?;
                let start = at;
                Some(Self { start, compressed })
            })
    }

    /// Number of names.
    pub(super) fn len(&self) -> usize {
        self.compressed.len()
    }

    /// The type of each symbol, as `nm` has it, and its name.
    pub(super) fn expanded(&self, tokens: &Tokens<'data>) -> impl Iterator<Item = (u8, String)> {
        self.compressed.iter().filter_map(|name| {
            let text: Vec<u8> = name
                .iter()
                .flat_map(|&byte| tokens.text(byte))
                .copied()
                .collect();
            let (&kind, name) = text.split_first()?;
            Some((kind, String::from_utf8_lossy(name).into_owned()))
        })
    }
}

fn count(bytes: &[u8], at: usize) -> Option<usize> {
    let word = bytes.get(at..)?.first_chunk()?;
    let count = u32::from_le_bytes(*word) as usize;
    // A name takes two bytes at least.
    let is_count = count >= FEWEST_NAMES && count <= (bytes.len() - at) / 2;
    is_count.then_some(count)
}

/// So many names from `start` on, if they are names and their markers follow.
fn records<'data>(
    bytes: &'data [u8],
    start: usize,
    count: usize,
    tokens: &Tokens<'_>,
    looks: &mut usize,
) -> Option<Vec<&'data [u8]>> {
    let mut records = Vec::new();
    let mut markers = Vec::new();
    let mut next = start;
    let mut room = ALL_NAMES_BYTES;
    for index in 0..count {
        *looks = looks.checked_sub(1)?;
        if index % NAMES_PER_MARKER == 0 {
            markers.push((next - start) as u32);
        }
        let (name, behind) = record(bytes, next)?;
        let &first = name.first()?;
        let length: usize = name.iter().map(|&byte| tokens.text(byte).len()).sum();
        if length > LONGEST_NAME_BYTES || !KINDS.contains(&tokens.text(first)[0]) {
            return None;
        }
        room = room.checked_sub(length)?;
        records.push(name);
        next = behind;
    }
    let are_markers = |at: usize| {
        let words = bytes.get(at..).unwrap_or_default().chunks_exact(4);
        let mut words = words.map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
        markers.iter().all(|&marker| words.next() == Some(marker))
    };
    // Aligned to 8 bytes, since 7.0 to 4.
    let is_whole = [4, 8]
        .iter()
        .any(|&align| are_markers(next.next_multiple_of(align)));
    is_whole.then_some(records)
}

/// A compressed name and where the next one is: the length takes one byte, or two when the first
/// has its upper bit (since 6.1).
fn record(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let first = usize::from(*bytes.get(at)?);
    let (length, start) = if first & 0x80 == 0 {
        (first, at + 1)
    } else {
        let second = usize::from(*bytes.get(at + 1)?);
        ((first & 0x7f) | second << 7, at + 2)
    };
    let end = start + length;
    Some((bytes.get(start..end)?, end))
}
