//! Sequences that are read without the primitives: marked, named by their member, and no sites.

use super::fixture;
use crate::discover::{
    btf::{Btf, encode::Encoder},
    catalog::{Half, ImageCatalog, Instance, Name, Odd},
    scan,
};

const OPEN_CODED: &str = include_str!("open_coded.c");

/// The types of `open_coded.c`.
fn types() -> Btf {
    let mut btf = Encoder::new();
    let int = btf.int("unsigned int", 4);
    let long = btf.int("long", 8);
    let plain = btf.structure("seqcount", 4, &[("sequence", int, 0)]);
    let plain = btf.typedef("seqcount_t", plain);
    let members = [("scale", long, 0), ("seq", plain, 8)];
    let cpu_clock = btf.structure("cpu_clock", 16, &members);
    btf.variable("cpu_clock", cpu_clock);
    let members = [
        ("version", int, 0),
        ("generation", int, 4),
        ("value", long, 8),
        ("seq", plain, 16),
    ];
    let clock = btf.structure("clock", 24, &members);
    let clock = btf.pointer(clock);
    for name in [
        "read_version",
        "read_seqcount",
        "walk_generation",
        "wait_for_flag",
        "build_key",
    ] {
        btf.function(name, long, &[clock]);
    }
    Btf::parse(btf.bytes(), None).unwrap()
}

fn catalog() -> ImageCatalog {
    let image = fixture::build(OPEN_CODED, false);
    scan(&image, Some(&types()), &|_, _| {})
}

fn of<'a>(catalog: &'a ImageCatalog, function: &str) -> Vec<&'a Instance> {
    let instances = catalog.instances.iter();
    instances
        .filter(|instance| instance.function == function)
        .collect()
}

/// Asserts that a function has one begin and one check, both open-coded.
fn assert_open_coded(catalog: &ImageCatalog, function: &str, name: &str, odd: Odd) {
    let found = of(catalog, function);
    let [begin, check] = found[..] else {
        panic!("{found:#?}")
    };
    let Half::Begin { odd: found, .. } = begin.half else {
        panic!("{begin:#?}")
    };
    assert_eq!(found, odd);
    let Half::Check(check_half) = &check.half else {
        panic!("{check:#?}")
    };
    assert_eq!(check_half.begins, [begin.image_offset]);
    for instance in [begin, check] {
        assert!(instance.open_coded);
        assert_eq!(instance.seqcount.name, Name::Member(name.to_owned()));
        assert!(instance.sites.is_empty());
    }
}

#[test]
fn a_reader_of_this_cpus_copy_is_open_coded() {
    assert_open_coded(&catalog(), "read_this_cpu", "cpu_clock.seq", Odd::Selects);
}

#[test]
fn a_word_of_another_type_that_is_read_as_a_sequence_is_open_coded() {
    let catalog = catalog();
    assert_open_coded(&catalog, "read_version", "clock.version", Odd::Masks);
    let mut sites = catalog.sites.iter();
    assert!(!sites.any(|site| site.function == "read_version"));
}

#[test]
fn a_reader_by_the_primitives_is_not_open_coded() {
    let catalog = catalog();
    let found = of(&catalog, "read_seqcount");
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found.iter().all(|instance| !instance.open_coded));
}

#[test]
fn typed_words_that_are_no_sequences_are_not_open_coded() {
    let catalog = catalog();
    for function in ["walk_generation", "wait_for_flag", "build_key"] {
        assert!(of(&catalog, function).is_empty(), "{function}");
    }
}
