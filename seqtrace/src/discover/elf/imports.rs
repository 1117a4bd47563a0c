//! What a module uses and does not define → an address for each name.
//!
//! Those of vmlinux are where they are. All others, which other modules define, or vmlinux when
//! it is not at hand, get addresses made up for them, far enough apart that what lies behind the
//! start of a variable still belongs to it.

use object::{
    Object as _, ObjectSection as _, ObjectSymbol, RelocationKind, RelocationTarget, SymbolIndex,
};
use rustc_hash::FxHashSet;

use super::{File, is_code};
use crate::discover::symbols::{Symbol, SymbolKind, Symbols};

/// Where the made-up addresses begin: behind the module, in reach of its text.
const BASE: u64 = 0xffff_ffff_d000_0000;
/// Bytes of address space for all of them.
const ALL_BYTES: u64 = 0x2000_0000;
/// The most that one gets.
const LARGEST_BYTES: u64 = 64 << 10;

/// Addresses of what a module does not define.
#[derive(Debug)]
pub(super) struct Imports<'a> {
    vmlinux: Option<&'a Symbols>,
    /// What vmlinux does not have.
    made_up: Symbols,
}

impl<'a> Imports<'a> {
    pub(super) fn new(file: &File<'_>, vmlinux: Option<&'a Symbols>) -> Self {
        let called = called(file);
        let mut missing: Vec<(&str, SymbolKind)> = file
            .symbols()
            .filter(ObjectSymbol::is_undefined)
            .filter_map(|symbol| {
                let name = symbol.name().ok().filter(|name| !name.is_empty())?;
                let kind = if called.contains(&symbol.index()) {
                    SymbolKind::Text
                } else {
                    SymbolKind::Data
                };
                Some((name, kind))
            })
            .filter(|(name, _)| vmlinux.is_none_or(|known| known.address_of(name).is_none()))
            .collect();
        // By name, so that the order of the symbol table makes no difference.
        missing.sort_unstable_by_key(|&(name, _)| name);
        missing.dedup_by_key(|&mut (name, _)| name);
        let each = ALL_BYTES / (missing.len() as u64).max(1);
        let each = each.min(LARGEST_BYTES);
        let symbols = missing.iter().enumerate().map(|(index, &(name, kind))| {
            let address = BASE + index as u64 * each;
            Symbol {
                address,
                name,
                kind,
            }
        });
        Self {
            vmlinux,
            made_up: Symbols::new(symbols),
        }
    }

    pub(super) fn address(&self, name: &str) -> Option<u64> {
        let known = self.vmlinux.and_then(|vmlinux| vmlinux.address_of(name));
        known.or_else(|| self.made_up.address_of(name))
    }

    /// The symbols with made-up addresses.
    pub(super) fn into_made_up(self) -> Symbols {
        self.made_up
    }
}

/// Symbols that are called; a call is the only thing that the compiler writes this way.
fn called(file: &File<'_>) -> FxHashSet<SymbolIndex> {
    file.sections()
        .filter(is_code)
        .flat_map(|section| section.relocations())
        .filter(|(_, relocation)| relocation.kind() == RelocationKind::PltRelative)
        .filter_map(|(_, relocation)| match relocation.target() {
            RelocationTarget::Symbol(index) => Some(index),
            _ => None,
        })
        .collect()
}
