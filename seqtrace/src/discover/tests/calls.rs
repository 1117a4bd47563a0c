//! Inlined calls by the debuginfo of a compiled fixture.

use std::collections::BTreeSet;

use super::fixture;
use crate::discover::{dwarf::inlined_calls, elf};

const CALLS: &str = include_str!("calls.c");

#[test]
fn a_place_is_named_by_all_the_calls_that_were_inlined_there() {
    let object = fixture::compile(CALLS, &["-g"]);
    let image = elf::module(&object, None).expect("an object file").image;
    let text = image.text_bytes();
    let calls = inlined_calls(&object, "", 0..text + 64).expect("debuginfo");
    let of = |function: &str| -> BTreeSet<&[String]> {
        let start = image.symbols.address_of(function).expect("a function") - image.base;
        let places = calls.range(start..start + 3);
        places.map(|(_, names)| &names[..]).collect()
    };
    let all: BTreeSet<String> = calls.values().map(|names| names.join(" > ")).collect();
    assert_eq!(
        all.iter().map(String::as_str).collect::<Vec<_>>(),
        ["outer", "outer > middle", "outer > middle > inner", "plain"]
    );
    assert_eq!(of("plain").len(), 1);
    assert!(calls.keys().all(|offset| *offset < text));
}

#[test]
fn debuginfo_of_another_kernel_is_refused() {
    let object = fixture::compile(CALLS, &["-g"]);
    let error = inlined_calls(&object, "c0ffee", [0]).expect_err("another build id");
    assert!(error.to_string().contains("of another kernel"), "{error}");
    let object = fixture::compile(CALLS, &[]);
    let error = inlined_calls(&object, "", [0]).expect_err("no debuginfo");
    assert!(error.to_string().contains("no debuginfo"), "{error}");
}
