//! Discovery on code that the machine's own compiler makes of look-alike primitives: what is
//! found, what it is called, and that nothing else is.

mod card;
mod calls;
mod fixture;
mod locks;
mod looping;
mod names;
mod open_coded;
mod sections;
mod writes;

use crate::discover::{
    btf::{Btf, encode::Encoder},
    catalog::{Lockname, Name, Role, Site},
    image::Image,
    scan,
};

const READERS: &str = include_str!("readers.c");
const LOOKALIKES: &str = include_str!("lookalikes.c");

fn sites(image: &Image, btf: Option<&Btf>) -> Vec<Site> {
    scan(image, btf, &|_, _| {}).sites
}

/// The sites of one function.
fn of<'a>(sites: &'a [Site], function: &str) -> Vec<&'a Site> {
    sites
        .iter()
        .filter(|site| site.function == function)
        .collect()
}

fn roles(sites: &[&Site]) -> Vec<Role> {
    let mut roles: Vec<Role> = sites.iter().map(|site| site.role).collect();
    roles.sort_unstable();
    roles
}

/// The types of `readers.c`.
fn types(realtime: bool) -> Btf {
    let mut btf = Encoder::new();
    let int = btf.int("unsigned int", 4);
    let long = btf.int("long", 8);
    let void = btf.pointer(0);
    let plain = btf.structure("seqcount", 4, &[("sequence", int, 0)]);
    let plain = btf.typedef("seqcount_t", plain);
    let spinlock = if realtime {
        btf.structure("", 16, &[("seqcount", plain, 0), ("lock", void, 8)])
    } else {
        btf.structure("", 4, &[("seqcount", plain, 0)])
    };
    let spinlock = btf.typedef("seqcount_spinlock_t", spinlock);
    // `next` points to the structure itself, which is the type after the pointer.
    let next = btf.pointer(spinlock + 2);
    let (value_at, next_at) = if realtime { (24, 32) } else { (16, 24) };
    let object = btf.structure(
        "object",
        next_at + 8,
        &[
            ("id", long, 0),
            ("seq", spinlock, 8),
            ("value", long, value_at),
            ("next", next, next_at),
        ],
    );
    assert_eq!(object, spinlock + 2);
    btf.function("read_member", long, &[next]);
    btf.function("read_and_undo", long, &[next]);
    Btf::parse(btf.bytes(), None).unwrap()
}

/// The bytes at a site.
fn bytes(image: &Image, image_offset: u64, length: u64) -> &[u8] {
    let start = image.base.wrapping_add(image_offset);
    image
        .text_at(start, start + length)
        .expect("a site lies in text")
}

#[test]
fn a_realtime_reader_blocks_at_the_call_and_spins_at_the_pause() {
    let image = fixture::build(READERS, true);
    let all = sites(&image, None);
    let found = of(&all, "read_global");
    assert_eq!(roles(&found), [Role::Block, Role::Spin]);
    for site in &found {
        assert_eq!(site.seqcount.name, Name::Global("global_lock".to_owned()));
        assert_eq!(site.seqcount.lockname, Some(Lockname::Seqlock));
    }
    let block = found.iter().find(|site| site.role == Role::Block).unwrap();
    assert_eq!(block.lock_function.as_deref(), Some("rt_spin_lock"));
    assert_eq!(bytes(&image, block.image_offset, 1), [0xe8], "a call");
    // The end is the re-load behind the call of the unlock function.
    let end = block.end.unwrap();
    assert_eq!(
        end.image_offset - end.offset,
        block.image_offset - block.offset
    );
    assert_eq!(
        bytes(&image, end.image_offset - 5, 1),
        [0xe8],
        "the unlock call"
    );
    assert_eq!(bytes(&image, end.image_offset, 1), [0x8b], "a load");

    let spin = found.iter().find(|site| site.role == Role::Spin).unwrap();
    assert_eq!(bytes(&image, spin.image_offset, 2), [0xf3, 0x90], "a pause");
    assert!(spin.sequence_register.is_some());
    assert_eq!((spin.end, spin.lock_function.as_deref()), (None, None));
}

#[test]
fn the_lock_function_tells_the_lockname() {
    let image = fixture::build(READERS, true);
    let all = sites(&image, None);
    let found = of(&all, "read_rwlock");
    assert_eq!(roles(&found), [Role::Block, Role::Spin]);
    assert_eq!(found[0].seqcount.label(), "global_rwlock");
    assert_eq!(found[0].seqcount.lockname, Some(Lockname::Rwlock));
    assert!(
        found
            .iter()
            .any(|site| site.lock_function.as_deref() == Some("rt_read_lock"))
    );
}

#[test]
fn a_reader_on_another_kernel_only_spins() {
    let image = fixture::build(READERS, false);
    let all = sites(&image, None);
    assert!(all.iter().all(|site| site.role != Role::Block), "{all:#?}");
    let found = of(&all, "read_global");
    assert_eq!(roles(&found), [Role::Spin]);
    assert_eq!(found[0].seqcount.label(), "global_lock");
    assert_eq!(found[0].seqcount.lockname, Some(Lockname::Seqlock));
}

#[test]
fn a_member_is_named_by_the_types_and_unknown_without() {
    for realtime in [false, true] {
        let image = fixture::build(READERS, realtime);
        let all = sites(&image, Some(&types(realtime)));
        let found = of(&all, "read_member");
        assert!(!found.is_empty());
        for site in found {
            assert_eq!(site.seqcount.name, Name::Member("object.seq".to_owned()));
            assert_eq!(site.seqcount.lockname, Some(Lockname::Spinlock));
        }
        let all = sites(&image, None);
        let found = of(&all, "read_member");
        assert!(!found.is_empty());
        assert!(found.iter().all(|site| site.seqcount.name == Name::Unknown));
    }
}

#[test]
fn a_block_that_only_a_failed_check_enters_is_a_retry() {
    for realtime in [false, true] {
        let image = fixture::build(READERS, realtime);
        let all = sites(&image, Some(&types(realtime)));
        let found = of(&all, "read_and_undo");
        let retries: Vec<_> = found
            .iter()
            .filter(|site| site.role == Role::Retry)
            .collect();
        assert_eq!(retries.len(), 1, "{found:#?}");
        assert_eq!(retries[0].seqcount.label(), "object.seq");
        // Most readers just jump back, where all others go too.
        assert!(
            of(&all, "read_global")
                .iter()
                .all(|site| site.role != Role::Retry)
        );
    }
}

#[test]
fn a_check_of_a_start_value_from_elsewhere_is_a_retry() {
    for realtime in [false, true] {
        let all = sites(&fixture::build(READERS, realtime), None);
        let found = of(&all, "check_global");
        assert_eq!(roles(&found), [Role::Retry]);
        assert_eq!(found[0].seqcount.label(), "global_lock");
    }
}

#[test]
fn a_reader_that_takes_the_lock_for_its_next_try_falls_back() {
    for realtime in [false, true] {
        let all = sites(&fixture::build(READERS, realtime), None);
        let found = of(&all, "read_or_lock");
        let fallbacks: Vec<_> = found
            .iter()
            .filter(|site| site.role == Role::Fallback)
            .collect();
        assert_eq!(fallbacks.len(), 1, "{found:#?}");
        assert_eq!(fallbacks[0].seqcount.label(), "global_lock");
        assert!(found.iter().all(|site| site.role != Role::Retry));
    }
}

#[test]
fn a_writer_has_no_sites() {
    for realtime in [false, true] {
        let all = sites(&fixture::build(READERS, realtime), None);
        assert!(of(&all, "write_global").is_empty());
    }
}

#[test]
fn what_only_looks_like_a_reader_is_not_taken_for_one() {
    for realtime in [false, true] {
        let found = sites(&fixture::build(LOOKALIKES, realtime), None);
        assert!(found.is_empty(), "{found:#?}");
    }
}

#[test]
fn the_catalog_does_not_depend_on_the_number_of_threads() {
    let image = fixture::build(READERS, true);
    let types = types(true);
    let alone = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    let expected = alone.install(|| scan(&image, Some(&types), &|_, _| {}));
    let order: Vec<u64> = expected
        .sites
        .iter()
        .map(|site| site.image_offset)
        .collect();
    assert!(
        order.is_sorted_by(|left, right| left < right),
        "by address, each once"
    );
    let many = rayon::ThreadPoolBuilder::new()
        .num_threads(4)
        .build()
        .unwrap();
    for _ in 0..8 {
        assert_eq!(
            many.install(|| scan(&image, Some(&types), &|_, _| {})),
            expected
        );
    }
}

#[test]
fn any_bytes_are_scanned_without_a_panic() {
    let sound = fixture::build(READERS, true);
    // A fixed sequence of changes, so that a failure can be repeated (Knuth's MMIX generator).
    let mut random = 1_u64;
    for _ in 0..40 {
        let mut image = sound.clone();
        for _ in 0..60 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let text = &mut image.text[0].bytes;
            let at = (random >> 33) as usize % text.len();
            text[at] = (random >> 56) as u8;
        }
        image.jump_table.bytes = image.text[0].bytes[..96].to_vec();
        image.bug_table.bytes = image.text[0].bytes[96..].to_vec();
        image.jump_table.address = image.base;
        image.bug_table.address = image.base + 96;
        sites(&image, Some(&types(true)));
    }
}
