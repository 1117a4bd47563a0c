//! Read sections: where each half is, what it does, and which halves belong together.

use super::fixture;
use crate::discover::{
    catalog::{Check, CheckClass, Half, ImageCatalog, Instance, Odd, Role, StartValue},
    image::Image,
    scan, scan_every_function,
};

/// The halves that are hard to see stand on the primitives of the readers.
const SOURCE: &str = concat!(include_str!("readers.c"), include_str!("sections.c"));

/// rsi, as the instruction encoding numbers it.
const RSI: u8 = 6;

fn catalog(realtime: bool) -> (Image, ImageCatalog) {
    let (image, types) = fixture::build_typed(SOURCE, realtime);
    let catalog = scan(&image, Some(&types), &|_, _| {});
    (image, catalog)
}

/// A begin: the instance, what becomes of an odd value, its other loads.
type Begin<'a> = (&'a Instance, Odd, &'a [u64]);

fn begins<'a>(catalog: &'a ImageCatalog, function: &str) -> Vec<Begin<'a>> {
    let all = catalog
        .instances
        .iter()
        .filter(|one| one.function == function);
    all.filter_map(|one| match &one.half {
        Half::Begin { odd, reloads } => Some((one, *odd, reloads.as_slice())),
        Half::Check(_) | Half::Write(_) => None,
    })
    .collect()
}

fn checks<'a>(catalog: &'a ImageCatalog, function: &str) -> Vec<(&'a Instance, &'a Check)> {
    let all = catalog
        .instances
        .iter()
        .filter(|one| one.function == function);
    all.filter_map(|one| match &one.half {
        Half::Check(check) => Some((one, check)),
        Half::Begin { .. } | Half::Write(_) => None,
    })
    .collect()
}

fn byte(image: &Image, image_offset: u64) -> u8 {
    let at = image.base.wrapping_add(image_offset);
    image.text_at(at, at + 1).expect("an instance lies in text")[0]
}

#[test]
fn a_reader_has_one_begin_with_all_its_loads_and_one_check() {
    for realtime in [false, true] {
        let (image, catalog) = catalog(realtime);
        let [(begin, Odd::Waits, reloads)] = begins(&catalog, "read_global")[..] else {
            panic!("{:#?}", begins(&catalog, "read_global"));
        };
        // After the unlock; without a lock the reader goes back to its first load.
        assert_eq!(reloads.is_empty(), !realtime);
        assert_eq!(byte(&image, begin.image_offset), 0x8b, "a load");
        let sites: Vec<u64> = catalog
            .sites
            .iter()
            .filter(|site| site.function == "read_global" && site.role != Role::Retry)
            .map(|site| site.image_offset)
            .collect();
        assert_eq!(begin.sites, sites);
        assert_eq!(begin.seqcount.label(), "global_lock");

        let [(instance, check)] = checks(&catalog, "read_global")[..] else {
            panic!("{:#?}", checks(&catalog, "read_global"));
        };
        assert_eq!(check.begins, [begin.image_offset]);
        assert_eq!(check.class, CheckClass::BeginHead);
        assert!(matches!(check.start, StartValue::Register(_)), "{check:?}");
        assert_eq!(check.condition, "jne");
        assert_eq!(byte(&image, instance.image_offset), 0x8b, "a load");
        assert!(matches!(byte(&image, check.compare), 0x39 | 0x3b), "a cmp");
        assert_eq!(byte(&image, check.decides), 0x75, "a jne");
        assert!(check.optimizable);
        assert_eq!(instance.seqcount, begin.seqcount);
    }
}

#[test]
fn a_failed_check_with_a_block_of_its_own_has_the_site() {
    for realtime in [false, true] {
        let (_, catalog) = catalog(realtime);
        let [(instance, check)] = checks(&catalog, "read_and_undo")[..] else {
            panic!("{:#?}", checks(&catalog, "read_and_undo"));
        };
        assert_eq!(check.class, CheckClass::RetryOnly);
        let retry = catalog
            .sites
            .iter()
            .find(|site| site.function == "read_and_undo" && site.role == Role::Retry);
        assert_eq!(instance.sites, [retry.unwrap().image_offset]);
    }
}

#[test]
fn a_start_value_from_the_caller_is_in_its_register() {
    let (_, catalog) = catalog(false);
    assert!(begins(&catalog, "recheck").is_empty());
    let [(instance, check)] = checks(&catalog, "recheck")[..] else {
        panic!("{:#?}", checks(&catalog, "recheck"));
    };
    assert_eq!(check.start, StartValue::Register(RSI));
    assert!(check.begins.is_empty());
    assert_eq!(instance.seqcount.label(), "object.seq");
    // The block of the failed check is in the cold part of the function.
    assert_eq!(check.class, CheckClass::RetryOnly);
    let site = catalog
        .sites
        .iter()
        .find(|site| site.function == "recheck.cold");
    assert_eq!(instance.sites, [site.unwrap().image_offset]);
}

#[test]
fn a_value_that_leaves_the_function_without_bit_0_begins_a_section() {
    let (_, catalog) = catalog(false);
    let [(begin, Odd::Masks, [])] = begins(&catalog, "find_entry")[..] else {
        panic!("{:#?}", begins(&catalog, "find_entry"));
    };
    assert_eq!(begin.seqcount.label(), "entry.seq");
    assert!(begins(&catalog, "drop_flag").is_empty());
}

#[test]
fn a_reader_that_gives_up_on_an_odd_value_passes_it_on() {
    for realtime in [false, true] {
        let (_, catalog) = catalog(realtime);
        let [(begin, Odd::PassesOn, [])] = begins(&catalog, "try_read")[..] else {
            panic!("{:#?}", begins(&catalog, "try_read"));
        };
        let [(_, check)] = checks(&catalog, "try_read")[..] else {
            panic!("{:#?}", checks(&catalog, "try_read"));
        };
        assert_eq!(check.class, CheckClass::Value);
        assert_eq!(check.condition, "sete");
        assert_eq!(check.begins, [begin.image_offset]);
        let [(_, Odd::PassesOn, [])] = begins(&catalog, "try_push")[..] else {
            panic!("{:#?}", begins(&catalog, "try_push"));
        };
    }
}

#[test]
fn a_reader_of_a_latch_selects_a_copy() {
    let (_, catalog) = catalog(false);
    let [(begin, Odd::Selects, [])] = begins(&catalog, "read_latch")[..] else {
        panic!("{:#?}", begins(&catalog, "read_latch"));
    };
    assert_eq!(
        checks(&catalog, "read_latch")[0].1.begins,
        [begin.image_offset]
    );
}

#[test]
fn what_a_call_fills_on_the_stack_is_not_what_was_there() {
    let (_, catalog) = catalog(false);
    let [(instance, check)] = checks(&catalog, "walk_up")[..] else {
        panic!("{:#?}", checks(&catalog, "walk_up"));
    };
    assert_eq!(instance.seqcount.label(), "object.seq");
    assert!(check.begins.is_empty(), "{check:?}");
    assert!(matches!(
        check.start,
        StartValue::Register(_) | StartValue::Memory { .. }
    ));
}

#[test]
fn a_test_of_a_cpu_feature_goes_both_ways() {
    for realtime in [false, true] {
        let (_, catalog) = catalog(realtime);
        let [(begin, Odd::Waits, _)] = begins(&catalog, "read_by_feature")[..] else {
            panic!("{:#?}", begins(&catalog, "read_by_feature"));
        };
        let checks = checks(&catalog, "read_by_feature");
        assert!(!checks.is_empty());
        for (_, check) in checks {
            assert_eq!(check.begins, [begin.image_offset]);
        }
    }
}

#[test]
fn a_sequence_that_writers_compare_too_begins_a_section_at_the_second_look() {
    let (image, catalog) = catalog(false);
    assert!(begins(&catalog, "start_write").is_empty());
    assert!(checks(&catalog, "start_write").is_empty());
    assert!(checks(&catalog, "start_read").is_empty());
    let [(begin, Odd::PassesOn, [])] = begins(&catalog, "start_read")[..] else {
        panic!("{:#?}", begins(&catalog, "start_read"));
    };
    // The first look is in front of the call.
    let calls = (0..begin.offset).filter(|back| byte(&image, begin.image_offset - back) == 0xe8);
    assert!(calls.count() > 0);
    let [(begin, Odd::PassesOn, [])] = begins(&catalog, "speculate")[..] else {
        panic!("{:#?}", begins(&catalog, "speculate"));
    };
    assert_eq!(
        checks(&catalog, "speculate")[0].1.begins,
        [begin.image_offset]
    );
}

#[test]
fn a_pointer_is_what_the_function_returns() {
    let (_, catalog) = catalog(false);
    let [(begin, Odd::PassesOn, [])] = begins(&catalog, "find_area")[..] else {
        panic!("{:#?}", begins(&catalog, "find_area"));
    };
    assert_eq!(begin.seqcount.label(), "mm_struct.mm_lock_seq");
}

#[test]
fn an_error_is_returned_as_a_pointer_to_anything() {
    let (_, catalog) = catalog(false);
    let mut all = catalog.instances.iter();
    assert!(all.all(|one| one.function != "grab_object"));
}

#[test]
fn the_load_of_an_increment_begins_no_read_section() {
    let (_, catalog) = catalog(false);
    assert!(begins(&catalog, "write_member").is_empty());
    assert!(checks(&catalog, "write_member").is_empty());
}

#[test]
fn a_jump_table_keeps_a_probe_from_becoming_a_jump() {
    let (_, catalog) = catalog(false);
    let [(_, check)] = checks(&catalog, "read_switched")[..] else {
        panic!("{:#?}", checks(&catalog, "read_switched"));
    };
    assert!(!check.optimizable);
}

#[test]
fn the_quick_look_loses_nothing() {
    for realtime in [false, true] {
        let (image, types) = fixture::build_typed(SOURCE, realtime);
        for types in [Some(&types), None] {
            let some = scan(&image, types, &|_, _| {});
            let all = scan_every_function(&image, types, &|_, _| {});
            assert_eq!(some, all);
        }
    }
}
