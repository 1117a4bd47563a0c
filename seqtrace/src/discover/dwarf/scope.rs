//! The entries of one unit → its functions and the calls that were inlined in them.
//!
//! One linear pass, in which the attributes of everything else are skipped: units are nine tenths
//! types.

use gimli::{EntriesRaw, Result, UnitOffset, constants as tag};
use rustc_hash::FxHashMap;

use super::{
    primitive::Primitive,
    unit::{Place, Reader, Unit},
};

/// A function, or a call that was inlined.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    /// Its entry.
    pub(super) offset: UnitOffset,
    /// Index of the scope around it.
    pub(super) parent: Option<u32>,
    /// Whether it is an inlined call.
    pub(super) inlined: bool,
    /// The entry that has its name.
    pub(super) origin: Option<Place>,
    /// For a function with a name of its own: which primitive it is.
    pub(super) named: Option<Primitive>,
    /// Whether it has an address.
    pub(super) has_code: bool,
}

/// What one pass over a unit finds.
#[derive(Debug, Default)]
pub(super) struct Scopes {
    /// In the order of the entries: parents first.
    pub(super) list: Vec<Scope>,
    /// Entries of the unit, of any kind.
    pub(super) entries: u64,
    /// Whether names lie in another unit or file: LTO, dwz.
    pub(super) refers_elsewhere: bool,
}

impl Scopes {
    /// Reads a unit.
    ///
    /// # Errors
    ///
    /// When it is malformed.
    pub(super) fn read(unit: &Unit<'_, '_>, names: &Names) -> Result<Self> {
        let mut entries = unit.inner.entries_raw(None)?;
        let mut scopes = Self::default();
        // The open scopes, with how deep their entries lie.
        let mut open: Vec<(isize, u32)> = Vec::new();
        while !entries.is_empty() {
            let offset = entries.next_offset();
            let depth = entries.next_depth();
            let Some(abbreviation) = entries.read_abbreviation()? else {
                continue;
            };
            scopes.entries += 1;
            while open.last().is_some_and(|&(outer, _)| outer >= depth) {
                open.pop();
            }
            let inlined = abbreviation.tag() == tag::DW_TAG_inlined_subroutine;
            if !inlined && abbreviation.tag() != tag::DW_TAG_subprogram {
                entries.skip_attributes(abbreviation.attributes())?;
                continue;
            }
            let scope = Scope {
                offset,
                parent: open.last().map(|&(_, index)| index),
                inlined,
                origin: None,
                named: None,
                has_code: false,
            };
            let scope = scope.with_attributes(unit, names, abbreviation, &mut entries)?;
            scopes.refers_elsewhere |= scope
                .origin
                .is_some_and(|origin| unit.own_offset(origin).is_none());
            if abbreviation.has_children() {
                open.push((depth, scopes.list.len() as u32));
            }
            scopes.list.push(scope);
        }
        Ok(scopes)
    }

    /// The functions that are primitives, by the places of their entries: by their own names, and
    /// those whose names `known` has.
    pub(super) fn declared(
        &self,
        unit: &Unit<'_, '_>,
        known: &FxHashMap<Place, Primitive>,
    ) -> FxHashMap<Place, Primitive> {
        let mut declared = FxHashMap::default();
        for scope in self.list.iter().filter(|scope| !scope.inlined) {
            if let Some(primitive) = scope.named {
                declared.insert(unit.place(scope.offset), primitive);
            }
        }
        // Copies that are out of line refer to the entry with the name, which may come later.
        for scope in self.list.iter().filter(|scope| !scope.inlined) {
            let Some(origin) = scope.origin else { continue };
            let primitive = declared.get(&origin).or_else(|| known.get(&origin));
            if let Some(&primitive) = primitive {
                declared.insert(unit.place(scope.offset), primitive);
            }
        }
        declared
    }
}

/// The primitives by name.
pub(super) type Names = FxHashMap<&'static [u8], Primitive>;

impl Scope {
    fn with_attributes<'data>(
        mut self,
        unit: &Unit<'data, '_>,
        names: &Names,
        abbreviation: &gimli::Abbreviation,
        entries: &mut EntriesRaw<'_, Reader<'data>>,
    ) -> Result<Self> {
        let mut name = None;
        let mut is_declaration = false;
        for &specification in abbreviation.attributes() {
            let attribute = entries.read_attribute_inline(specification)?;
            match attribute.name() {
                tag::DW_AT_name => name = Some(attribute.value()),
                tag::DW_AT_abstract_origin | tag::DW_AT_specification => {
                    self.origin = unit.referred(attribute.value());
                }
                tag::DW_AT_low_pc | tag::DW_AT_ranges => self.has_code = true,
                tag::DW_AT_declaration => is_declaration = true,
                _ => {}
            }
        }
        if let Some(name) = name
            && !self.inlined
            && !is_declaration
        {
            let name = unit.dwarf().attr_string(&unit.inner, name)?;
            self.named = names.get(name.slice()).copied();
        }
        Ok(self)
    }
}
