//! The bytes of a linked kernel → an image, at the addresses it was linked for.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use object::{
    LittleEndian, Object as _, ObjectSection as _, ObjectSegment as _, ObjectSymbol as _,
    SegmentFlags, elf::PF_X, read::elf::ElfSegment64,
};

use super::{
    BTF, BUG_TABLE, BUILD_ID, EXCEPTION_TABLE, File, JUMP_TABLE, Kernel, contents,
    header::{Form, form},
    is_code, kallsyms,
    memory::Memory,
    order::rank,
};
use crate::discover::{
    image::{Image, Segment},
    note,
    symbols::{Symbol, SymbolKind, Symbols},
};

/// Section with the tests of CPU features that the kernel replaces when it boots.
const FEATURE_TESTS: &str = ".altinstr_aux";

/// Takes a vmlinux apart. Where it has no symbol table, as the one in a boot image, its symbols
/// are those that it carries for itself.
///
/// # Errors
///
/// When the bytes are no ELF file of a 64-bit x86 kernel, they hold no text or no symbols of any
/// kind, or are damaged.
pub fn vmlinux(bytes: &[u8]) -> Result<Kernel> {
    ensure!(
        form(bytes)? == Form::Vmlinux,
        "it is a module, not a vmlinux"
    );
    let file = File::parse(bytes).context("it is a damaged ELF file")?;
    let memory = Memory::new(&file);
    let section = |name: &str| -> Option<Segment> {
        let section = file.section_by_name(name)?;
        let bytes = section.data().ok().filter(|bytes| !bytes.is_empty())?;
        Some(Segment {
            address: section.address(),
            bytes: bytes.to_vec(),
        })
    };
    let symbols = own_symbols(&file);
    let symbols = if symbols.is_empty() {
        kallsyms::symbols(&memory, text_start(&file)?).context(
            "it has no symbols, neither of ELF nor of its own (CONFIG_KALLSYMS): give the \
             vmlinux as it was linked",
        )?
    } else {
        symbols
    };
    let symbols = Arc::new(symbols);
    let base = symbols
        .address_of("_text")
        .context("it has no symbol `_text`: it is no Linux kernel")?;
    let between = |start: &str, end: &str| -> Option<Segment> {
        memory.segment(symbols.address_of(start)?, symbols.address_of(end)?)
    };
    // A table may lie in another section, as `__jump_table` does in `.rodata`.
    let table = |name: &str| -> Segment {
        between(&format!("__start_{name}"), &format!("__stop_{name}"))
            .or_else(|| section(name))
            .unwrap_or_default()
    };
    let text = section(".text")
        .or_else(|| between("_stext", "_etext"))
        .context("its text is not in the file: it holds debug information only, or is cut off")?;
    Ok(Kernel {
        image: Image {
            name: "vmlinux".to_owned(),
            build_id: build_id(&file, &memory, &symbols),
            base,
            text: std::iter::once(text)
                .chain(section(FEATURE_TESTS))
                .collect(),
            realtime: symbols.address_of("rt_spin_lock").is_some(),
            jump_table: table(JUMP_TABLE),
            bug_table: table(BUG_TABLE),
            exception_table: table(EXCEPTION_TABLE),
            symbols: Arc::clone(&symbols),
            imports: Vec::new(),
        },
        btf: section(BTF)
            .or_else(|| between("__start_BTF", "__stop_BTF"))
            .map(|segment| segment.bytes),
    })
}

/// The ELF symbols, those of one address as the kernel itself sorts them.
fn own_symbols(file: &File<'_>) -> Symbols {
    let mut symbols: Vec<(Symbol<'_>, bool)> = file
        .symbols()
        .filter_map(|symbol| {
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
            let name = symbol.name().ok().filter(|name| !name.is_empty())?;
            let address = symbol.address();
            let named = Symbol {
                address,
                name,
                kind,
            };
            Some((named, symbol.is_weak()))
        })
        .collect();
    symbols.sort_by(|(left, left_is_weak), (right, right_is_weak)| {
        let by_address = left.address.cmp(&right.address);
        by_address
            .then_with(|| rank(left.name, *left_is_weak).cmp(&rank(right.name, *right_is_weak)))
    });
    Symbols::new(symbols.into_iter().map(|(symbol, _)| symbol))
}

/// Where the text begins, by section or program headers.
fn text_start(file: &File<'_>) -> Result<u64> {
    let section = file.section_by_name(".text").map(|text| text.address());
    let is_executable = |segment: &ElfSegment64<'_, '_, LittleEndian>| match segment.flags() {
        SegmentFlags::Elf { p_flags, .. } => p_flags.contains(PF_X),
        _ => false,
    };
    section
        .or_else(|| {
            let mut executable = file.segments().filter(is_executable);
            executable.next().map(|segment| segment.address())
        })
        .context("it has no text: neither section nor program headers tell where it is")
}

/// By the notes section, or by the symbols around the notes.
fn build_id(file: &File<'_>, memory: &Memory<'_>, symbols: &Symbols) -> String {
    let sections = [".notes", BUILD_ID].map(|name| contents(file, name).to_vec());
    let by_symbols = || {
        let (start, end) = (
            symbols.address_of("__start_notes")?,
            symbols.address_of("__stop_notes")?,
        );
        memory.segment(start, end)
    };
    sections
        .iter()
        .find_map(|notes| note::build_id(notes))
        .or_else(|| note::build_id(&by_symbols()?.bytes))
        .unwrap_or_default()
}
