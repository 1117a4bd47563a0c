//! Text and BTF of a vmlinux → the addresses of its per-CPU variables, for kernels whose kallsyms
//! has functions only (no CONFIG_KALLSYMS_ALL).
//!
//! BTF has their offsets in the per-CPU section. Where the section starts is told by the text: one
//! of the words that are read through `%gs` is the pointer to the running task, and then all the
//! others must lie where the variables are. If they do not, nothing is known.

use rustc_hash::FxHashMap;

use super::{
    btf::{Btf, SectionVariable},
    image::Segment,
    symbols::{Symbol, SymbolKind},
};

/// The section that BTF describes.
const SECTION: &str = ".data..percpu";

/// What has the pointer to the running task in its first word: a variable of its own before 6.2
/// and since 6.15, a structure between.
const CURRENT: [&str; 2] = ["current_task", "pcpu_hot"];

/// The section starts at a page (`PERCPU_SECTION`, `include/asm-generic/vmlinux.lds.h`).
const ALIGNMENT: u64 = 4096;

/// Accesses that must lie in variables, of a hundred.
const LEAST_SHARE: u64 = 95;

/// The per-CPU variables, at the addresses that instructions use, and a symbol without a name
/// behind the last; none when the two sources do not agree.
pub fn variables<'a>(text: &[Segment], btf: &'a Btf) -> Vec<Symbol<'a>> {
    let mut variables: Vec<SectionVariable<'a>> = btf.section(SECTION).collect();
    variables.sort_by_key(|variable| variable.offset);
    let accesses = accesses(text);
    let Some(base) = base(&variables, &accesses) else {
        return Vec::new();
    };
    let end = variables.last().map(|last| SectionVariable {
        name: "",
        offset: last.offset.saturating_add(last.size_bytes),
        size_bytes: 0,
    });
    variables
        .into_iter()
        .chain(end)
        .map(|SectionVariable { name, offset, .. }| Symbol {
            address: base.wrapping_add(offset.into()),
            name,
            kind: SymbolKind::Data,
        })
        .collect()
}

/// Where the section starts: the place where variables explain more accesses than anywhere else.
fn base(variables: &[SectionVariable<'_>], accesses: &FxHashMap<u64, u64>) -> Option<u64> {
    let current = variables
        .iter()
        .find(|variable| CURRENT.contains(&variable.name))?;
    let explained = |base: u64| -> u64 {
        let in_variables = accesses
            .iter()
            .filter(|&(address, _)| lies_in(variables, address.wrapping_sub(base)));
        in_variables.map(|(_, count)| count).sum()
    };
    let mut bases: Vec<(u64, u64)> = accesses
        .keys()
        .map(|address| address.wrapping_sub(current.offset.into()))
        .filter(|base| base % ALIGNMENT == 0)
        .map(|base| (explained(base), base))
        .collect();
    bases.sort_unstable();
    let (best, base) = bases.pop()?;
    let is_alone = bases.last().is_none_or(|&(next, _)| next < best);
    let all: u64 = accesses.values().sum();
    (is_alone && best * 100 >= all * LEAST_SHARE).then_some(base)
}

/// Whether a place of the section lies in one of its variables, which are sorted.
fn lies_in(variables: &[SectionVariable<'_>], offset: u64) -> bool {
    let after = variables.partition_point(|variable| u64::from(variable.offset) <= offset);
    let found = after.checked_sub(1).map(|index| variables[index]);
    found.is_some_and(|variable| offset - u64::from(variable.offset) < variable.size_bytes.into())
}

/// How often each word is loaded by `mov %gs:address, %reg`, counted by the bytes of the
/// instruction: its prefixes, opcode and addressing do not stand in other code by chance often.
fn accesses(text: &[Segment]) -> FxHashMap<u64, u64> {
    let mut counts = FxHashMap::default();
    for Segment { address, bytes } in text {
        for (window, at) in bytes.windows(9).zip(*address..) {
            if let Some(word) = loaded(window, at) {
                *counts.entry(word).or_default() += 1;
            }
        }
    }
    counts
}

/// The address that is loaded: relative to the next instruction, or absolute.
fn loaded(bytes: &[u8], at: u64) -> Option<u64> {
    let (&[0x65, 0x48 | 0x4c, 0x8b, modrm], rest) = bytes.split_first_chunk()? else {
        return None;
    };
    match (modrm & 0xc7, rest) {
        (0x05, &[a, b, c, d, ..]) => {
            Some((at + 8).wrapping_add_signed(i32::from_le_bytes([a, b, c, d]).into()))
        }
        (0x04, &[0x25, a, b, c, d]) => Some(i64::from(i32::from_le_bytes([a, b, c, d])) as u64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: u64 = 0xffff_ffff_8100_0000;

    fn variable(name: &'static str, offset: u32, size_bytes: u32) -> SectionVariable<'static> {
        SectionVariable {
            name,
            offset,
            size_bytes,
        }
    }

    /// `mov %gs:address(%rip), %rax` for each address, at [`TEXT`].
    fn loads(addresses: &[u64]) -> Vec<Segment> {
        let mut bytes = Vec::new();
        for address in addresses {
            let next = TEXT + bytes.len() as u64 + 8;
            bytes.extend([0x65, 0x48, 0x8b, 0x05]);
            bytes.extend((address.wrapping_sub(next) as i32).to_le_bytes());
        }
        bytes.push(0xcc);
        vec![Segment {
            address: TEXT,
            bytes,
        }]
    }

    fn variables() -> [SectionVariable<'static>; 3] {
        [
            variable("first", 0, 64),
            variable("current_task", 0x1040, 8),
            variable("last", 0x2000, 0x100),
        ]
    }

    #[test]
    fn the_section_starts_where_the_variables_explain_the_accesses() {
        for base_address in [0, 0xffff_ffff_8300_0000] {
            let at = |offset: u64| base_address + offset;
            let text = loads(&[at(8), at(8), at(0x1040), at(0x2040), at(0x20f8)]);
            let found = base(&variables(), &accesses(&text));
            assert_eq!(found, Some(base_address));
        }
    }

    #[test]
    fn nothing_is_known_when_accesses_lie_outside_of_the_variables() {
        let text = loads(&[0x1040, 0x1040, 0x1040, 0x1800, 0x2200]);
        assert_eq!(base(&variables(), &accesses(&text)), None);
        let text = loads(&[0x1048; 8]);
        assert_eq!(base(&variables(), &accesses(&text)), None);
        assert_eq!(base(&variables()[..1], &accesses(&text)), None);
    }

    #[test]
    fn loads_of_both_addressing_modes_are_seen() {
        // mov %gs:0x35e00,%r12 and mov %gs:0x10(%rip),%rax
        let absolute = [0x65, 0x4c, 0x8b, 0x24, 0x25, 0x00, 0x5e, 0x03, 0x00];
        let relative = [0x65, 0x48, 0x8b, 0x05, 0x10, 0, 0, 0, 0xcc];
        assert_eq!(loaded(&absolute, TEXT), Some(0x35e00));
        assert_eq!(loaded(&relative, TEXT), Some(TEXT + 0x18));
        assert_eq!(loaded(&[0x90; 9], TEXT), None);
    }
}
