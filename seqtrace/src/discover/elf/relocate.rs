//! A section of a module as it is in the file → its bytes as they run.
//!
//! Only the relocations that the kernel's loader knows are applied
//! (`arch/x86/kernel/module.c`); others, and those of sections that are not loaded, leave the
//! bytes as they are, which then point nowhere.

use anyhow::{Context as _, Result};
use object::{
    LittleEndian, Object as _, ObjectSection as _, ObjectSymbol as _, RelocationKind,
    RelocationTarget, SymbolSection, read::elf::ElfSection64,
};

use super::{File, Layout, imports::Imports};
use crate::discover::image::Segment;

/// Address of each symbol of a file, by its index.
#[derive(Debug)]
pub(super) struct Targets {
    addresses: Vec<Option<u64>>,
}

impl Targets {
    pub(super) fn new(file: &File<'_>, layout: &Layout, imports: &Imports<'_>) -> Self {
        let mut addresses = Vec::new();
        for symbol in file.symbols() {
            let address = match symbol.section() {
                SymbolSection::Undefined => {
                    symbol.name().ok().and_then(|name| imports.address(name))
                }
                SymbolSection::Absolute => Some(symbol.address()),
                SymbolSection::Section(section) => layout
                    .address(section)
                    .map(|start| start.wrapping_add(symbol.address())),
                _ => None,
            };
            addresses.resize(symbol.index().0, None);
            addresses.push(address);
        }
        Self { addresses }
    }
}

/// The bytes of a section with all addresses filled in; nothing for one that is not loaded.
///
/// # Errors
///
/// When its bytes are not in the file, or a relocation lies behind them.
pub(super) fn relocated(
    section: &ElfSection64<'_, '_, LittleEndian>,
    layout: &Layout,
    targets: &Targets,
) -> Result<Segment> {
    let Some(start) = layout.address(section.index()) else {
        return Ok(Segment::default());
    };
    let mut bytes = section
        .data()
        .context("its bytes are not in the file")?
        .to_vec();
    for (at, relocation) in section.relocations() {
        let RelocationTarget::Symbol(index) = relocation.target() else {
            continue;
        };
        let Some(target) = targets.addresses.get(index.0).copied().flatten() else {
            continue;
        };
        let value = target.wrapping_add_signed(relocation.addend());
        let value = match relocation.kind() {
            RelocationKind::Absolute => value,
            RelocationKind::Relative | RelocationKind::PltRelative => {
                value.wrapping_sub(start.wrapping_add(at))
            }
            _ => continue,
        };
        let width = usize::from(relocation.size() / 8);
        let place = usize::try_from(at).ok().and_then(|at| {
            let end = at.checked_add(width)?;
            bytes.get_mut(at..end)
        });
        let place = place.with_context(|| format!("a relocation at {at:#x} lies behind it"))?;
        place.copy_from_slice(&value.to_le_bytes()[..width]);
    }
    Ok(Segment {
        address: start,
        bytes,
    })
}
