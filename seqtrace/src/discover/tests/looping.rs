//! Which read sections are loops, so that failed checks in a row are one reader's tries.

use super::fixture;
use crate::discover::{
    catalog::{Half, ImageCatalog},
    scan,
};

const SOURCE: &str = concat!(include_str!("readers.c"), include_str!("looping.c"));

/// For each check of a function whether its section is a loop.
fn loops(catalog: &ImageCatalog, function: &str) -> Vec<bool> {
    let all = catalog.instances.iter();
    let own = all.filter(|one| one.function.split('.').next() == Some(function));
    own.filter_map(|one| match &one.half {
        Half::Check(check) => Some(check.loops),
        Half::Begin { .. } | Half::Write(_) => None,
    })
    .collect()
}

#[test]
fn a_section_is_a_loop_if_only_a_check_that_passes_leaves_it() {
    for realtime in [false, true] {
        let (image, types) = fixture::build_typed(SOURCE, realtime);
        let catalog = scan(&image, Some(&types), &|_, _| {});
        for (function, expected) in [
            ("read_global", true),
            ("read_rwlock", true),
            ("read_member", true),
            ("read_and_undo", true),
            ("walk_and_read", true),
            ("find_value", false),
            ("read_some_times", false),
            ("read_user", false),
            ("read_or_lock", false),
            ("check_global", false),
        ] {
            let found = loops(&catalog, function);
            assert_eq!(found, [expected], "`{function}`, realtime: {realtime}");
        }
    }
}
