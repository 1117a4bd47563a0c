//! BTF written by hand: what the reader finds in it, and that lies do no harm.

use std::sync::Arc;

use super::{Btf, Kind, TypeId, encode::Encoder, record::code};
use crate::discover::catalog::Lockname;

/// `struct task_struct { int pid; struct { seqcount_spinlock_t mems_allowed_seq; }; … }` and
/// friends, laid out as on PREEMPT_RT.
fn kernel() -> Encoder {
    let mut btf = Encoder::new();
    let int = btf.int("int", 4);
    let void_pointer = btf.pointer(0);
    let plain = btf.structure("seqcount", 4, &[("sequence", int, 0)]);
    let plain = btf.typedef("seqcount_t", plain);
    let spinlock = btf.structure(
        "seqcount_spinlock",
        16,
        &[("seqcount", plain, 0), ("lock", void_pointer, 8)],
    );
    let spinlock = btf.typedef("seqcount_spinlock_t", spinlock);
    let seqlock = btf.structure(
        "",
        40,
        &[("seqcount", spinlock, 0), ("lock", void_pointer, 16)],
    );
    let seqlock = btf.typedef("seqlock_t", seqlock);
    let anonymous = btf.structure(
        "",
        24,
        &[("flags", int, 0), ("mems_allowed_seq", spinlock, 8)],
    );
    let pair = btf.array(plain, 2);
    let task = btf.structure(
        "task_struct",
        128,
        &[
            ("pid", int, 4),
            ("", anonymous, 16),
            ("pair", pair, 48),
            ("stats_lock", seqlock, 64),
        ],
    );
    let constant = btf.constant(task);
    let task_pointer = btf.pointer(constant);
    btf.function("get_task", task_pointer, &[int, task_pointer]);
    btf.variable("boot_task", task);
    btf
}

fn parse(encoder: &Encoder) -> Btf {
    Btf::parse(encoder.bytes(), None).unwrap()
}

#[test]
fn a_member_is_found_by_path_through_anonymous_structures() {
    let btf = parse(&kernel());
    assert_eq!(btf.member_offset("task_struct", "pid"), Some(4));
    assert_eq!(
        btf.member_offset("task_struct", "mems_allowed_seq.lock"),
        Some(32)
    );
    assert_eq!(
        btf.member_offset("seqlock_t", "seqcount.seqcount.sequence"),
        Some(0)
    );
    assert_eq!(btf.member_offset("task_struct", "tgid"), None);
    assert_eq!(btf.member_offset("no_struct", "pid"), None);
}

#[test]
fn an_offset_is_named_and_cut_at_the_seqcount() {
    let btf = parse(&kernel());
    let task = btf.structure("task_struct").unwrap();
    let place = btf.place_at(task, 24).unwrap();
    assert_eq!(place.path, "mems_allowed_seq.seqcount.sequence");
    let seqcount = place.seqcount.unwrap();
    assert_eq!(
        (seqcount.path.as_str(), seqcount.offset),
        ("mems_allowed_seq", 0)
    );
    assert_eq!(seqcount.lockname, Lockname::Spinlock);

    let inside = btf.place_at(task, 80).unwrap().seqcount.unwrap();
    assert_eq!((inside.path.as_str(), inside.offset), ("stats_lock", 16));
    assert_eq!(inside.lockname, Lockname::Seqlock);

    assert_eq!(btf.place_at(task, 52).unwrap().path, "pair[1].sequence");
    assert_eq!(btf.place_at(task, 4).unwrap().seqcount, None);
    assert_eq!(btf.place_at(task, 8), None, "padding");
    assert_eq!(btf.place_at(task, -4), None);
    assert_eq!(btf.place_at(task, 128), None);
}

#[test]
fn every_seqcount_member_is_listed_once() {
    let btf = parse(&kernel());
    let names: Vec<_> = btf
        .seqcount_members()
        .map(|member| (member.offset, member.name.clone()))
        .collect();
    let expected = [
        (8, "task_struct.mems_allowed_seq"),
        (24, "task_struct.mems_allowed_seq"),
        (48, "task_struct.pair[]"),
        (64, "task_struct.stats_lock"),
    ];
    // The anonymous structure has no name of its own, so only the task's members count.
    let expected: Vec<_> = expected[1..]
        .iter()
        .map(|&(at, name)| (at, name.to_owned()))
        .collect();
    assert_eq!(names, expected);
}

#[test]
fn a_prototype_is_found_by_the_name_of_the_function() {
    let btf = parse(&kernel());
    let prototype = btf.function("get_task").unwrap();
    assert_eq!(btf.parameters(prototype).count(), 2);
    let Kind::Prototype { returns } = btf.kind(prototype) else {
        panic!("not a prototype")
    };
    let Kind::Pointer(to) = btf.kind(returns) else {
        panic!("not a pointer")
    };
    assert_eq!(btf.name(btf.resolve(to)), "task_struct");
    assert_eq!(btf.variable("boot_task"), btf.structure("task_struct"));
    assert_eq!(btf.function("boot_task"), None);
}

#[test]
fn a_module_sees_the_types_of_vmlinux() {
    let base = Arc::new(parse(&kernel()));
    let mut module = Encoder::on(&base);
    let task = base.structure("task_struct").unwrap();
    module.structure("holder", 136, &[("count", 1, 0), ("task", task.0, 8)]);
    let btf = Btf::parse(module.bytes(), Some(Arc::clone(&base))).unwrap();
    assert_eq!(btf.member_offset("holder", "task.pid"), Some(12));
    assert_eq!(btf.member_offset("task_struct", "pid"), Some(4));
    let names: Vec<_> = btf
        .seqcount_members()
        .map(|member| member.name.as_str())
        .collect();
    assert!(names.contains(&"task_struct.stats_lock"), "{names:?}");
    assert_eq!(names[3], "holder.task.mems_allowed_seq");
}

#[test]
fn the_arm_of_a_union_that_is_a_seqcount_wins() {
    let mut btf = Encoder::new();
    let int = btf.int("int", 4);
    let plain = btf.structure("seqcount", 4, &[("sequence", int, 0)]);
    let either = btf.union("either", 4, &[("seq", plain, 0), ("version", int, 0)]);
    let btf = parse(&btf);
    assert_eq!(
        btf.place_at(TypeId(either), 0).unwrap().path,
        "seq.sequence"
    );
}

#[test]
fn cut_off_bytes_are_refused() {
    let bytes = kernel().bytes();
    for length in 0..bytes.len() {
        // Cutting only the last strings still leaves a header that promises more.
        assert!(
            Btf::parse(bytes[..length].to_vec(), None).is_err(),
            "{length} bytes"
        );
    }
}

#[test]
fn a_count_behind_the_end_is_refused() {
    let mut btf = Encoder::new();
    btf.record("many", code::STRUCT, 0xffff, 8, &[0, 0, 0]);
    let error = Btf::parse(btf.bytes(), None).unwrap_err().to_string();
    assert_eq!(error, "BTF type 1 says it is longer than the section");
    let mut btf = Encoder::new();
    btf.record("odd", 31, 0, 0, &[]);
    let error = Btf::parse(btf.bytes(), None).unwrap_err().to_string();
    assert_eq!(error, "BTF type 1 has the unknown kind 31");
}

#[test]
fn cycles_and_missing_ids_end() {
    let mut btf = Encoder::new();
    let first = btf.typedef("a", 2);
    btf.typedef("b", 1);
    let array = btf.array(3, u32::MAX);
    let holder = btf.structure(
        "holder",
        u32::MAX,
        &[("", 4, 0), ("seq", 5, 0), ("far", 999, 8)],
    );
    let wide = btf.structure("wide", 8, &[("", 5, 0), ("", 5, 0), ("", 5, 0)]);
    let btf = parse(&btf);
    assert_eq!(btf.resolve(TypeId(first)), TypeId::VOID);
    assert_eq!(btf.size_bytes(TypeId(array)), 0);
    assert_eq!(btf.place_at(TypeId(holder), 0), None);
    assert_eq!(btf.member_offset("holder", "nothing"), None);
    assert_eq!(btf.place_at(TypeId(wide), 0), None);
    assert_eq!(btf.member_offset("wide", "nothing"), None);
    assert_eq!(btf.seqcount_members().count(), 0);
    assert_eq!(btf.kind(TypeId(999)), Kind::Void);
    assert_eq!(btf.name(TypeId(999)), "");
}

#[test]
fn flipped_bytes_never_panic() {
    let bytes = kernel().bytes();
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] ^= flip;
            let Ok(btf) = Btf::parse(bytes, None) else {
                continue;
            };
            btf.seqcount_members().count();
            btf.seqcounts_from(None, 0);
            btf.member_offset("task_struct", "mems_allowed_seq.lock");
            for id in btf.own_types() {
                btf.place_at(id, 24);
                btf.size_bytes(id);
            }
        }
    }
}

#[test]
fn types_of_a_module_do_not_fit_another_vmlinux() {
    let vmlinux = |first: &str| {
        let mut btf = Encoder::new();
        let int = btf.int(first, 4);
        btf.structure("seqcount", 4, &[("sequence", int, 0)]);
        Arc::new(parse(&btf))
    };
    let (built_with, other) = (vmlinux("unsigned int"), vmlinux("int"));
    let mut module = Encoder::on(&built_with);
    let long = module.int("long", 8);
    module.structure("own", 8, &[("value", long, 0)]);
    let on = |base| Btf::parse(module.bytes(), Some(base)).unwrap();
    assert!(on(built_with).fits_base());
    assert!(!on(other).fits_base());
}

/// Two structures inside each other, with a list node and a seqcount apart by two levels.
fn nested() -> (Btf, TypeId, TypeId) {
    let mut btf = Encoder::new();
    let int = btf.int("unsigned int", 4);
    let byte = btf.int("unsigned char", 1);
    let list = btf.structure("list_head", 16, &[]);
    let plain = btf.structure("seqcount", 4, &[("sequence", int, 0)]);
    let plain = btf.typedef("seqcount_t", plain);
    let inner = [("node", list, 0), ("seq", plain, 16), ("flag", byte, 20)];
    let inner = btf.structure("inner", 24, &inner);
    let outer = btf.structure("outer", 48, &[("count", int, 0), ("inner", inner, 24)]);
    (parse(&btf), TypeId(inner), TypeId(outer))
}

#[test]
fn a_seqcount_is_found_from_a_node_and_called_by_the_outermost_structure() {
    let (btf, inner, outer) = nested();
    for from in [None, btf.structure("list_head")] {
        let found = btf.seqcounts_from(from, 16);
        let names: Vec<_> = found.iter().map(|member| member.name.as_str()).collect();
        assert_eq!(names, ["outer.inner.seq"]);
        assert_eq!(btf.seqcounts_from(from, 12), []);
    }
    assert_eq!(btf.container_of(inner), Some((outer, 24)));
    assert!(btf.has_structure(outer, 24, inner));
    assert!(!btf.has_structure(outer, 16, inner));
}

#[test]
fn a_place_is_a_member_only_where_one_of_the_width_starts() {
    let (btf, _, outer) = nested();
    assert!(btf.has_member(outer, 0, 4));
    assert!(btf.has_member(outer, 40, 4), "the sequence");
    assert!(btf.has_member(outer, 41, 1), "a byte of it");
    assert!(btf.has_member(outer, 44, 1));
    assert!(!btf.has_member(outer, 44, 4), "wider than the member");
    assert!(!btf.has_member(outer, 42, 2), "inside of it");
    assert!(!btf.has_member(outer, 4, 4), "padding");
    assert!(!btf.has_member(outer, 48, 4), "behind the end");
}
