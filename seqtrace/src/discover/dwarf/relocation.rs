//! Relocations of a debug section of a module → its bytes, with the addresses that discovery gives
//! to the module's sections.

use std::borrow::Cow;

use anyhow::{Context as _, Result, bail};
use object::{
    Endianness, SectionIndex, SymbolIndex, elf,
    read::elf::{Rela as _, SectionHeader as _, Sym as _},
};

use super::section::DebugFile;

const ENDIAN: Endianness = Endianness::Little;

/// Applies the relocations of section `target` to its bytes.
///
/// # Errors
///
/// When one lies outside the section, or is of a kind that debug sections of x86 do not have.
pub(super) fn apply(
    file: &DebugFile<'_>,
    target: SectionIndex,
    bytes: &mut Cow<'_, [u8]>,
) -> Result<()> {
    for section in file.elf.elf_section_table().iter() {
        if section.info_link(ENDIAN) != target {
            continue;
        }
        let Some((relocations, _)) = section.rela(ENDIAN, file.elf.data())? else {
            continue;
        };
        let bytes = bytes.to_mut();
        for relocation in relocations {
            let value = match relocation.symbol(ENDIAN, false) {
                None => 0,
                Some(symbol) => address_of(file, symbol)?,
            };
            let value = value.wrapping_add_signed(relocation.r_addend(ENDIAN));
            let at = relocation.r_offset(ENDIAN);
            let width = match relocation.r_type(ENDIAN, false) {
                elf::R_X86_64_NONE => 0,
                elf::R_X86_64_64 | elf::R_X86_64_DTPOFF64 => 8,
                elf::R_X86_64_32 | elf::R_X86_64_32S | elf::R_X86_64_DTPOFF32 => 4,
                kind => bail!("relocations of type {} are none of debuginfo", kind.0),
            };
            write(bytes, at, value, width)
                .with_context(|| format!("a relocation at {at:#x} lies outside of it"))?;
        }
    }
    Ok(())
}

/// What a symbol stands for; for one of a section that is not loaded the distance from its start,
/// which is what debug sections refer to each other by.
fn address_of(file: &DebugFile<'_>, index: SymbolIndex) -> Result<u64> {
    let symbols = file.elf.elf_symbol_table();
    let symbol = symbols.symbol(index)?;
    let section = symbols.symbol_section(ENDIAN, symbol, index)?;
    let base = section.and_then(|section| file.address_of(section));
    Ok(base.unwrap_or(0).wrapping_add(symbol.st_value(ENDIAN)))
}

fn write(bytes: &mut [u8], at: u64, value: u64, width: usize) -> Option<()> {
    let at = usize::try_from(at).ok()?;
    let target = bytes.get_mut(at..at.checked_add(width)?)?;
    target.copy_from_slice(&value.to_le_bytes()[..width]);
    Some(())
}
