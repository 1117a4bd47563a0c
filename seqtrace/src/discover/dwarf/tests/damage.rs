//! Damaged files: an error, or units that are counted as skipped; never a panic, and no more found
//! than the file has room for.

use super::{build::Workshop, *};

/// Bytes that an instance, its ranges and its chain take at most for each byte of the file.
const MOST_FOR_EACH_BYTE: usize = 64;

fn read(file: &[u8]) {
    if let Ok(debuginfo) = Debuginfo::parse(file, None) {
        let bytes: usize = debuginfo
            .inlined
            .iter()
            .map(|one| {
                let names = one
                    .chain
                    .iter()
                    .map(|frame| frame.function.len())
                    .sum::<usize>();
                names + one.ranges.len() * 16
            })
            .sum();
        let most = file.len() * MOST_FOR_EACH_BYTE + (1 << 18);
        assert!(bytes < most, "{bytes} bytes from {}", file.len());
    }
}

/// Numbers without a pattern, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        // Knuth's constants (The Art of Computer Programming, volume 2, 3.3.4).
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

fn files() -> [Vec<u8>; 3] {
    [
        Workshop::new(COMPILER).image(&["-gdwarf-5"]),
        Workshop::new(COMPILER).module(&["-gdwarf-4"]),
        Workshop::new(COMPILER).compressed(&["-gdwarf-5"], "zlib"),
    ]
}

#[test]
fn a_file_cut_anywhere_is_no_panic() {
    for file in files() {
        for length in (0..file.len()).step_by(97) {
            read(&file[..length]);
        }
    }
}

#[test]
fn flipped_bits_are_no_panic() {
    let mut numbers = Numbers(1);
    for file in files() {
        for _ in 0..600 {
            let mut damaged = file.clone();
            for _ in 0..=numbers.below(4) {
                let at = numbers.below(damaged.len());
                damaged[at] ^= 1 << numbers.below(8);
            }
            read(&damaged);
        }
    }
}

#[test]
fn random_debug_sections_are_no_panic() {
    let mut numbers = Numbers(2);
    for file in files() {
        let elf = object::File::parse(&*file).unwrap();
        let sections: Vec<(usize, usize)> = elf
            .sections()
            .filter(|section| section.name().is_ok_and(|name| name.starts_with(".debug_")))
            .filter_map(|section| section.file_range())
            .map(|(start, length)| (start as usize, length as usize))
            .filter(|&(_, length)| length > 0)
            .collect();
        for _ in 0..600 {
            let mut damaged = file.clone();
            let (start, length) = sections[numbers.below(sections.len())];
            let from = start + numbers.below(length);
            let to = (from + 1 + numbers.below(8)).min(start + length);
            for byte in &mut damaged[from..to] {
                *byte = numbers.below(256) as u8;
            }
            read(&damaged);
        }
    }
}

#[test]
fn a_damaged_unit_leaves_the_others() {
    let file = Workshop::new(COMPILER).module(&["-gdwarf-4"]);
    let whole = parse(&file);
    let elf = object::File::parse(&*file).unwrap();
    let (start, _) = elf
        .section_by_name(".debug_info")
        .unwrap()
        .file_range()
        .unwrap();
    // The version and the offset of the abbreviations stand behind the length; the first entry
    // begins at byte 11.
    let mut damaged = file.clone();
    damaged[start as usize + 11] = 0x7f;
    let rest = parse(&damaged);
    let skipped = rest.skipped.unwrap();
    assert_eq!((skipped.units, rest.units), (1, whole.units - 1));
    assert!(!skipped.why.is_empty());
    assert!(rest.inlined.len() < whole.inlined.len());
}

#[test]
fn a_section_that_says_it_is_huge_is_refused() {
    let workshop = Workshop::new(COMPILER);
    let mut file = workshop.compressed(&["-gdwarf-5"], "zlib");
    let elf = object::File::parse(&*file).unwrap();
    let info = elf.section_by_name(".debug_info").unwrap();
    let (start, _) = info.file_range().unwrap();
    // `ch_size` of the header of a compressed section.
    let at = start as usize + 8;
    file[at..at + 8].copy_from_slice(&(1_u64 << 60).to_le_bytes());
    let error = format!("{:#}", Debuginfo::parse(&file, None).unwrap_err());
    assert!(
        error.contains(".debug_info") && error.contains("1152921504606846976"),
        "{error}"
    );
}
