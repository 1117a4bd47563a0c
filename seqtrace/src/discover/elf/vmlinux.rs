//! The bytes of a linked kernel → an image, at the addresses it was linked for.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};

use super::{
    BTF, BUG_TABLE, EXCEPTION_TABLE, File, JUMP_TABLE, Kernel, contents,
    header::{Form, form},
    is_code,
};
use crate::discover::{
    image::{Image, Segment},
    note,
    symbols::{Symbol, SymbolKind, Symbols},
};

/// Takes a vmlinux apart.
///
/// # Errors
///
/// When the bytes are no ELF file of a 64-bit x86 kernel with symbols.
pub fn vmlinux(bytes: &[u8]) -> Result<Kernel> {
    ensure!(
        form(bytes)? == Form::Vmlinux,
        "it is a module, not a vmlinux"
    );
    let file = File::parse(bytes).context("it is a damaged ELF file")?;
    let segment = |name: &str| -> Segment {
        let section = file.section_by_name(name);
        let address = section.map_or(0, |section| section.address());
        Segment {
            address,
            bytes: contents(&file, name).to_vec(),
        }
    };
    let symbols = Symbols::new(file.symbols().filter_map(|symbol| {
        let kind = symbol.kind();
        if matches!(kind, object::SymbolKind::Section | object::SymbolKind::File) {
            return None;
        }
        let section = file.section_by_index(symbol.section_index()?).ok()?;
        let kind = if is_code(&section) {
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
    let table = |section: &str| -> Segment {
        marked(&file, &symbols, section).unwrap_or_else(|| segment(section))
    };
    Ok(Kernel {
        image: Image {
            name: "vmlinux".to_owned(),
            build_id: note::hexadecimal(build_id),
            base,
            text: vec![segment(".text")],
            realtime: symbols.address_of("rt_spin_lock").is_some(),
            jump_table: table(JUMP_TABLE),
            bug_table: table(BUG_TABLE),
            exception_table: table(EXCEPTION_TABLE),
            symbols: Arc::new(symbols),
            imports: Vec::new(),
        },
        btf: Some(contents(&file, BTF).to_vec()).filter(|bytes| !bytes.is_empty()),
    })
}

/// A table that lies in another section, as `__jump_table` does in `.rodata`: the linker script
/// marks its ends with symbols.
fn marked(file: &File<'_>, symbols: &Symbols, name: &str) -> Option<Segment> {
    let start = symbols.address_of(&format!("__start_{name}"))?;
    let end = symbols.address_of(&format!("__stop_{name}"))?;
    let bytes = file
        .sections()
        .find_map(|section| section.data_range(start, end.checked_sub(start)?).ok()?)?;
    Some(Segment {
        address: start,
        bytes: bytes.to_vec(),
    })
}
