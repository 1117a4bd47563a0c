//! The tables as `scripts/kallsyms.c` of several versions writes them, and damage.

use std::iter;

use super::{Part, symbols_in};

/// Where the tables lie.
const ADDRESS: u64 = 0xffff_ffff_8200_0000;
/// Where the text begins.
const TEXT: u64 = 0xffff_ffff_8100_0000;

/// The order of the tables and how addresses are written.
#[derive(Clone, Copy, Debug)]
enum Version {
    /// Offsets first (until 6.3).
    First,
    /// Offsets last, then what they are relative to.
    Last,
    /// Offsets last, each relative to its place (since 7.0).
    Itself,
}

const VERSIONS: [Version; 3] = [Version::First, Version::Last, Version::Itself];

/// Symbols by address: a per-CPU variable (until 6.14 a small number), the start of the text,
/// functions, a long name, data.
fn symbols(version: Version) -> Vec<(u64, String)> {
    let functions = (1..700).map(|n| (TEXT + 16 * n, format!("tfunction_{n}")));
    let per_cpu = match version {
        Version::First | Version::Last => (0x1000, "Acpu_info".to_owned()),
        Version::Itself => (TEXT - 0x1000, "Dcpu_info".to_owned()),
    };
    let long = (TEXT + 0x10_0000, format!("t{}", "long".repeat(40)));
    let data = (TEXT + 0x80_0000, "Drename_lock".to_owned());
    [per_cpu, (TEXT, "T_text".to_owned())]
        .into_iter()
        .chain(functions)
        .chain([long, data])
        .collect()
}

/// What a byte stands for: itself if it is a letter, or something that no name has.
fn token(byte: u8) -> String {
    let character = char::from(byte);
    if character.is_ascii_graphic() {
        character.to_string()
    } else {
        format!("~{byte}")
    }
}

fn align(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

fn offsets(bytes: &mut Vec<u8>, version: Version) {
    for (address, _) in symbols(version) {
        let place = ADDRESS + bytes.len() as u64;
        let offset = match version {
            Version::Itself => address.wrapping_sub(place) as i32,
            Version::First | Version::Last if address < TEXT => address as i32,
            Version::First | Version::Last => -1 - (address - TEXT) as i32,
        };
        bytes.extend(offset.to_le_bytes());
    }
    if !matches!(version, Version::Itself) {
        align(bytes, 8);
        bytes.extend(TEXT.to_le_bytes());
    }
}

fn tables(version: Version) -> Vec<u8> {
    let to = if matches!(version, Version::Itself) {
        4
    } else {
        8
    };
    // What lies before is text, as random as a test can be.
    let mut bytes: Vec<u8> = iter::successors(Some(1_u32), |x| Some(x.wrapping_mul(0x0019_660d)))
        .take(8192)
        .map(|x| (x >> 16) as u8)
        .collect();
    if matches!(version, Version::First) {
        offsets(&mut bytes, version);
    }
    bytes.extend((symbols(version).len() as u32).to_le_bytes());
    align(&mut bytes, to);
    let start = bytes.len();
    let mut markers = Vec::new();
    for (index, (_, name)) in symbols(version).iter().enumerate() {
        if index % 256 == 0 {
            markers.push((bytes.len() - start) as u32);
        }
        match name.len() {
            length @ ..0x80 => bytes.push(length as u8),
            length => bytes.extend([length as u8 & 0x7f | 0x80, (length >> 7) as u8]),
        }
        bytes.extend(name.as_bytes());
    }
    align(&mut bytes, to);
    bytes.extend(markers.into_iter().flat_map(u32::to_le_bytes));
    align(&mut bytes, to);
    let start = bytes.len();
    let mut index = Vec::new();
    for byte in 0..=u8::MAX {
        index.extend(((bytes.len() - start) as u16).to_le_bytes());
        bytes.extend(token(byte).as_bytes());
        bytes.push(0);
    }
    align(&mut bytes, to);
    bytes.extend(index);
    align(&mut bytes, to);
    if !matches!(version, Version::First) {
        offsets(&mut bytes, version);
    }
    bytes
}

fn decoded(bytes: &[u8]) -> Option<Vec<(u64, String)>> {
    let part = Part {
        address: ADDRESS,
        bytes,
    };
    let symbols = symbols_in(part, TEXT)?;
    let symbols = symbols.iter();
    Some(
        symbols
            .map(|symbol| (symbol.address, symbol.name.to_owned()))
            .collect(),
    )
}

#[test]
fn every_version_of_the_tables_gives_the_symbols() {
    for version in VERSIONS {
        let mut expected = symbols(version);
        for (_, name) in &mut expected {
            name.remove(0);
        }
        assert_eq!(decoded(&tables(version)), Some(expected), "{version:?}");
    }
}

#[test]
fn tables_cut_off_anywhere_give_nothing() {
    for version in VERSIONS {
        let whole = tables(version);
        for length in (0..whole.len()).step_by(97) {
            assert_eq!(decoded(&whole[..length]), None, "{version:?} {length}");
        }
    }
}

#[test]
fn another_start_of_the_text_is_not_believed() {
    for version in VERSIONS {
        let bytes = tables(version);
        let part = Part {
            address: ADDRESS,
            bytes: &bytes,
        };
        assert!(symbols_in(part, TEXT + 0x1000).is_none(), "{version:?}");
    }
}

#[test]
fn flipped_bytes_never_panic() {
    for version in VERSIONS {
        let whole = tables(version);
        for at in (8192..whole.len()).step_by(61) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0xff;
            let _ = decoded(&damaged);
        }
    }
}
