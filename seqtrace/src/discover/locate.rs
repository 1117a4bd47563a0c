//! Memory behind the text of a running vmlinux → its tables about the text, by their contents:
//! without CONFIG_KALLSYMS_ALL no symbol may tell where they are.
//!
//! An entry of a table points at instructions of one kind only, which nothing else in memory does
//! many times in a row. Too few of them in a row are no table.

use super::{
    image::Segment,
    tables::{BUG_LAYOUTS, BugLayout, EXCEPTION_ENTRY_BYTES, JUMP_ENTRY_BYTES, is_trap, relative},
};

/// Linker scripts align the tables to this or more (`include/asm-generic/vmlinux.lds.h`,
/// `JUMP_TABLE_DATA`, `BUG_TABLE`, `EXCEPTION_TABLE`).
const ALIGNMENT: usize = 8;

/// A shorter row is chance.
const FEWEST_ENTRIES: usize = 16;

/// Kinds of fixups are numbered from 1 (`arch/x86/include/asm/extable_fixup_types.h`).
const FIXUP_KINDS: std::ops::Range<u8> = 1..32;

/// How well bytes look like an entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fit {
    /// It points at what entries of the table point at.
    Sure,
    /// It points into the kernel, where no text is now: init text is gone after boot.
    Possible,
    No,
}

/// `__jump_table` in `memory`, with `text` being all of the readable text; empty when it is not
/// there.
pub fn jump_table(text: &[Segment], memory: &[Segment]) -> Segment {
    let space = Space::new(text, memory);
    let rows = memory
        .iter()
        .map(|segment| longest_row(segment, JUMP_ENTRY_BYTES, |entry, at| space.jump(entry, at)));
    longest(rows)
}

/// `__bug_table` in `memory`, in whichever layout fits best; empty when it is not there.
pub fn bug_table(text: &[Segment], memory: &[Segment]) -> Segment {
    let space = Space::new(text, memory);
    let rows = memory.iter().flat_map(|segment| {
        BUG_LAYOUTS.iter().map(|&BugLayout { entry_bytes, .. }| {
            longest_row(segment, entry_bytes, |entry, at| space.bug(entry, at))
        })
    });
    longest(rows)
}

/// `__ex_table` in `memory`; empty when it is not there.
pub fn exception_table(text: &[Segment], memory: &[Segment]) -> Segment {
    let space = Space::new(text, memory);
    let rows = memory.iter().map(|segment| {
        longest_row(segment, EXCEPTION_ENTRY_BYTES, |entry, at| {
            space.exception(entry, at)
        })
    });
    longest(rows)
}

fn longest(rows: impl Iterator<Item = Segment>) -> Segment {
    rows.max_by_key(|row| row.bytes.len()).unwrap_or_default()
}

/// The longest row of entries in a segment.
fn longest_row(segment: &Segment, entry_bytes: usize, fit: impl Fn(&[u8], u64) -> Fit) -> Segment {
    let Segment { address, bytes } = segment;
    let fit_at = |at: usize| match bytes.get(at..at + entry_bytes) {
        Some(entry) => fit(entry, address.wrapping_add(at as u64)),
        None => Fit::No,
    };
    let mut best = 0..0;
    let mut at = (address.wrapping_neg() % ALIGNMENT as u64) as usize;
    while at < bytes.len() {
        if fit_at(at) != Fit::Sure {
            at += ALIGNMENT;
            continue;
        }
        let (end, sure) = row(at, entry_bytes, fit_at);
        let entries = (end - at) / entry_bytes;
        let is_table = sure >= FEWEST_ENTRIES && sure * 4 >= entries * 3;
        if is_table && end - at > best.len() {
            best = at..end;
        }
        at = end.next_multiple_of(ALIGNMENT);
    }
    Segment {
        address: address.wrapping_add(best.start as u64),
        bytes: bytes[best].to_vec(),
    }
}

/// The end of the row of entries that starts at a place, behind its last sure one, and how many
/// of those it has.
fn row(start: usize, entry_bytes: usize, fit_at: impl Fn(usize) -> Fit) -> (usize, usize) {
    let (mut at, mut end, mut sure) = (start, start, 0);
    loop {
        match fit_at(at) {
            Fit::Sure => {
                sure += 1;
                end = at + entry_bytes;
            }
            Fit::Possible => {}
            Fit::No => return (end, sure),
        }
        at += entry_bytes;
    }
}

/// What an entry may point to.
struct Space<'a> {
    text: &'a [Segment],
    start: u64,
    end: u64,
}

impl<'a> Space<'a> {
    fn new(text: &'a [Segment], memory: &[Segment]) -> Self {
        Self {
            text,
            start: text.first().map_or(0, |segment| segment.address),
            end: memory.last().map_or(0, Segment::end),
        }
    }

    fn code(&self, address: u64, bytes: u64) -> Option<&[u8]> {
        let end = address.checked_add(bytes)?;
        self.text
            .iter()
            .find_map(|segment| segment.slice(address, end))
    }

    /// Whether there could have been text.
    fn may_be_gone(&self, address: u64) -> bool {
        (self.start..self.end).contains(&address) && self.code(address, 1).is_none()
    }

    /// A static branch is a nop, or a jump to its target.
    fn jump(&self, entry: &[u8], at: u64) -> Fit {
        let (code, target) = (relative(entry, at, 0), relative(entry, at, 4));
        if self.may_be_gone(code) && self.may_be_gone(target) {
            return Fit::Possible;
        }
        let Some(bytes) = self.code(code, 5) else {
            return Fit::No;
        };
        let leads_to = match *bytes {
            [0x66, 0x90, ..] | [0x0f, 0x1f, 0x44, 0, 0] => target,
            [0xeb, distance, ..] => (code + 2).wrapping_add_signed((distance as i8).into()),
            [0xe9, a, b, c, d] => {
                (code + 5).wrapping_add_signed(i32::from_le_bytes([a, b, c, d]).into())
            }
            _ => return Fit::No,
        };
        if leads_to == target && self.code(target, 1).is_some() {
            Fit::Sure
        } else {
            Fit::No
        }
    }

    /// Two places in text, the kind of fixup, and which register it sets.
    fn exception(&self, entry: &[u8], at: u64) -> Fit {
        let (code, fixup) = (relative(entry, at, 0), relative(entry, at, 4));
        let is_text = |address| self.code(address, 1).is_some();
        if !FIXUP_KINDS.contains(&entry[8]) {
            Fit::No
        } else if is_text(code) && is_text(fixup) {
            Fit::Sure
        } else if self.may_be_gone(code) && self.may_be_gone(fixup) {
            Fit::Possible
        } else {
            Fit::No
        }
    }

    fn bug(&self, entry: &[u8], at: u64) -> Fit {
        let code = relative(entry, at, 0);
        match self.code(code, 3) {
            Some(bytes) if is_trap(bytes) => Fit::Sure,
            None if self.may_be_gone(code) => Fit::Possible,
            Some(_) | None => Fit::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: u64 = 0xffff_ffff_8100_0000;
    const DATA: u64 = 0xffff_ffff_8200_0000;
    /// No text any more.
    const INIT: u64 = 0xffff_ffff_8210_0000;

    /// Text with a nop, a jump 0x20 further, and a trap in each 0x40 bytes.
    fn text() -> Vec<Segment> {
        let mut bytes = vec![0xcc; 0x40 * 64];
        for function in bytes.chunks_mut(0x40) {
            function[..5].copy_from_slice(&[0x0f, 0x1f, 0x44, 0, 0]);
            function[8..10].copy_from_slice(&[0xeb, 0x1e]);
            function[0x10..0x12].copy_from_slice(&[0x0f, 0x0b]);
        }
        vec![Segment {
            address: TEXT,
            bytes,
        }]
    }

    /// Data whose last bytes belong to [`INIT`], filled from `at` on by `entries`.
    fn memory(at: usize, entries: &[u8]) -> Vec<Segment> {
        let mut bytes = vec![0; (INIT - DATA) as usize + 0x1000];
        bytes[at..at + entries.len()].copy_from_slice(entries);
        vec![Segment {
            address: DATA,
            bytes,
        }]
    }

    fn push_distance(table: &mut Vec<u8>, start: u64, to: u64) {
        let from = start + table.len() as u64;
        table.extend((to.wrapping_sub(from) as i32).to_le_bytes());
    }

    /// A jump table at `start`: nops, jumps, and one entry in eight of init text.
    fn jumps(start: u64, count: u64) -> Vec<u8> {
        let mut table = Vec::new();
        for index in 0..count {
            let function = TEXT + 0x40 * (index % 64);
            let (code, target) = match index % 8 {
                3 => (INIT, INIT + 0x30),
                4 => (function + 8, function + 0x28),
                _ => (function, function + 0x30),
            };
            push_distance(&mut table, start, code);
            push_distance(&mut table, start, target);
            table.extend([0; 8]);
        }
        table
    }

    #[test]
    fn the_jump_table_is_found_with_its_entries_of_init_text() {
        let table = jumps(DATA + 0x108, 64);
        let found = jump_table(&text(), &memory(0x108, &table));
        assert_eq!((found.address, found.bytes), (DATA + 0x108, table));
    }

    #[test]
    fn a_jump_that_leads_elsewhere_ends_the_table() {
        let mut table = jumps(DATA, 64);
        // The entry of a jump, which is no longer the one at its target.
        table[36 * 16 + 4] ^= 4;
        let found = jump_table(&text(), &memory(0, &table));
        assert_eq!(found.bytes.len(), 35 * 16);
    }

    #[test]
    fn the_bug_table_is_found_in_every_layout() {
        for BugLayout { entry_bytes, .. } in BUG_LAYOUTS {
            let mut table = Vec::new();
            for index in 0..50 {
                push_distance(&mut table, DATA + 0x40, TEXT + 0x40 * index + 0x10);
                table.resize((index as usize + 1) * entry_bytes, 0x11);
            }
            let found = bug_table(&text(), &memory(0x40, &table));
            assert_eq!(found.address, DATA + 0x40, "{entry_bytes}");
            assert_eq!(found.bytes, table, "{entry_bytes}");
        }
    }

    #[test]
    fn the_exception_table_is_found_between_other_distances() {
        let start = DATA + 0x800;
        // As the unwinder's table is: nothing but places in text.
        let mut table = Vec::new();
        for index in 0..300 {
            push_distance(&mut table, start - 1200, TEXT + index);
        }
        let others = table.len();
        for index in 0..40 {
            push_distance(&mut table, start - 1200, TEXT + 0x40 * index);
            push_distance(&mut table, start - 1200, TEXT + 0x40 * index + 0x30);
            table.extend([3, 0, 0xf2, 0xff]);
        }
        let found = exception_table(&text(), &memory(0x800 - others, &table));
        assert_eq!((found.address, found.bytes.len()), (start, 40 * 12));
    }

    #[test]
    fn a_few_entries_are_no_table() {
        let found = jump_table(&text(), &memory(0, &jumps(DATA, 12)));
        assert!(found.bytes.is_empty());
        assert!(bug_table(&text(), &memory(0, &[])).bytes.is_empty());
    }
}
