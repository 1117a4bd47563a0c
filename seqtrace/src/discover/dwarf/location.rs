//! The arguments of an inlined function → the address that is among them, where that is a constant.

use gimli::{AttributeValue, Expression, Operation, Result, UnitOffset, constants as tag};

use super::unit::{Reader, Unit};

/// Longer lists of locations are no single constant.
const LOCATIONS: usize = 64;

/// The address that is handed to the function whose entry is at `offset`; `None` where it is
/// computed when the function runs, or not told.
///
/// A primitive has one argument that is an address, but compilers do not keep to the order.
///
/// # Errors
///
/// When the entries are malformed.
pub(super) fn constant_address(unit: &Unit<'_, '_>, offset: UnitOffset) -> Result<Option<u64>> {
    let mut entries = unit.inner.entries_raw(Some(offset))?;
    let Some(function) = entries.read_abbreviation()? else {
        return Ok(None);
    };
    entries.skip_attributes(function.attributes())?;
    if !function.has_children() {
        return Ok(None);
    }
    while !entries.is_empty() {
        let Some(parameter) = entries.read_abbreviation()? else {
            break;
        };
        if parameter.tag() != tag::DW_TAG_formal_parameter || parameter.has_children() {
            break;
        }
        let mut location = None;
        for &specification in parameter.attributes() {
            let attribute = entries.read_attribute(specification)?;
            if attribute.name() == tag::DW_AT_location {
                location = Some(attribute.value());
            }
        }
        if let Some(location) = location
            && let Some(address) = at_all_times(unit, location)?
        {
            return Ok(Some(address));
        }
    }
    Ok(None)
}

/// The address that an argument is at all times of its life.
fn at_all_times<'data>(
    unit: &Unit<'data, '_>,
    location: AttributeValue<Reader<'data>>,
) -> Result<Option<u64>> {
    if let AttributeValue::Exprloc(expression) = location {
        return value(unit, expression);
    }
    let Some(mut list) = unit.dwarf().attr_locations(&unit.inner, location)? else {
        return Ok(None);
    };
    let mut address = None;
    for _ in 0..LOCATIONS {
        let Some(entry) = list.next()? else {
            return Ok(address);
        };
        let value = value(unit, entry.data)?;
        if value.is_none() || (address.is_some() && address != value) {
            return Ok(None);
        }
        address = value;
    }
    Ok(None)
}

/// The value of an expression that is an address and perhaps a distance from it.
fn value<'data>(
    unit: &Unit<'data, '_>,
    expression: Expression<Reader<'data>>,
) -> Result<Option<u64>> {
    let mut operations = expression.operations(unit.inner.encoding());
    let mut address: u64 = match operations.next()? {
        Some(Operation::Address { address }) => address,
        Some(Operation::AddressIndex { index }) => unit.dwarf().address(&unit.inner, index)?,
        _ => return Ok(None),
    };
    while let Some(operation) = operations.next()? {
        match operation {
            Operation::PlusConstant { value } => address = address.wrapping_add(value),
            // Without this the argument lies in memory at the address.
            Operation::StackValue => return Ok(Some(address)),
            _ => return Ok(None),
        }
    }
    Ok(None)
}
