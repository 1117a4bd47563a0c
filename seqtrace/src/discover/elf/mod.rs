//! The bytes of an ELF file with symbols → an image.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use object::{
    Endianness, Object as _, ObjectSection as _, ObjectSymbol as _, SectionKind,
    read::elf::ElfFile64,
};

pub mod layout;

pub use self::layout::{Layout, layout};
use super::{
    image::{Image, Segment},
    note,
    symbols::{Symbol, SymbolKind, Symbols},
};

/// Section with the types of a kernel.
const BTF: &str = ".BTF";

/// What is in the file of a kernel.
#[derive(Debug)]
pub struct Kernel {
    /// Its text, symbols and tables.
    pub image: Image,
    /// The bytes of its types; `None` when it was built without.
    pub btf: Option<Vec<u8>>,
}

/// Takes a vmlinux apart.
///
/// # Errors
///
/// When the bytes are no ELF file of a 64-bit x86 kernel with symbols.
pub fn vmlinux(bytes: &[u8]) -> Result<Kernel> {
    let file = ElfFile64::<Endianness>::parse(bytes).context("it is no 64-bit ELF file")?;
    let segment = |name: &str| -> Segment {
        let section = file.section_by_name(name);
        section
            .and_then(|section| {
                Some(Segment {
                    address: section.address(),
                    bytes: section.data().ok()?.to_vec(),
                })
            })
            .unwrap_or_default()
    };
    // Tables without a section of their own lie in `.data`, between two symbols.
    let table = |name: &str| -> Segment {
        let own = segment(name);
        if own.bytes.is_empty() {
            between(&file, name).unwrap_or_default()
        } else {
            own
        }
    };
    let symbols = Symbols::new(file.symbols().filter_map(|symbol| {
        let kind = symbol.kind();
        if matches!(kind, object::SymbolKind::Section | object::SymbolKind::File) {
            return None;
        }
        let section = file.section_by_index(symbol.section_index()?).ok()?;
        let kind = if section.kind() == SectionKind::Text {
            SymbolKind::Text
        } else {
            SymbolKind::Data
        };
        Some(Symbol {
            address: symbol.address(),
            name: symbol.name().ok().filter(|name| !name.is_empty())?,
            kind,
        })
    }));
    ensure!(!symbols.is_empty(), "it has no symbols");
    let base = symbols.address_of("_text").context("it has no `_text`")?;
    let build_id = file.build_id().ok().flatten().unwrap_or_default();
    Ok(Kernel {
        image: Image {
            name: "vmlinux".to_owned(),
            build_id: note::hexadecimal(build_id),
            base,
            text: vec![segment(".text")],
            realtime: symbols.address_of("rt_spin_lock").is_some(),
            symbols: Arc::new(symbols),
            imports: None,
            jump_table: table("__jump_table"),
            bug_table: table("__bug_table"),
            exception_table: table("__ex_table"),
        },
        btf: Some(segment(BTF).bytes).filter(|bytes| !bytes.is_empty()),
    })
}

/// The bytes from `__start_TABLE` to `__stop_TABLE` (`BOUNDED_SECTION_BY` in
/// `include/asm-generic/vmlinux.lds.h`).
fn between(file: &ElfFile64<'_, Endianness>, table: &str) -> Option<Segment> {
    let symbol = |prefix: &str| file.symbol_by_name(&format!("{prefix}{table}"));
    let (start, stop) = (symbol("__start_")?, symbol("__stop_")?);
    let section = file.section_by_index(start.section_index()?).ok()?;
    let bytes = stop.address().checked_sub(start.address())?;
    let found = section.data_range(start.address(), bytes).ok()??;
    Some(Segment {
        address: start.address(),
        bytes: found.to_vec(),
    })
}
