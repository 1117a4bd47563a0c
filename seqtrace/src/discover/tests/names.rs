//! What sequences are called whose own function has no type that leads to them.

use super::{READERS, fixture, of, sites};
use crate::discover::{
    btf::{Btf, encode::Encoder},
    catalog::{Name, Site},
};

const NAMES: &str = include_str!("names.c");

/// The types of `names.c`; those of the readers under test are left out.
fn types(realtime: bool) -> Btf {
    let mut btf = Encoder::new();
    let long = btf.int("long", 8);
    let int = btf.int("unsigned int", 4);
    let void = btf.pointer(0);
    let plain = btf.structure("seqcount", 4, &[("sequence", int, 0)]);
    let plain = btf.typedef("seqcount_t", plain);
    let members = [("seqcount", plain, 0), ("lock", void, 8)];
    let (bytes, count) = if realtime { (16, 2) } else { (4, 1) };
    let spinlock = btf.structure("", bytes, &members[..count]);
    let spinlock = btf.typedef("seqcount_spinlock_t", spinlock);
    let end = 8 + bytes.next_multiple_of(8);
    let bin = btf.structure("bin", end, &[("id", long, 0), ("count", spinlock, 8)]);
    btf.structure("small", end, &[("id", long, 0), ("other", spinlock, 8)]);
    let halves = [("left", spinlock, 0), ("right", spinlock, bytes)];
    let pair = btf.structure("pair", 2 * bytes, &halves);
    let next = btf.pointer(pair + 2);
    let object = [
        ("id", long, 0),
        ("seq", spinlock, 8),
        ("value", long, end),
        ("next", next, end + 8),
    ];
    btf.structure("object", end + 16, &object);
    let sample = btf.structure("sample", 16, &[("time", long, 0), ("seq", plain, 8)]);
    let rows = btf.array(sample, 4);
    let table = btf.structure("table", 72, &[("id", long, 0), ("rows", rows, 8)]);
    let words = btf.array(int, 10);
    let lock = btf.structure("", 40, &[("word", words, 0)]);
    let lock = btf.typedef("spinlock_t", lock);
    let guarded = [
        ("id", long, 0),
        ("seq", spinlock, 8),
        ("value", long, end),
        ("lock", lock, end + 8),
    ];
    let guarded = btf.structure("guarded", end + 48, &guarded);
    let [bin, pair, table, guarded] = [bin, pair, table, guarded].map(|of| btf.pointer(of));
    btf.function("read_guarded", long, &[guarded]);
    btf.function("write_guarded", 0, &[guarded]);
    btf.function("pass_bin", long, &[bin]);
    btf.function("pass_left", long, &[pair]);
    btf.function("pass_right", long, &[pair]);
    btf.function("pass_typed", long, &[next]);
    btf.function("drop", 0, &[next]);
    btf.function("read_row", long, &[table, int]);
    btf.variable("samples", sample);
    Btf::parse(btf.bytes(), None).unwrap()
}

/// The names that the sites of a function have, each once.
fn names(all: &[Site], function: &str) -> Vec<Name> {
    let mut names: Vec<Name> = of(all, function)
        .into_iter()
        .map(|site| site.seqcount.name.clone())
        .collect();
    names.sort_unstable();
    names.dedup();
    assert!(!names.is_empty(), "`{function}` has sites");
    names
}

/// The names of what a function reads, on both kinds of kernels.
#[track_caller]
fn reads(function: &str, expected: &Name) {
    for realtime in [false, true] {
        let image = fixture::build(&format!("{READERS}\n{NAMES}"), realtime);
        let all = sites(&image, Some(&types(realtime)));
        let names = names(&all, function);
        assert_eq!(
            names,
            std::slice::from_ref(expected),
            "realtime: {realtime}"
        );
    }
}

fn member(name: &str) -> Name {
    Name::Member(name.to_owned())
}

#[test]
fn a_pointer_to_a_seqcount_is_what_its_callers_pass() {
    reads("read_pointer", &member("bin.count"));
}

#[test]
fn callers_that_pass_different_seqcounts_make_the_name_ambiguous() {
    let either = ["pair.left", "pair.right"].map(str::to_owned);
    reads("read_either", &Name::Ambiguous(either.to_vec()));
}

#[test]
fn a_parameter_without_a_type_has_that_of_its_callers_callers() {
    reads("read_clone", &member("object.seq"));
}

#[test]
fn a_pointer_has_the_type_that_a_callee_expects() {
    reads("read_given", &member("object.seq"));
}

#[test]
fn a_structure_that_is_too_small_is_not_the_one() {
    reads("read_fitting", &member("object.seq"));
}

#[test]
fn a_per_cpu_variable_has_its_type_on_every_cpu() {
    reads("read_cpu", &member("sample.seq"));
    reads("read_this_cpu", &member("sample.seq"));
}

#[test]
fn an_element_of_an_array_has_no_index_in_its_name() {
    reads("read_row", &member("table.rows[].seq"));
}

#[test]
fn the_lock_is_the_one_that_writers_hold() {
    for realtime in [false, true] {
        let image = fixture::build(&format!("{READERS}\n{NAMES}"), realtime);
        let all = sites(&image, Some(&types(realtime)));
        let lock = |function| {
            let of = of(&all, function);
            of[0].seqcount.lock.as_deref().map(str::to_owned)
        };
        assert_eq!(lock("read_guarded").as_deref(), Some("guarded.lock"));
        assert_eq!(lock("read_global").as_deref(), Some("global_lock.lock"));
        assert_eq!(lock("read_given"), None, "nobody writes it");
    }
}
