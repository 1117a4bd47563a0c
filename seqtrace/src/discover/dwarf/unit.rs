//! Debug sections → their units, and places of entries in them and across them.

use anyhow::{Context as _, Result};
use gimli::{
    AbbreviationsCacheStrategy, AttributeValue, DebugInfoOffset, Dwarf, EndianSlice, LittleEndian,
    UnitHeader, UnitOffset,
};

/// How debug sections are read.
pub(super) type Reader<'data> = EndianSlice<'data, LittleEndian>;

/// Which of two files.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Side {
    /// The file that was asked for.
    Main,
    /// The one it keeps some of its entries in.
    Supplement,
}

/// Where an entry is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Place {
    /// Its file.
    pub(super) side: Side,
    /// Its offset in `.debug_info`.
    pub(super) offset: usize,
}

/// The debug sections of a file and of its supplement.
pub(super) struct Sections<'data> {
    main: Dwarf<Reader<'data>>,
    main_units: Vec<UnitHeader<Reader<'data>>>,
    supplement_units: Vec<UnitHeader<Reader<'data>>>,
}

/// One unit, with what its attributes refer to.
pub(super) struct Unit<'data, 'sections> {
    /// All sections.
    pub(super) sections: &'sections Sections<'data>,
    /// The file it is in.
    pub(super) side: Side,
    /// Its offset in `.debug_info`.
    start: usize,
    /// Its header and root.
    pub(super) inner: gimli::Unit<Reader<'data>>,
}

impl<'data> Sections<'data> {
    pub(super) fn new(mut main: Dwarf<Reader<'data>>) -> Result<Self> {
        // Files made by dwz or by LTO share tables of abbreviations between units.
        main.populate_abbreviations_cache(AbbreviationsCacheStrategy::Duplicates);
        let main_units = headers(&main)?;
        let supplement_units = main.sup().map(headers).transpose()?.unwrap_or_default();
        Ok(Self {
            main,
            main_units,
            supplement_units,
        })
    }

    /// The sections of one of the files; the main ones if there is no supplement.
    pub(super) fn dwarf(&self, side: Side) -> &Dwarf<Reader<'data>> {
        match side {
            Side::Main => &self.main,
            Side::Supplement => self.main.sup().unwrap_or(&self.main),
        }
    }

    /// Headers of the units of one of the files, by offset.
    pub(super) fn units(&self, side: Side) -> &[UnitHeader<Reader<'data>>] {
        match side {
            Side::Main => &self.main_units,
            Side::Supplement => &self.supplement_units,
        }
    }

    /// Reads the root of a unit.
    pub(super) fn unit(&self, side: Side, index: usize) -> gimli::Result<Unit<'data, '_>> {
        let header = self.units(side)[index];
        Ok(Unit {
            sections: self,
            side,
            start: start(&header),
            inner: self.dwarf(side).unit(header)?,
        })
    }

    /// The index of the unit that an entry is in, and its offset there.
    pub(super) fn unit_of(&self, place: Place) -> Option<(usize, UnitOffset)> {
        let units = self.units(place.side);
        let index = units
            .partition_point(|header| start(header) <= place.offset)
            .checked_sub(1)?;
        let offset = DebugInfoOffset(place.offset).to_unit_offset(&units[index])?;
        Some((index, offset))
    }
}

impl<'data> Unit<'data, '_> {
    /// The sections it is in.
    pub(super) fn dwarf(&self) -> &Dwarf<Reader<'data>> {
        self.sections.dwarf(self.side)
    }

    /// Where one of its entries is.
    pub(super) fn place(&self, offset: UnitOffset) -> Place {
        Place {
            side: self.side,
            offset: self.start.saturating_add(offset.0),
        }
    }

    /// The offset of an entry in this unit; `None` if it is in another one.
    pub(super) fn own_offset(&self, place: Place) -> Option<UnitOffset> {
        if place.side != self.side {
            return None;
        }
        DebugInfoOffset(place.offset).to_unit_offset(&self.inner.header)
    }

    /// The entry that the value of an attribute refers to.
    pub(super) fn referred(&self, value: AttributeValue<Reader<'data>>) -> Option<Place> {
        match value {
            AttributeValue::UnitRef(offset) => Some(self.place(offset)),
            AttributeValue::DebugInfoRef(offset) => Some(Place {
                side: self.side,
                offset: offset.0,
            }),
            AttributeValue::DebugInfoRefSup(offset) => Some(Place {
                side: Side::Supplement,
                offset: offset.0,
            }),
            _ => None,
        }
    }

    /// Bytes of the unit, its header included.
    pub(super) fn length(&self) -> usize {
        self.inner.header.length_including_self()
    }
}

fn start(header: &UnitHeader<Reader<'_>>) -> usize {
    header.debug_info_offset().map_or(0, |offset| offset.0)
}

fn headers<'data>(dwarf: &Dwarf<Reader<'data>>) -> Result<Vec<UnitHeader<Reader<'data>>>> {
    let mut headers = Vec::new();
    let mut units = dwarf.units();
    while let Some(header) = units.next().context("failed to list the units")? {
        headers.push(header);
    }
    Ok(headers)
}
