//! Which locks are taken and dropped where.

use super::fixture;
use crate::discover::{
    btf::{Btf, encode::Encoder},
    image::Image,
    locks::{Action, Form, LockCall, Wanted, lock_calls},
};

const LOCKS: &str = include_str!("locks.c");

fn types() -> Btf {
    let mut btf = Encoder::new();
    let long = btf.int("long", 8);
    let void = btf.pointer(0);
    let spinlock = btf.structure("spinlock", 40, &[]);
    let spinlock = btf.typedef("spinlock_t", spinlock);
    let members = [
        ("id", long, 0),
        ("lock", spinlock, 16),
        ("value", long, 56),
        ("next", void, 64),
    ];
    let object = btf.structure("object", 80, &members);
    let pointer = btf.pointer(object);
    btf.function("take_member", long, &[pointer]);
    Btf::parse(btf.bytes(), None).unwrap()
}

fn calls(image: &Image, types: Option<&Btf>, wanted: &[&str], members: &[u64]) -> Vec<LockCall> {
    let wanted = Wanted {
        is_wanted: &|name: &str| wanted.contains(&name),
        members: members.to_vec(),
        imported: Vec::new(),
    };
    lock_calls(image, types, &wanted)
}

/// Function, action and whether it is a call, by address.
fn short(calls: &[LockCall]) -> Vec<(&str, Action, bool)> {
    let short = |call: &LockCall| call.returns_behind.is_some();
    calls
        .iter()
        .map(|call| (&*call.function, call.action, short(call)))
        .collect()
}

#[test]
fn a_global_is_followed_by_its_name_and_no_other_lock_is() {
    for realtime in [false, true] {
        let image = fixture::build(LOCKS, realtime);
        let found = calls(&image, None, &["map_lock"], &[]);
        let tries = Action::Tries { nonzero: true };
        let mut expected = vec![
            ("take_global", Action::Takes, true),
            ("take_global", Action::Drops, true),
            ("drop_at_the_end", Action::Takes, true),
            ("drop_at_the_end", Action::Drops, false),
            ("take_in_a_loop", Action::Takes, true),
            ("take_in_a_loop", Action::Drops, true),
            ("try_global", tries, true),
            ("try_global", Action::Drops, true),
        ];
        let mut found_short = short(&found);
        let by_words = |one: &(&str, Action, bool)| (one.0.to_owned(), format!("{:?}", one.1));
        found_short.sort_by_key(by_words);
        expected.sort_by_key(by_words);
        assert_eq!(found_short, expected);
        let form = if realtime {
            Form::RealtimeSpinlock
        } else {
            Form::Queued
        };
        assert!(
            found
                .iter()
                .all(|call| call.lock == "map_lock" && call.form == form)
        );
    }
}

#[test]
fn a_call_that_may_fail_takes_the_lock_by_what_it_returns() {
    let image = fixture::build(LOCKS, true);
    let found = calls(&image, None, &["big_mutex"], &[]);
    let tries = Action::Tries { nonzero: false };
    assert_eq!(
        short(&found),
        [
            ("may_be_killed", tries, true),
            ("may_be_killed", Action::Drops, true)
        ]
    );
    assert_eq!(found[0].lock_function, "mutex_lock_killable");
    assert_eq!(found[0].returns_behind, Some(5));
}

#[test]
fn a_member_is_followed_where_the_types_tell_its_object() {
    let image = fixture::build(LOCKS, true);
    let found = calls(&image, Some(&types()), &["object.lock"], &[16]);
    assert_eq!(
        short(&found),
        [
            ("take_member", Action::Takes, true),
            ("take_member", Action::Drops, true)
        ]
    );
    assert_eq!(
        calls(&image, None, &["object.lock"], &[16]),
        [],
        "without types"
    );
}

#[test]
fn each_call_is_a_call_or_a_jump_at_its_address() {
    let image = fixture::build(LOCKS, true);
    for call in calls(&image, None, &["map_lock", "other_lock", "big_mutex"], &[]) {
        let at = image.base.wrapping_add(call.image_offset);
        let byte = image.text_at(at, at + 1).expect("a call lies in text")[0];
        let expected = if call.returns_behind.is_some() {
            0xe8
        } else {
            0xe9
        };
        assert_eq!(byte, expected, "{call:?}");
    }
}
