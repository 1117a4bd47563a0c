//! The bytes of a module's file → an image, laid out and relocated as the kernel loads it.
//!
//! What the module uses of vmlinux goes to the addresses of vmlinux's symbols; what it uses of
//! other modules, or of a vmlinux that is not at hand, goes to addresses made up for it, so that
//! it has a name. Init text is left out: it is gone when anything can be traced.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use object::{
    LittleEndian, Object as _, ObjectSection as _, ObjectSymbol as _, SymbolSection,
    read::elf::ElfSection64,
};

use super::{
    BTF, BUG_TABLE, BUILD_ID, EXCEPTION_TABLE, File, JUMP_TABLE, Kernel, contents,
    header::{Form, form},
    imports::Imports,
    is_code, is_name,
    layout::{BASE, Layout, layout},
    modinfo::{MODINFO, Modinfo},
    relocate::{Targets, relocated},
};
use crate::discover::{
    image::{Image, Segment},
    note,
    symbols::{Symbol, SymbolKind, Symbols},
};

const TEXT: &str = ".text";

/// Takes a module apart. Its image is named by what it says of itself, and has no name otherwise.
///
/// # Errors
///
/// When the bytes are no module of a 64-bit x86 kernel, or are damaged.
pub fn module(bytes: &[u8], vmlinux: Option<Arc<Symbols>>) -> Result<Kernel> {
    ensure!(
        form(bytes)? == Form::Module,
        "it is no module but a linked ELF file"
    );
    let file = File::parse(bytes).context("it is a damaged ELF file")?;
    ensure!(
        file.symbols().next().is_some(),
        "it has no symbols: give the module as it is loaded, with its symbol table"
    );
    let layout = layout(&file)?;
    let imports = Imports::new(&file, vmlinux.as_deref());
    let targets = Targets::new(&file, &layout, &imports);
    let load = |section: ElfSection64<'_, '_, LittleEndian>| -> Result<Segment> {
        relocated(&section, &layout, &targets)
            .with_context(|| format!("its section `{}` is damaged", section.name().unwrap_or("?")))
    };
    let table = |name: &str| -> Result<Segment> {
        let section = file.section_by_name(name);
        section.map_or_else(|| Ok(Segment::default()), load)
    };
    let sections = layout
        .text()
        .iter()
        .map(|&index| file.section_by_index(index));
    let mut text = Vec::new();
    for section in sections {
        let segment = load(section?)?;
        text.extend(Some(segment).filter(|segment| !segment.bytes.is_empty()));
    }
    let symbols = Symbols::new(own_symbols(&file, &layout));
    let modinfo = Modinfo::new(contents(&file, MODINFO));
    let realtime = modinfo.is_realtime() || imports.address("rt_spin_lock").is_some();
    let made_up = imports.into_made_up();
    Ok(Kernel {
        release: modinfo.release().map(str::to_owned),
        image: Image {
            name: modinfo.get("name").unwrap_or_default().to_owned(),
            build_id: note::build_id(contents(&file, BUILD_ID)).unwrap_or_default(),
            base: base(&file, &layout, &symbols),
            text,
            realtime,
            symbols: Arc::new(symbols),
            jump_table: table(JUMP_TABLE)?,
            bug_table: table(BUG_TABLE)?,
            exception_table: table(EXCEPTION_TABLE)?,
            imports: vmlinux.into_iter().chain([Arc::new(made_up)]).collect(),
        },
        btf: Some(contents(&file, BTF).to_vec()).filter(|bytes| !bytes.is_empty()),
    })
}

/// What the kernel shows of a module's symbols in `/proc/kallsyms`: those of what stays loaded
/// (`is_core_symbol` in `kernel/module/kallsyms.c`).
fn own_symbols<'data>(file: &File<'data>, layout: &Layout) -> impl Iterator<Item = Symbol<'data>> {
    file.symbols().filter_map(|symbol| {
        let SymbolSection::Section(index) = symbol.section() else {
            return None;
        };
        let start = layout.address(index).filter(|_| !layout.is_init(index))?;
        let name = symbol.name().ok().filter(|name| is_name(name))?;
        let section = file.section_by_index(index).ok()?;
        let kind = if is_code(&section) {
            SymbolKind::Text
        } else {
            SymbolKind::Data
        };
        Some(Symbol {
            address: start.wrapping_add(symbol.address()),
            name,
            kind,
        })
    })
}

/// What offsets count from: `.text`, or the first function where that is empty, as it is when the
/// module runs.
fn base(file: &File<'_>, layout: &Layout, symbols: &Symbols) -> u64 {
    let text = file.section_by_name(TEXT);
    text.filter(|section| section.size() > 0)
        .and_then(|section| layout.address(section.index()))
        .or_else(|| {
            let mut code = symbols.iter().filter(|s| s.kind == SymbolKind::Text);
            code.next().map(|symbol| symbol.address)
        })
        .unwrap_or(BASE)
}
