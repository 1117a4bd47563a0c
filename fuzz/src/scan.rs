//! Any text with any symbols and tables, as an image.
//!
//! ```text
//! flags   address   text   jump table   bug table   exception table   types   symbols …
//! u8      i32       part   part         part        part              part
//! ```
//!
//! A part is its length (`u32`) and the bytes. Kernels are linked to the last 2 GB, hence the size
//! of the address. A symbol is its distance from the start of the text (`i32`), what it is (`u8`),
//! the length of its name (`u8`) and that. Lengths beyond the end mean what is left.

use std::sync::Arc;

use seqtrace::discover::{
    self,
    btf::Btf,
    image::{Image, Segment},
    symbols::{Symbol, SymbolKind, Symbols},
};

/// Flag: a PREEMPT_RT kernel.
const REALTIME: u8 = 1;

/// What a symbol is.
const TEXT: u8 = 0;
const DATA: u8 = 1;
const IMPORT: u8 = 2;

/// Scans an image made of the bytes.
pub fn scan(bytes: &[u8]) {
    let Some((image, types)) = decode(bytes) else {
        return;
    };
    let types = Btf::parse(types, None).ok();
    let catalog = discover::scan(&image, types.as_ref(), &|_, _| {});
    // What is found lies in the text.
    for site in &catalog.sites {
        let at = image.base.wrapping_add(site.image_offset);
        assert!(
            image.segment_of(at).is_some(),
            "{} at {at:#x}",
            site.label()
        );
    }
}

fn decode(bytes: &[u8]) -> Option<(Image, Vec<u8>)> {
    let (&flags, rest) = bytes.split_first()?;
    let (address, mut rest) = rest.split_first_chunk()?;
    let base = 0_u64.wrapping_add_signed(i32::from_le_bytes(*address).into());
    let mut part = || -> Option<Vec<u8>> {
        let (length, tail) = rest.split_first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (part, tail) = tail.split_at(length.min(tail.len()));
        rest = tail;
        Some(part.to_vec())
    };
    let (text, jumps, bugs) = (part()?, part()?, part()?);
    let (exceptions, types) = (part()?, part()?);
    let text = Segment {
        address: base,
        bytes: text,
    };
    let jump_table = Segment {
        address: text.end().next_multiple_of(64),
        bytes: jumps,
    };
    let bug_table = Segment {
        address: jump_table.end().next_multiple_of(64),
        bytes: bugs,
    };
    let exception_table = Segment {
        address: bug_table.end().next_multiple_of(64),
        bytes: exceptions,
    };
    let (own, imported) = symbols(rest, base);
    let image = Image {
        name: "fuzz".to_owned(),
        base,
        text: vec![text],
        symbols: Arc::new(own),
        imports: vec![Arc::new(imported)],
        jump_table,
        bug_table,
        exception_table,
        realtime: flags & REALTIME != 0,
        build_id: String::new(),
    };
    Some((image, types))
}

/// The image's own symbols, and those it imports.
fn symbols(mut bytes: &[u8], base: u64) -> (Symbols, Symbols) {
    let (mut own, mut imported) = (Vec::new(), Vec::new());
    while let Some((&[a, b, c, d, kind, length], rest)) = bytes.split_first_chunk() {
        let (name, rest) = rest.split_at(usize::from(length).min(rest.len()));
        bytes = rest;
        let Ok(name) = std::str::from_utf8(name) else {
            continue;
        };
        let symbol = Symbol {
            address: base.wrapping_add_signed(i32::from_le_bytes([a, b, c, d]).into()),
            name,
            kind: if kind == DATA {
                SymbolKind::Data
            } else {
                SymbolKind::Text
            },
        };
        let symbols = if kind == IMPORT {
            &mut imported
        } else {
            &mut own
        };
        symbols.push(symbol);
    }
    (Symbols::new(own), Symbols::new(imported))
}

/// The bytes that [`scan`] makes an image like this one of, with the start of the text as
/// its base.
pub(crate) fn encode(image: &Image, types: &[u8]) -> Vec<u8> {
    let mut bytes = vec![if image.realtime { REALTIME } else { 0 }];
    let text = image.text.first().cloned().unwrap_or_default();
    bytes.extend((text.address as i32).to_le_bytes());
    for part in [
        &text.bytes,
        &image.jump_table.bytes,
        &image.bug_table.bytes,
        &image.exception_table.bytes,
        types,
    ] {
        let length = u32::try_from(part.len()).expect("seeds are small");
        bytes.extend(length.to_le_bytes());
        bytes.extend(part);
    }
    let imports = image.imports.iter().flat_map(|imports| imports.iter());
    let own = image
        .symbols
        .iter()
        .map(|symbol| (symbol, symbol.kind == SymbolKind::Data));
    let all = own
        .map(|(symbol, is_data)| (symbol, if is_data { DATA } else { TEXT }))
        .chain(imports.map(|symbol| (symbol, IMPORT)));
    for (symbol, kind) in all {
        let distance = i32::try_from(symbol.address.wrapping_sub(text.address) as i64);
        if let (Ok(distance), Ok(length)) = (distance, u8::try_from(symbol.name.len())) {
            bytes.extend(distance.to_le_bytes());
            bytes.extend([kind, length]);
            bytes.extend(symbol.name.as_bytes());
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use seqtrace::discover::catalog::ImageCatalog;

    use super::*;
    use crate::seed;

    #[test]
    fn a_seed_is_scanned_as_the_image_it_was_made_of() {
        let seeds = seed::all().unwrap();
        let (kernel, types) = seed::kernel(true).unwrap();
        let expected = discover::scan(&kernel, Some(&types), &|_, _| {});
        assert!(expected.sites.len() > 10, "{expected:#?}");
        let moved = kernel.text[0].address - kernel.base;
        let offsets = |catalog: ImageCatalog, moved: u64| -> Vec<_> {
            let sites = catalog.sites.into_iter();
            sites
                .map(|site| (site.image_offset - moved, site.role, site.seqcount))
                .collect()
        };
        let expected = offsets(expected, moved);
        let found = seeds
            .iter()
            .filter(|seed| seed.target == "scan")
            .filter_map(|seed| decode(&seed.bytes))
            .map(|(image, types)| {
                let types = Btf::parse(types, None).ok();
                offsets(discover::scan(&image, types.as_ref(), &|_, _| {}), 0)
            });
        assert!(found.into_iter().any(|found| found == expected));
    }
}
