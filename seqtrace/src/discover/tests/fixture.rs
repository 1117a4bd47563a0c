//! Compiles C at test time and lays the object file out as the kernel lays out a module.

use std::{collections::BTreeMap, fs, process::Command, sync::Arc};

use object::{
    Object as _, ObjectSection as _, ObjectSymbol as _, RelocationKind, RelocationTarget,
    SectionIndex, SectionKind, SymbolIndex,
};
use rustc_hash::FxHashMap;

use crate::discover::{
    image::{Image, Segment},
    symbols::{Symbol, SymbolKind, Symbols},
};

/// Where the first section goes.
pub(super) const BASE: u64 = 0xffff_ffff_c000_0000;
/// Where the functions lie that the object file does not define.
const IMPORTS: u64 = 0xffff_ffff_8100_0000;

/// Flags of the kernel's build that shape the code.
const FLAGS: [&str; 9] = [
    "-O2",
    "-c",
    "-ffreestanding",
    "-fno-pic",
    "-mcmodel=kernel",
    "-mno-red-zone",
    "-fcf-protection=none",
    "-fno-asynchronous-unwind-tables",
    "-fno-stack-protector",
];

/// Compiles a source text and loads the result.
pub(super) fn build(source: &str, realtime: bool) -> Image {
    let directory = tempfile::tempdir().expect("a place for temporary files");
    let (input, output) = (
        directory.path().join("fixture.c"),
        directory.path().join("fixture.o"),
    );
    fs::write(&input, source).expect("a writable directory");
    let mut compiler = Command::new("cc");
    compiler.args(FLAGS).arg(&input).arg("-o").arg(&output);
    if realtime {
        compiler.arg("-DREALTIME");
    }
    let status = compiler
        .status()
        .expect("these tests need a C compiler called `cc`");
    assert!(status.success(), "the fixture does not compile");
    let image = load(&fs::read(&output).expect("the compiler wrote it"));
    Image { realtime, ..image }
}

/// Where each section goes that the kernel would load.
fn layout(file: &object::File<'_>) -> FxHashMap<SectionIndex, u64> {
    let mut next = BASE;
    let mut sections = FxHashMap::default();
    for section in file.sections() {
        let kind = section.kind();
        if matches!(
            kind,
            SectionKind::Text | SectionKind::Data | SectionKind::UninitializedData
        ) {
            sections.insert(section.index(), next);
            next = (next + section.size()).next_multiple_of(64);
        }
    }
    sections
}

fn load(bytes: &[u8]) -> Image {
    let file = object::File::parse(bytes).expect("an object file");
    let sections = layout(&file);
    let imports: BTreeMap<&str, u64> = file
        .symbols()
        .filter(object::ObjectSymbol::is_undefined)
        .filter_map(|symbol| symbol.name().ok().filter(|name| !name.is_empty()))
        .zip((IMPORTS..).step_by(64))
        .collect();
    let address = |index: SymbolIndex| {
        let symbol = file
            .symbol_by_index(index)
            .expect("relocations name symbols");
        match symbol
            .section_index()
            .and_then(|section| sections.get(&section))
        {
            Some(section) => section + symbol.address(),
            None => imports[symbol.name().expect("imports have names")],
        }
    };
    let text = file
        .sections()
        .filter(|section| section.kind() == SectionKind::Text)
        .map(|section| relocated(&section, sections[&section.index()], &address))
        .collect();
    let symbols = file.symbols().filter_map(|symbol| {
        let section = sections.get(&symbol.section_index()?)?;
        let is_text = symbol.kind() == object::SymbolKind::Text;
        let kind = if is_text {
            SymbolKind::Text
        } else {
            SymbolKind::Data
        };
        let name = symbol.name().ok().filter(|name| !name.is_empty())?;
        Some(Symbol {
            address: section + symbol.address(),
            name,
            kind,
        })
    });
    let imported = imports.iter().map(|(&name, &address)| Symbol {
        address,
        name,
        kind: SymbolKind::Text,
    });
    Image {
        name: "fixture".to_owned(),
        base: BASE,
        text,
        symbols: Arc::new(Symbols::new(symbols)),
        imports: Some(Arc::new(Symbols::new(imported))),
        ..Image::default()
    }
}

fn relocated(
    section: &object::Section<'_, '_>,
    start: u64,
    address: &dyn Fn(SymbolIndex) -> u64,
) -> Segment {
    let mut bytes = section.data().expect("text has bytes").to_vec();
    for (at, relocation) in section.relocations() {
        let RelocationTarget::Symbol(index) = relocation.target() else {
            panic!("a relocation without a symbol")
        };
        let value = address(index).wrapping_add_signed(relocation.addend());
        let value = match relocation.kind() {
            RelocationKind::Absolute => value,
            RelocationKind::Relative | RelocationKind::PltRelative => {
                value.wrapping_sub(start + at)
            }
            kind => panic!("relocation {kind:?}"),
        };
        assert_eq!(
            relocation.size(),
            32,
            "the kernel's code model has 32-bit relocations"
        );
        let at = usize::try_from(at).expect("an offset in the section");
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes()[..4]);
    }
    Segment {
        address: start,
        bytes,
    }
}
