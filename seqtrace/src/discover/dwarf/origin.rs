//! Places of entries → the names of the functions they describe, followed through units and files.

use gimli::constants as tag;
use rustc_hash::FxHashMap;

use super::unit::{Place, Side, Unit};

/// How often an entry may refer to another one for its name: a copy to the function, the function
/// to its declaration, each perhaps in another unit.
const REFERENCES: usize = 8;

/// Longer names are no kernel symbols (`KSYM_NAME_LEN`, `include/linux/kallsyms.h`).
const NAME_BYTES: usize = 512;

/// The names of functions as one unit sees them.
pub(super) struct Origins<'data, 'sections, 'unit> {
    unit: &'unit Unit<'data, 'sections>,
    /// Other units that names were looked up in.
    others: FxHashMap<(Side, usize), Option<Unit<'data, 'sections>>>,
    names: FxHashMap<Place, Option<String>>,
}

impl<'data, 'sections, 'unit> Origins<'data, 'sections, 'unit> {
    pub(super) fn new(unit: &'unit Unit<'data, 'sections>) -> Self {
        Self {
            unit,
            others: FxHashMap::default(),
            names: FxHashMap::default(),
        }
    }

    /// The name of the function at a place; `None` where none is to be found.
    pub(super) fn name(&mut self, place: Place) -> Option<&str> {
        if !self.names.contains_key(&place) {
            let name = self.look_up(place);
            self.names.insert(place, name);
        }
        self.names.get(&place)?.as_deref()
    }

    fn look_up(&mut self, mut place: Place) -> Option<String> {
        for _ in 0..REFERENCES {
            let (name, origin) = self.read(place)?;
            if name.is_some() {
                return name;
            }
            place = origin?;
        }
        None
    }

    /// The name that an entry has itself, and the entry that may have it instead.
    fn read(&mut self, place: Place) -> Option<(Option<String>, Option<Place>)> {
        if let Some(offset) = self.unit.own_offset(place) {
            return name_and_origin(self.unit, offset);
        }
        let sections = self.unit.sections;
        let (index, offset) = sections.unit_of(place)?;
        let other = self
            .others
            .entry((place.side, index))
            .or_insert_with(|| sections.unit(place.side, index).ok());
        name_and_origin(other.as_ref()?, offset)
    }
}

fn name_and_origin(
    unit: &Unit<'_, '_>,
    offset: gimli::UnitOffset,
) -> Option<(Option<String>, Option<Place>)> {
    let entry = unit.inner.entry(offset).ok()?;
    let name = entry
        .attr_value(tag::DW_AT_name)
        .and_then(|value| unit.dwarf().attr_string(&unit.inner, value).ok())
        .filter(|name| name.len() <= NAME_BYTES)
        .map(|name| name.to_string_lossy().into_owned());
    let origin = entry
        .attr_value(tag::DW_AT_abstract_origin)
        .or_else(|| entry.attr_value(tag::DW_AT_specification))
        .and_then(|value| unit.referred(value));
    Some((name, origin))
}
