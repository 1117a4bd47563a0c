//! Writers: which increments are of sequences, and which half of a section they are.

use super::fixture;
use crate::discover::{
    btf::{Btf, encode::Encoder},
    catalog::{Half, Instance, Lockname, Name, Write},
    image::Image,
    scan,
};

const WRITERS: &str = include_str!("writers.c");
const COUNTERS: &str = include_str!("counters.c");

/// The types of `writers.c`.
fn types(realtime: bool) -> Btf {
    let mut btf = Encoder::new();
    let int = btf.int("unsigned int", 4);
    let long = btf.int("long", 8);
    let void = btf.pointer(0);
    let plain = btf.structure("seqcount", 4, &[("sequence", int, 0)]);
    let plain = btf.typedef("seqcount_t", plain);
    let lock = btf.structure("", 40, &[("word", int, 0)]);
    let lock = btf.typedef("spinlock_t", lock);
    let spinlock = if realtime {
        btf.structure("", 16, &[("seqcount", plain, 0), ("lock", void, 8)])
    } else {
        btf.structure("", 4, &[("seqcount", plain, 0)])
    };
    let spinlock = btf.typedef("seqcount_spinlock_t", spinlock);
    let members = [
        ("id", long, 0),
        ("plain", plain, 8),
        ("writes", int, 12),
        ("seq", spinlock, 16),
        ("lock", lock, 32),
        ("value", long, 72),
    ];
    let object = btf.structure("object", 80, &members);
    let object = btf.pointer(object);
    let holder = btf.structure("holder", 16, &[("id", long, 0), ("object", void, 8)]);
    let holder = btf.pointer(holder);
    for name in ["write_member", "write_twice", "write_by_register"] {
        btf.function(name, 0, &[object, long]);
    }
    for name in [
        "begin_locked",
        "end_locked",
        "leave_for_a_while",
        "half_a_section",
        "invalidate",
    ] {
        btf.function(name, 0, &[object]);
    }
    btf.function("write_untyped", 0, &[holder, long]);
    for name in [
        "pass_barrier",
        "add_to_bucket",
        "count_if",
        "count_twice",
        "count_by_two",
    ] {
        btf.function(name, 0, &[holder]);
    }
    Btf::parse(btf.bytes(), None).unwrap()
}

/// The writes of an image.
fn writes(image: &Image, btf: Option<&Btf>) -> Vec<(Instance, Write)> {
    let instances = scan(image, btf, &|_, _| {}).instances.into_iter();
    instances
        .filter_map(|instance| match instance.half {
            Half::Write(write) => Some((instance, write)),
            Half::Begin { .. } | Half::Check(_) => None,
        })
        .collect()
}

/// The halves in one function by address, which must all be of one seqcount.
fn halves(source: &str, realtime: bool, function: &str, name: &Name) -> Vec<Write> {
    let image = fixture::build(source, realtime);
    let all = writes(&image, Some(&types(realtime)));
    let found: Vec<_> = all
        .iter()
        .filter(|(instance, _)| instance.function == function)
        .collect();
    for (instance, _) in &found {
        assert_eq!(&instance.seqcount.name, name, "{instance:#?}");
        assert!(!instance.open_coded);
    }
    found.iter().map(|&&(_, write)| write).collect()
}

fn of_plain(function: &str) -> Vec<Write> {
    let name = Name::Member("object.plain".to_owned());
    halves(WRITERS, false, function, &name)
}

fn of_locked(realtime: bool, function: &str) -> Vec<Write> {
    let name = Name::Member("object.seq".to_owned());
    halves(WRITERS, realtime, function, &name)
}

#[test]
fn a_writer_of_a_global_that_readers_confirm_begins_and_ends() {
    for realtime in [false, true] {
        let name = Name::Global("global_lock".to_owned());
        let found = halves(WRITERS, realtime, "write_global", &name);
        assert_eq!(found, [Write::Begin, Write::End]);
    }
}

#[test]
fn a_writer_of_a_member_is_known_by_the_types() {
    assert_eq!(of_plain("write_member"), [Write::Begin, Write::End]);
    let untyped = writes(&fixture::build(WRITERS, false), None);
    let mut untyped = untyped.iter();
    assert!(!untyped.any(|(instance, _)| instance.function == "write_member"));
}

#[test]
fn one_section_comes_behind_another() {
    let mut found = of_plain("write_twice");
    found.sort_unstable_by_key(|write| *write == Write::End);
    assert_eq!(
        found,
        [Write::Begin, Write::Begin, Write::End, Write::End],
        "by half, because gcc may lay them out in any order"
    );
}

#[test]
fn a_lock_beside_half_a_section_tells_which_half_it_is() {
    for realtime in [false, true] {
        assert_eq!(of_locked(realtime, "begin_locked"), [Write::Begin]);
        assert_eq!(of_locked(realtime, "end_locked"), [Write::End]);
        assert_eq!(
            of_locked(realtime, "leave_for_a_while"),
            [Write::End, Write::Begin]
        );
    }
}

#[test]
fn half_a_section_without_a_lock_is_left_open() {
    assert_eq!(of_plain("half_a_section"), [Write::Unknown]);
}

#[test]
fn a_writer_of_a_latch_goes_to_the_other_copy() {
    for realtime in [false, true] {
        let name = Name::Global("global_latch".to_owned());
        let found = halves(WRITERS, realtime, "write_latch", &name);
        assert_eq!(found, [Write::Latch, Write::Latch]);
    }
}

#[test]
fn an_increment_by_two_invalidates() {
    assert_eq!(of_plain("invalidate"), [Write::Invalidate]);
}

#[test]
fn an_increment_may_go_by_way_of_a_register() {
    assert_eq!(of_plain("write_by_register"), [Write::Begin, Write::End]);
}

#[test]
fn a_lock_of_the_structure_tells_what_an_untyped_pointer_is_to() {
    for realtime in [false, true] {
        let found = of_locked(realtime, "write_untyped");
        assert_eq!(found, [Write::Begin, Write::End]);
    }
    let all = writes(&fixture::build(WRITERS, false), Some(&types(false)));
    let locked = all
        .iter()
        .filter(|(instance, _)| instance.seqcount.label() == "object.seq");
    for (instance, _) in locked {
        assert_eq!(instance.seqcount.lockname, Some(Lockname::Spinlock));
    }
}

#[test]
fn two_increments_in_a_row_are_a_barrier() {
    let found = halves(
        WRITERS,
        false,
        "pass_barrier",
        &Name::Member("object.plain".to_owned()),
    );
    assert_eq!(found, [Write::Begin, Write::End]);
}

#[test]
fn a_counter_is_not_written_as_a_sequence_is() {
    let types = types(true);
    let found = writes(&fixture::build(COUNTERS, true), Some(&types));
    assert!(found.is_empty(), "{found:#?}");
    // The same file has writers that are found, and counters beside them that are not.
    let found = writes(&fixture::build(WRITERS, true), Some(&types));
    let names: Vec<String> = found
        .iter()
        .map(|(instance, _)| instance.seqcount.label())
        .collect();
    assert!(!found.is_empty());
    assert!(
        names
            .iter()
            .all(|name| !name.contains("writes") && name != "statistics"),
        "{names:?}"
    );
}
