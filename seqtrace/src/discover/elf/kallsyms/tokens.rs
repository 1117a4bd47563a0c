//! `kallsyms_token_table` and `kallsyms_token_index`: what each byte of a compressed name stands
//! for.

/// Number of values of a byte.
const TOKENS: usize = 256;
const INDEX_BYTES: usize = 2 * TOKENS;
/// The tables are aligned to 8 bytes, since 7.0 to 4.
const ALIGN: usize = 4;
/// The longest token that is looked for; the kernel's are below 20.
const LONGEST_TOKEN_BYTES: usize = 128;

/// What the bytes of names stand for.
#[derive(Debug)]
pub(super) struct Tokens<'data> {
    texts: Vec<&'data [u8]>,
    /// Where the table of tokens starts.
    pub(super) start: usize,
    /// Where the index ends, which follows it.
    pub(super) end: usize,
}

impl<'data> Tokens<'data> {
    /// All places where the two tables may be.
    pub(super) fn candidates(bytes: &'data [u8]) -> impl Iterator<Item = Self> {
        let last = bytes.len().saturating_sub(INDEX_BYTES - 1);
        (0..last)
            .step_by(ALIGN)
            .filter_map(|at| Self::before(bytes, at, &positions(bytes, at)?))
    }

    /// The table that ends before an index at `end`.
    fn before(bytes: &'data [u8], end: usize, positions: &[usize]) -> Option<Self> {
        let (&last, _) = positions.split_last()?;
        // Behind the start of the last token: itself, a zero, and what aligns the index.
        let nearest = last + 2;
        let farthest = nearest + LONGEST_TOKEN_BYTES;
        (nearest..farthest).find_map(|distance| {
            let start = end.checked_sub(distance)?;
            let texts = texts(&bytes[start..end], positions)?;
            start.is_multiple_of(ALIGN).then_some(Self {
                texts,
                start,
                end: end + INDEX_BYTES,
            })
        })
    }

    /// What a byte stands for.
    pub(super) fn text(&self, byte: u8) -> &'data [u8] {
        self.texts[usize::from(byte)]
    }
}

/// The index at `at`, if it is one: positions that start at zero and leave room for a character
/// and a zero each.
fn positions(bytes: &[u8], at: usize) -> Option<Vec<usize>> {
    let index = bytes.get(at..at + INDEX_BYTES)?;
    let position = |index: &[u8]| usize::from(u16::from_le_bytes([index[0], index[1]]));
    let is_start = index[..2] == [0, 0] && index[2] >= 2;
    if !is_start {
        return None;
    }
    let positions: Vec<usize> = index.chunks_exact(2).map(position).collect();
    let is_index = positions
        .windows(2)
        .all(|pair| (2..=LONGEST_TOKEN_BYTES).contains(&pair[1].wrapping_sub(pair[0])));
    is_index.then_some(positions)
}

/// The strings that start at these positions, if exactly these do.
fn texts<'data>(table: &'data [u8], positions: &[usize]) -> Option<Vec<&'data [u8]>> {
    let strings = table.split(|&byte| byte == 0).take(TOKENS);
    let mut next = 0;
    let mut texts = Vec::with_capacity(TOKENS);
    for (text, &position) in strings.zip(positions) {
        if position != next || text.is_empty() {
            return None;
        }
        next += text.len() + 1;
        texts.push(text);
    }
    // Only zeros behind the last one.
    let padding = table.get(next..)?;
    let is_whole = texts.len() == TOKENS && padding.iter().all(|&byte| byte == 0);
    is_whole.then_some(texts)
}
