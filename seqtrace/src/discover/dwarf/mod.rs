//! The bytes of a file with debuginfo → every inlined instance of a primitive.
//!
//! One pass over all units, in parallel. It tells where a primitive was inlined and through which
//! calls; the comparison and the cold addresses, which belong to no inlined function, it does not.
//! Reads no other file: a supplement is handed in.

mod calls;
mod inlined;
mod location;
mod origin;
mod primitive;
mod relocation;
mod scope;
mod section;
mod source;
#[cfg(test)]
mod tests;
mod unit;

use std::{borrow::Cow, ops::Range};

use anyhow::{Context as _, Result, bail, ensure};
use gimli::{DwarfSections, EndianSlice, LittleEndian};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionKind};
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use rustc_hash::FxHashMap;

use self::{
    scope::{Names, Scopes},
    section::DebugFile,
    unit::{Place, Sections, Side},
};
use super::{
    catalog::{Frame, Lockname},
    symbols::{Symbol, SymbolKind, Symbols},
};

pub use self::{
    calls::{check, inlined_calls},
    primitive::{Part, Primitive},
    section::Supplement,
};

/// What the debuginfo of one image says about its primitives. Addresses are those of the link; for
/// a module those that [`super::elf::layout`] gives.
#[derive(Clone, Debug, Default)]
pub struct Debuginfo {
    /// Build id in hexadecimal; empty when the file has none.
    pub build_id: String,
    /// The address that offsets in the catalog count from: `_text` for vmlinux, the start of
    /// `.text` for a module.
    pub base: u64,
    /// Instances by address; at the same address the outer ones first.
    pub inlined: Vec<Inlined>,
    /// Units that were read.
    pub units: u64,
    /// Entries in them, of any kind.
    pub entries: u64,
    /// Units that could not be read, and why the first one could not.
    pub skipped: Option<Skipped>,
    /// Text that is dropped after boot or loading.
    pub init_text: Vec<Range<u64>>,
    /// The symbols that instances lie in and that globals have; empty if the file has none.
    pub symbols: Symbols,
}

/// Units that could not be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Skipped {
    /// How many.
    pub units: u64,
    /// What is wrong with the first one.
    pub why: String,
}

/// An instance of a primitive: inlined, or the function itself where it is not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Inlined {
    /// Which primitive.
    pub primitive: Primitive,
    /// The calls that were inlined here, outermost first, the function that has the symbol at the
    /// head and the primitive at the end. The primitive alone: it was not inlined.
    pub chain: Vec<Frame>,
    /// Where its instructions are, by address; never empty.
    pub ranges: Vec<Range<u64>>,
    /// What serialises the writers, where the names of the functions tell.
    pub lockname: Option<Lockname>,
    /// The address that is handed to it as the seqcount, where that is a constant.
    pub global: Option<u64>,
    /// For a begin: the lock function that is called in it.
    pub lock_call: Option<String>,
}

/// What one unit has, or why it cannot be read.
type Outcome = Result<Contents, String>;

#[derive(Default)]
struct Contents {
    entries: u64,
    inlined: Vec<Inlined>,
    declared: FxHashMap<Place, Primitive>,
    /// Whether it has to be read again when the functions of all units are known.
    again: bool,
}

impl Debuginfo {
    /// Reads the debuginfo of a vmlinux, of a module or of the separate file of one. `supplement`
    /// is the file that [`supplement`] names.
    ///
    /// # Errors
    ///
    /// When the bytes are no ELF file of a 64-bit little-endian machine, when it has no debuginfo,
    /// when a section is damaged, or when the supplement is missing or another one.
    pub fn parse(file: &[u8], supplement: Option<&[u8]>) -> Result<Self> {
        let file = DebugFile::parse(file)?;
        let sections = DwarfSections::load(|id| file.debug_section(id))?;
        let supplement_sections = match (file.supplement()?, supplement) {
            (None, _) => None,
            (Some(wanted), Some(bytes)) => Some(load_supplement(&wanted, bytes)?),
            (Some(wanted), None) => bail!(
                "it keeps some of its debuginfo in `{}` with build id {}, which is needed too",
                wanted.path,
                wanted.build_id
            ),
        };
        let sections = Sections::new(
            sections.borrow_with_sup(supplement_sections.as_ref(), |bytes| {
                EndianSlice::new(bytes, LittleEndian)
            }),
        )?;
        ensure!(
            !sections.units(Side::Main).is_empty(),
            "it has no debuginfo (nothing in `.debug_info`)"
        );
        let (inlined, units, entries, skipped) = read(&sections);
        Ok(Self {
            build_id: file.build_id(),
            base: base(&file).context("it has no text")?,
            init_text: file.init_text(),
            symbols: symbols(&file, &inlined),
            inlined,
            units,
            entries,
            skipped,
        })
    }

    /// Checks that it is the debuginfo of the image with `build_id`.
    ///
    /// # Errors
    ///
    /// When both have a build id, and not the same.
    pub fn ensure_build(&self, build_id: &str) -> Result<()> {
        ensure!(
            self.build_id == build_id || self.build_id.is_empty() || build_id.is_empty(),
            "it is the debuginfo of another build: it has build id {}, the image has {build_id}",
            self.build_id
        );
        Ok(())
    }

    /// Whether the code of an instance is dropped after boot or loading.
    pub fn is_init(&self, inlined: &Inlined) -> bool {
        let start = inlined.ranges[0].start;
        self.init_text.iter().any(|range| range.contains(&start))
    }

    /// The instances that a scan should find: those that access the sequence themselves, in text
    /// that stays.
    pub fn wanted(&self) -> impl Iterator<Item = &Inlined> {
        self.inlined
            .iter()
            .filter(|inlined| inlined.primitive.part().accesses() && !self.is_init(inlined))
    }

    /// The symbol that an instance begins in, and the distance from it in bytes. Without symbols
    /// the function by debuginfo, and the distance from the image's base.
    pub fn place(&self, inlined: &Inlined) -> (String, u64) {
        let start = inlined.ranges[0].start;
        if let Some((symbol, distance)) = self.symbols.at(start) {
            return (symbol.name.to_owned(), distance);
        }
        let function = inlined.chain.first().map(|frame| frame.function.clone());
        let distance = start.wrapping_sub(self.base);
        (function.unwrap_or_default(), distance)
    }
}

/// The file that `file` keeps some of its debuginfo in, if any.
///
/// # Errors
///
/// When the bytes are no ELF file of a 64-bit little-endian machine, or the reference is damaged.
pub fn supplement(file: &[u8]) -> Result<Option<Supplement>> {
    DebugFile::parse(file)?.supplement()
}

fn load_supplement<'data>(
    wanted: &Supplement,
    bytes: &'data [u8],
) -> Result<DwarfSections<Cow<'data, [u8]>>> {
    let load = || -> Result<_> {
        let file = DebugFile::parse(bytes)?;
        let build_id = file.build_id();
        ensure!(
            build_id == wanted.build_id,
            "it has build id `{build_id}`, wanted is `{}`",
            wanted.build_id
        );
        DwarfSections::load(|id| file.debug_section(id))
    };
    load().with_context(|| format!("failed to use the supplement `{}`", wanted.path))
}

/// Reads all units: those that refer to others twice, the second time with what all declare.
fn read(sections: &Sections<'_>) -> (Vec<Inlined>, u64, u64, Option<Skipped>) {
    let names: Names = Primitive::all()
        .map(|primitive| (primitive.name().as_bytes(), primitive))
        .collect();
    let unknown = FxHashMap::default();
    let of_side = |side: Side| -> Vec<Outcome> {
        (0..sections.units(side).len())
            .into_par_iter()
            .map(|index| read_unit(sections, side, index, &names, &unknown))
            .collect()
    };
    let mut main = of_side(Side::Main);
    let again = |outcome: &Outcome| outcome.as_ref().is_ok_and(|contents| contents.again);
    if main.iter().any(again) {
        let supplement = of_side(Side::Supplement);
        let known: FxHashMap<Place, Primitive> = main
            .iter()
            .chain(&supplement)
            .flatten()
            .flat_map(|contents| &contents.declared)
            .map(|(&place, &primitive)| (place, primitive))
            .collect();
        let all: Vec<usize> = (0..main.len())
            .filter(|&index| again(&main[index]))
            .collect();
        let second: Vec<(usize, Outcome)> = all
            .into_par_iter()
            .map(|index| {
                let outcome = read_unit(sections, Side::Main, index, &names, &known);
                (index, outcome)
            })
            .collect();
        for (index, outcome) in second {
            main[index] = outcome;
        }
    }
    sum_up(main)
}

fn sum_up(outcomes: Vec<Outcome>) -> (Vec<Inlined>, u64, u64, Option<Skipped>) {
    let (mut inlined, mut units, mut entries) = (Vec::new(), 0, 0);
    let mut skipped: Option<Skipped> = None;
    for outcome in outcomes {
        match outcome {
            Ok(contents) => {
                units += 1;
                entries += contents.entries;
                inlined.extend(contents.inlined);
            }
            Err(why) => skipped.get_or_insert(Skipped { units: 0, why }).units += 1,
        }
    }
    inlined.sort_by(|one, other| {
        let key = |inlined: &Inlined| (inlined.ranges[0].start, inlined.chain.len());
        key(one)
            .cmp(&key(other))
            .then_with(|| one.primitive.cmp(&other.primitive))
    });
    (inlined, units, entries, skipped)
}

fn read_unit(
    sections: &Sections<'_>,
    side: Side,
    index: usize,
    names: &Names,
    known: &FxHashMap<Place, Primitive>,
) -> Outcome {
    let read = || -> Result<Contents> {
        let unit = sections.unit(side, index)?;
        let scopes = Scopes::read(&unit, names)?;
        let declared = scopes.declared(&unit, known);
        let again = scopes.refers_elsewhere && known.is_empty() && side == Side::Main;
        let inlined = if again || (declared.is_empty() && known.is_empty()) {
            Vec::new()
        } else {
            inlined::inlined(&unit, &scopes, &declared, known)?
        };
        Ok(Contents {
            entries: scopes.entries,
            inlined,
            declared,
            again,
        })
    };
    read().map_err(|error| format!("{error:#}"))
}

/// The address that offsets in the catalog count from.
fn base(file: &DebugFile<'_>) -> Option<u64> {
    let text = || file.address_of(file.elf.section_by_name(".text")?.index());
    let start = || Some(file.elf.symbol_by_name("_text")?.address());
    start().or_else(text)
}

/// The symbols that instances lie in, and those of the globals that are handed to them.
fn symbols(file: &DebugFile<'_>, inlined: &[Inlined]) -> Symbols {
    let starts = inlined
        .iter()
        .flat_map(|one| one.ranges.iter().map(|range| range.start));
    let mut wanted: Vec<u64> = starts
        .chain(inlined.iter().filter_map(|one| one.global))
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    let all = || {
        file.elf.symbols().filter_map(|symbol| {
            if matches!(
                symbol.kind(),
                object::SymbolKind::Section | object::SymbolKind::File
            ) {
                return None;
            }
            let section = symbol.section_index()?;
            let base = match file.elf.kind() {
                object::ObjectKind::Relocatable => file.address_of(section)?,
                _ => 0,
            };
            Some((symbol.address().wrapping_add(base), section, symbol))
        })
    };
    // The last symbol at or before each wanted address.
    let mut nearest = vec![0; wanted.len()];
    for (address, _, _) in all() {
        let at = wanted.partition_point(|&wanted| wanted < address);
        if let Some(slot) = nearest.get_mut(at) {
            *slot = address.max(*slot);
        }
    }
    for at in 1..nearest.len() {
        nearest[at] = nearest[at].max(nearest[at - 1]);
    }
    nearest.dedup();
    Symbols::new(all().filter_map(|(address, section, symbol)| {
        nearest.binary_search(&address).ok()?;
        let section = file.elf.section_by_index(section).ok()?;
        let kind = if section.kind() == SectionKind::Text {
            SymbolKind::Text
        } else {
            SymbolKind::Data
        };
        let name = symbol.name().ok().filter(|name| !name.is_empty())?;
        Some(Symbol {
            address,
            name,
            kind,
        })
    }))
}
