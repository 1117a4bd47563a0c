//! The loaded bytes of a linked kernel by address.

use object::{Object as _, ObjectSection as _, ObjectSegment as _, SectionFlags, elf as format};

use super::File;
use crate::discover::image::Segment;

/// Bytes of the file and the address of the first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'data> {
    pub(super) address: u64,
    pub(super) bytes: &'data [u8],
}

/// Everything that is loaded and has bytes in the file.
#[derive(Debug)]
pub(super) struct Memory<'data> {
    parts: Vec<Part<'data>>,
}

impl<'data> Memory<'data> {
    /// By the program headers, or by the section headers where there are none.
    pub(super) fn new(file: &File<'data>) -> Self {
        let segments = file.segments().filter_map(|segment| {
            let bytes = segment.data().ok()?;
            let address = segment.address();
            Some(Part { address, bytes })
        });
        let sections = file.sections().filter_map(|section| {
            let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
                return None;
            };
            let bytes = section.data().ok()?;
            let address = section.address();
            sh_flags
                .contains(format::SHF_ALLOC)
                .then_some(Part { address, bytes })
        });
        let mut parts: Vec<Part<'data>> = segments.collect();
        if parts.iter().all(|part| part.bytes.is_empty()) {
            parts = sections.collect();
        }
        Self { parts }
    }

    pub(super) fn parts(&self) -> &[Part<'data>] {
        &self.parts
    }

    /// The bytes of `start .. end`, if all of them are in one part.
    pub(super) fn segment(&self, start: u64, end: u64) -> Option<Segment> {
        let length = usize::try_from(end.checked_sub(start)?).ok()?;
        let bytes = self.parts.iter().find_map(|part| {
            let at = usize::try_from(start.checked_sub(part.address)?).ok()?;
            part.bytes.get(at..at.checked_add(length)?)
        })?;
        Some(Segment {
            address: start,
            bytes: bytes.to_vec(),
        })
    }
}
