//! The scopes of one unit → the instances of primitives in it.

use std::ops::Range;

use anyhow::{Context as _, Result};
use gimli::constants as tag;
use rustc_hash::FxHashMap;

use super::{
    super::catalog::Frame,
    Inlined,
    location::constant_address,
    origin::Origins,
    primitive::{Part, Primitive, lockname},
    scope::{Scope, Scopes},
    source::{self, Files},
    unit::{Place, Unit},
};

/// Bytes of names, paths and ranges for each byte of a unit, and for the smallest one. Kernels need
/// less than one for ten bytes.
const BYTES_FOR_EACH_BYTE: usize = 16;
const BYTES_AT_LEAST: usize = 1 << 16;

/// What one unit may still take, so that a small file does not make a large result.
struct Budget {
    left: usize,
}

impl Budget {
    fn take(&mut self, bytes: usize) -> Result<()> {
        let left = self.left.checked_sub(bytes);
        self.left = left.context("it repeats itself more often than any unit")?;
        Ok(())
    }
}

struct Resolver<'data, 'sections, 'unit> {
    unit: &'unit Unit<'data, 'sections>,
    scopes: &'unit [Scope],
    origins: Origins<'data, 'sections, 'unit>,
    files: Files<'data, 'sections, 'unit>,
    /// Calls in a function, by the index of its scope: the address behind each, and the entry of
    /// what it calls.
    calls: FxHashMap<usize, Vec<(u64, Place)>>,
    budget: Budget,
}

/// Finds the instances in a unit; `declared` and `known` are the primitives among functions of this
/// unit and of all.
///
/// # Errors
///
/// When the unit is malformed.
pub(super) fn inlined(
    unit: &Unit<'_, '_>,
    scopes: &Scopes,
    declared: &FxHashMap<Place, Primitive>,
    known: &FxHashMap<Place, Primitive>,
) -> Result<Vec<Inlined>> {
    let mut instances: Vec<(usize, Primitive)> = Vec::new();
    for (index, scope) in scopes.list.iter().enumerate() {
        let primitive = scope.named.or_else(|| {
            let origin = scope.origin?;
            declared
                .get(&origin)
                .or_else(|| known.get(&origin))
                .copied()
        });
        if let Some(primitive) = primitive
            && scope.has_code
        {
            instances.push((index, primitive));
        }
    }
    if instances.is_empty() {
        return Ok(Vec::new());
    }
    let most = unit
        .length()
        .saturating_mul(BYTES_FOR_EACH_BYTE)
        .saturating_add(BYTES_AT_LEAST);
    let mut resolver = Resolver {
        unit,
        scopes: &scopes.list,
        origins: Origins::new(unit),
        files: Files::new(unit),
        calls: FxHashMap::default(),
        budget: Budget { left: most },
    };
    let mut found = Vec::new();
    for (index, primitive) in instances {
        found.extend(resolver.instance(index, primitive)?);
    }
    resolver.add_lines(&mut found, most)?;
    Ok(found)
}

impl Resolver<'_, '_, '_> {
    /// `None` where the compiler has left no code of it.
    fn instance(&mut self, index: usize, primitive: Primitive) -> Result<Option<Inlined>> {
        let ranges = self.ranges(index)?;
        if ranges.is_empty() {
            return Ok(None);
        }
        let (chain, outermost) = self.chain(index, primitive)?;
        let lock_call = match primitive.part() {
            Part::Begin => self.lock_call(outermost, &ranges)?,
            Part::Check
            | Part::WriteBegin
            | Part::WriteEnd
            | Part::WriteOther
            | Part::Wrapper
            | Part::Relative
            | Part::Pause => None,
        };
        Ok(Some(Inlined {
            primitive,
            lockname: lockname(&chain),
            chain,
            global: constant_address(self.unit, self.scopes[index].offset)?,
            ranges,
            lock_call,
        }))
    }

    fn ranges(&mut self, index: usize) -> Result<Vec<Range<u64>>> {
        let unit = &self.unit.inner;
        let entry = unit.entry(self.scopes[index].offset)?;
        let mut ranges = Vec::new();
        // The linker leaves 0 for code that it has dropped.
        let mut keep = |range: Range<u64>| {
            if range.start != 0 && range.start < range.end {
                ranges.push(range);
            }
        };
        if let Some(list) = entry.attr_value(tag::DW_AT_ranges)
            && let Some(mut list) = self.unit.dwarf().attr_ranges(unit, list)?
        {
            while let Some(range) = list.next()? {
                self.budget.take(size_of::<Range<u64>>())?;
                keep(range.begin..range.end);
            }
        } else if let Some(start) = entry.attr_value(tag::DW_AT_low_pc)
            && let Some(start) = self.unit.dwarf().attr_address(unit, start)?
            && let Some(end) = entry.attr_value(tag::DW_AT_high_pc)
        {
            // An address, or the distance from the start.
            let address = self.unit.dwarf().attr_address(unit, end)?;
            let distant = || start.checked_add(end.udata_value()?);
            keep(start..address.or_else(distant).unwrap_or(start));
        }
        ranges.sort_unstable_by_key(|range| (range.start, range.end));
        Ok(ranges)
    }

    /// The calls that lead to a scope, outermost first, and the index of the outermost one.
    fn chain(&mut self, index: usize, primitive: Primitive) -> Result<(Vec<Frame>, usize)> {
        let mut chain = vec![Frame {
            function: primitive.name().to_owned(),
            source: None,
        }];
        let mut outermost = index;
        while self.scopes[outermost].inlined
            && let Some(parent) = self.scopes[outermost].parent
        {
            let source = self.call_source(outermost)?;
            outermost = parent as usize;
            let place = self.unit.place(self.scopes[outermost].offset);
            let function = self.origins.name(place).unwrap_or("?").to_owned();
            let path_bytes = source.as_ref().map_or(0, |source| source.file.len());
            self.budget
                .take(size_of::<Frame>() + function.len() + path_bytes)?;
            chain.push(Frame { function, source });
        }
        chain.reverse();
        Ok((chain, outermost))
    }

    /// Where an inlined call stands.
    fn call_source(&mut self, index: usize) -> Result<Option<super::super::catalog::Source>> {
        let entry = self.unit.inner.entry(self.scopes[index].offset)?;
        let number = |name| entry.attr_value(name);
        let file = match number(tag::DW_AT_call_file) {
            Some(gimli::AttributeValue::FileIndex(file)) => Some(file),
            other => other.and_then(|value| value.udata_value()),
        };
        let line = number(tag::DW_AT_call_line).and_then(|value| value.udata_value());
        Ok(file
            .zip(line)
            .and_then(|(file, line)| self.files.source(file, line)))
    }

    /// The lock function that is called in the ranges of a begin.
    fn lock_call(&mut self, outermost: usize, ranges: &[Range<u64>]) -> Result<Option<String>> {
        if !self.calls.contains_key(&outermost) {
            let calls = self.calls_in(outermost)?;
            self.calls.insert(outermost, calls);
        }
        for &(behind, callee) in &self.calls[&outermost] {
            let inside = |range: &Range<u64>| range.start < behind && behind <= range.end;
            if ranges.iter().any(inside)
                && let Some(name) = self.origins.name(callee)
                && name.contains("_lock")
            {
                return Ok(Some(name.to_owned()));
            }
        }
        Ok(None)
    }

    fn calls_in(&self, outermost: usize) -> Result<Vec<(u64, Place)>> {
        let unit = &self.unit.inner;
        let mut entries = unit.entries_raw(Some(self.scopes[outermost].offset))?;
        let mut entry = gimli::DebuggingInformationEntry::null();
        let mut calls = Vec::new();
        while !entries.is_empty() {
            let is_call = {
                let mut ahead = entries.clone();
                ahead.read_abbreviation()?.map(gimli::Abbreviation::tag)
            };
            if matches!(
                is_call,
                Some(tag::DW_TAG_call_site | tag::DW_TAG_GNU_call_site)
            ) {
                entries.read_entry(&mut entry)?;
                let behind = entry
                    .attr_value(tag::DW_AT_call_return_pc)
                    .or_else(|| entry.attr_value(tag::DW_AT_low_pc));
                let callee = entry
                    .attr_value(tag::DW_AT_call_origin)
                    .or_else(|| entry.attr_value(tag::DW_AT_abstract_origin));
                if let Some(behind) = behind
                    && let Some(behind) = self.unit.dwarf().attr_address(unit, behind)?
                    && let Some(callee) = callee.and_then(|callee| self.unit.referred(callee))
                {
                    calls.push((behind, callee));
                }
            } else if let Some(abbreviation) = entries.read_abbreviation()? {
                entries.skip_attributes(abbreviation.attributes())?;
            }
            if entries.next_depth() <= 0 {
                break;
            }
        }
        Ok(calls)
    }

    /// Gives the last frame of each chain the line that its first address belongs to.
    fn add_lines(&mut self, found: &mut [Inlined], rows: usize) -> Result<()> {
        let mut addresses: Vec<u64> = found.iter().map(|one| one.ranges[0].start).collect();
        addresses.sort_unstable();
        addresses.dedup();
        let lines = source::lines(self.unit, &addresses, rows)?;
        for one in found {
            if let Some(&(file, line)) = lines.get(&one.ranges[0].start)
                && let Some(last) = one.chain.last_mut()
            {
                last.source = self.files.source(file, line);
                let path_bytes = last.source.as_ref().map_or(0, |source| source.file.len());
                self.budget.take(path_bytes)?;
            }
        }
        Ok(())
    }
}
