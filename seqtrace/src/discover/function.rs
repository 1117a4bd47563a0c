//! The functions of an image, cut by symbols: a symbol's function reaches to the next one.

use super::{
    image::Image,
    symbols::{PADDING_PREFIX, SymbolKind},
};

/// Longer stretches between two symbols are tables or gaps.
const LONGEST_BYTES: u64 = 0x2_0000;

/// gcc's suffix for the part of a function that it takes to run rarely.
pub(super) const COLD_SUFFIX: &str = ".cold";

/// A function, or the cold part of one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Function<'a> {
    /// The first of its names.
    pub(super) name: &'a str,
    /// Address of its first byte.
    pub(super) start: u64,
    /// Address behind its last byte.
    pub(super) end: u64,
}

impl<'a> Function<'a> {
    /// The name of the function whose cold part this is.
    pub(super) fn parent_name(&self) -> Option<&'a str> {
        self.name.strip_suffix(COLD_SUFFIX)
    }
}

/// All functions by address.
#[derive(Debug)]
pub(super) struct Functions<'a> {
    list: Vec<Function<'a>>,
}

impl<'a> Functions<'a> {
    pub(super) fn new(image: &'a Image) -> Self {
        let mut starts: Vec<(u64, &str)> = image
            .symbols
            .iter()
            .filter(|symbol| symbol.kind == SymbolKind::Text)
            .map(|symbol| (symbol.address, symbol.name))
            .collect();
        starts.dedup_by_key(|&mut (address, _)| address);
        let mut list = Vec::with_capacity(starts.len());
        for (index, &(start, name)) in starts.iter().enumerate() {
            let Some(segment) = image.segment_of(start) else {
                continue;
            };
            let next = starts.get(index + 1).map_or(u64::MAX, |&(next, _)| next);
            let end = next.min(segment.end());
            // Trampolines of static calls are patched at run time and hold no code of their own.
            let is_code = !name.starts_with(PADDING_PREFIX) && !name.starts_with("__SCT__");
            if is_code && end - start <= LONGEST_BYTES {
                list.push(Function { name, start, end });
            }
        }
        Self { list }
    }

    pub(super) fn as_slice(&self) -> &[Function<'a>] {
        &self.list
    }

    /// The function an address lies in.
    pub(super) fn at(&self, address: u64) -> Option<Function<'a>> {
        let behind = self
            .list
            .partition_point(|function| function.start <= address);
        let function = *self.list[..behind].last()?;
        (address < function.end).then_some(function)
    }
}
