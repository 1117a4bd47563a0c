//! `__jump_table` and `__bug_table`: where control goes that the instructions do not show.

use rustc_hash::FxHashMap;

use super::image::{Image, Segment};

/// `struct jump_entry`: `s32 code, s32 target, s64 key`, the first two relative to themselves
/// (`include/linux/jump_label.h`, CONFIG_HAVE_ARCH_JUMP_LABEL_RELATIVE).
pub(super) const JUMP_ENTRY_BYTES: usize = 16;

/// See [`exceptions`].
pub(super) const EXCEPTION_ENTRY_BYTES: usize = 12;

/// `struct bug_entry` on x86 (`include/asm-generic/bug.h`), relative: the address, then `format`
/// since 7.0, `file` and `line` with CONFIG_DEBUG_BUGVERBOSE, and 16 bits of flags last.
pub(super) const BUG_LAYOUTS: [BugLayout; 3] = [
    BugLayout {
        entry_bytes: 12,
        flags_at: 10,
    },
    BugLayout {
        entry_bytes: 16,
        flags_at: 14,
    },
    BugLayout {
        entry_bytes: 8,
        flags_at: 4,
    },
];

/// `BUGFLAG_WARNING`: execution goes on behind the instruction.
const BUGFLAG_WARNING: u16 = 1;

#[derive(Clone, Copy, Debug)]
pub(super) struct BugLayout {
    pub(super) entry_bytes: usize,
    flags_at: usize,
}

/// Static branches: address of the nop or jump → the other place it may go to.
pub(super) fn static_branches(image: &Image) -> FxHashMap<u64, u64> {
    let Segment { address, bytes } = &image.jump_table;
    let entries = bytes
        .chunks_exact(JUMP_ENTRY_BYTES)
        .zip((*address..).step_by(JUMP_ENTRY_BYTES));
    entries
        .map(|(entry, at)| (relative(entry, at, 0), relative(entry, at, 4)))
        .filter(|&(code, target)| {
            image.segment_of(code).is_some() && image.segment_of(target).is_some()
        })
        .collect()
}

/// Addresses of trapping instructions that are warnings.
///
/// The layout of the entries depends on version and configuration and is written nowhere; the
/// right one is that whose every entry points at a trap.
pub(super) fn warnings(image: &Image) -> Vec<u64> {
    let best = BUG_LAYOUTS
        .iter()
        .map(|&layout| (bug_entries(image, layout), layout))
        .max_by_key(|(entries, layout)| trap_share(image, entries, *layout));
    let Some((entries, _)) = best else {
        return Vec::new();
    };
    let warnings = entries
        .into_iter()
        .filter(|&(_, flags)| flags & BUGFLAG_WARNING != 0);
    let mut warnings: Vec<u64> = warnings.map(|(address, _)| address).collect();
    warnings.sort_unstable();
    warnings
}

/// Addresses of instructions that may fault, ascending. `struct exception_table_entry` on x86:
/// `s32 insn, s32 fixup, s32 data`, each relative to itself (`arch/x86/include/asm/extable.h`).
pub(super) fn exceptions(image: &Image) -> Vec<u64> {
    let Segment { address, bytes } = &image.exception_table;
    let entries = bytes
        .chunks_exact(EXCEPTION_ENTRY_BYTES)
        .zip((*address..).step_by(EXCEPTION_ENTRY_BYTES));
    let mut found: Vec<u64> = entries
        .map(|(entry, at)| relative(entry, at, 0))
        .filter(|&code| image.segment_of(code).is_some())
        .collect();
    found.sort_unstable();
    found
}

fn bug_entries(image: &Image, layout: BugLayout) -> Vec<(u64, u16)> {
    let Segment { address, bytes } = &image.bug_table;
    let BugLayout {
        entry_bytes,
        flags_at,
    } = layout;
    let entries = bytes
        .chunks_exact(entry_bytes)
        .zip((*address..).step_by(entry_bytes));
    entries
        .map(|(entry, at)| {
            (
                relative(entry, at, 0),
                u16::from_le_bytes([entry[flags_at], entry[flags_at + 1]]),
            )
        })
        .filter(|&(code, _)| image.segment_of(code).is_some())
        .collect()
}

/// Bytes of the table, as one part in a thousand, that are entries pointing at a trap.
fn trap_share(image: &Image, entries: &[(u64, u16)], layout: BugLayout) -> usize {
    let traps = entries
        .iter()
        .filter(|&&(code, _)| is_trap(image.text_at(code, code + 3).unwrap_or_default()))
        .count();
    traps * layout.entry_bytes * 1000 / image.bug_table.bytes.len().max(1)
}

/// `ud2`, or since 7.0 `ud1` with the prefixes of its operand (`arch/x86/include/asm/bug.h`).
pub(super) fn is_trap(bytes: &[u8]) -> bool {
    matches!(bytes, [0x0f, 0x0b | 0xb9, ..] | [_, 0x0f, 0xb9])
}

/// What a distance at a place of an entry leads to.
pub(super) fn relative(entry: &[u8], entry_address: u64, at: usize) -> u64 {
    let word = [entry[at], entry[at + 1], entry[at + 2], entry[at + 3]];
    let distance = i64::from(i32::from_le_bytes(word));
    entry_address
        .wrapping_add(at as u64)
        .wrapping_add_signed(distance)
}

#[cfg(test)]
mod tests {
    use super::{static_branches, warnings};
    use crate::discover::image::{Image, Segment};

    const TEXT: u64 = 0x1000;

    fn image(jump_table: Vec<u8>, bug_table: Vec<u8>) -> Image {
        let mut bytes = vec![0x90; 0x100];
        for at in [0x10, 0x20, 0x30] {
            bytes[at..at + 2].copy_from_slice(&[0x0f, 0x0b]);
        }
        Image {
            text: vec![Segment {
                address: TEXT,
                bytes,
            }],
            jump_table: Segment {
                address: 0x2000,
                bytes: jump_table,
            },
            bug_table: Segment {
                address: 0x3000,
                bytes: bug_table,
            },
            ..Image::default()
        }
    }

    fn distance(to: u64, from: u64) -> [u8; 4] {
        (to.wrapping_sub(from) as i32).to_le_bytes()
    }

    #[test]
    fn a_static_branch_leads_to_both_of_its_targets() {
        let mut table = Vec::new();
        table.extend(distance(TEXT + 4, 0x2000));
        table.extend(distance(TEXT + 0x40, 0x2004));
        table.extend([0; 8]);
        // An entry for text that is gone, and half an entry.
        table.extend([0; 16]);
        table.extend([1; 7]);
        let branches = static_branches(&image(table, Vec::new()));
        assert_eq!(
            branches.into_iter().collect::<Vec<_>>(),
            [(TEXT + 4, TEXT + 0x40)]
        );
    }

    #[test]
    fn warnings_are_told_from_bugs_in_every_layout_of_the_table() {
        for (entry_bytes, flags_at) in [(12, 10), (16, 14), (8, 4)] {
            let mut table = Vec::new();
            for (at, flags) in [(0x10, 1), (0x20, 0), (0x30, 3)] {
                let start = table.len();
                table.extend(distance(TEXT + at, 0x3000 + start as u64));
                table.resize(start + entry_bytes, 0);
                table[start + flags_at] = flags;
            }
            let found = warnings(&image(Vec::new(), table));
            assert_eq!(found, [TEXT + 0x10, TEXT + 0x30], "{entry_bytes}");
        }
    }
}
