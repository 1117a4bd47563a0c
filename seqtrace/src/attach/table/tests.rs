use super::*;
use crate::{
    discover::catalog::{Name, Role, Seqcount},
    plan::Skip,
};

const TEXT: u64 = 0xffff_ffff_8100_0000;

fn target(image: &str, role: Role, image_offset: u64, base: u64) -> Target {
    let end = (role == Role::Block).then_some(BlockEnd {
        offset: 0x30,
        image_offset: image_offset + 0x10,
    });
    Target {
        image: image.to_owned(),
        kind: Kind::of_role(role),
        backend: Backend::Probe,
        address: base + image_offset,
        end_address: end.map(|end| base + end.image_offset),
        owner_offset: end.map(|_| 24),
        skip: None,
        on_demand: false,
        word: None,
        place: Place::Site(Site {
            function: "reader".to_owned(),
            offset: 0x20,
            image_offset,
            role,
            seqcount: Seqcount {
                name: Name::Unknown,
                lockname: None,
                lock: None,
            },
            end,
            lock_function: None,
            sequence_register: None,
            location: None,
            cold: Vec::new(),
            chain: Vec::new(),
        }),
    }
}

#[test]
fn a_block_has_a_probe_at_both_ends_with_one_slot() {
    let plan = Plan {
        targets: vec![target("vmlinux", Role::Block, 0x1000, TEXT)],
    };
    let table = Table::new(&plan);
    let [end, start] = &table.initial().collect::<Vec<_>>()[..] else {
        panic!("not two probes: {table:?}");
    };
    assert_eq!(start.program, "lock_call");
    assert_eq!(start.names[0], ("_text".to_owned(), 0x1000));
    assert_eq!(start.names[1], ("reader".to_owned(), 0x20));
    assert_eq!(end.program, "lock_end");
    assert_eq!(end.names[0], ("_text".to_owned(), 0x1010));
    assert_eq!(end.names[1], ("reader".to_owned(), 0x30));
    let slots: Vec<_> = table
        .entries
        .iter()
        .map(|entry| (entry.address, entry.slot))
        .collect();
    assert_eq!(slots, [(TEXT + 0x1010, 0), (TEXT + 0x1000, 0)]);
}

#[test]
fn a_module_goes_by_its_function_and_then_by_its_distance() {
    let module = 0xffff_ffff_c012_3000;
    let plan = Plan {
        targets: vec![
            target("vmlinux", Role::Retry, 0x1000, TEXT),
            target("nf_conntrack", Role::Spin, 0x40, module),
        ],
    };
    let names = &Table::new(&plan).probes[&1].start.names;
    assert_eq!(names[0], ("reader".to_owned(), 0x20));
    assert_eq!(names[1], ("_text".to_owned(), module + 0x40 - TEXT));
}

#[test]
fn a_skipped_site_keeps_its_slot_and_gets_no_probe() {
    let mut skipped = target("vmlinux", Role::Spin, 0x1000, TEXT);
    skipped.skip = Some(Skip::Notrace);
    let plan = Plan {
        targets: vec![skipped, target("vmlinux", Role::Spin, 0x2000, TEXT)],
    };
    let table = Table::new(&plan);
    let slots: Vec<_> = table.initial().map(|probe| probe.slot).collect();
    assert_eq!(slots, [1]);
}

#[test]
fn what_is_probed_on_demand_is_in_the_site_table_but_not_attached() {
    let mut waiting = target("vmlinux", Role::Retry, 0x1000, TEXT);
    waiting.on_demand = true;
    let plan = Plan {
        targets: vec![waiting],
    };
    let table = Table::new(&plan);
    assert_eq!(table.initial().count(), 0);
    assert_eq!(table.entries[0].address, TEXT + 0x1000);
    assert_eq!(table.probes[&0].start.program, "retry");
}

#[test]
fn the_second_site_of_an_address_is_refused() {
    let mut second = target("vmlinux", Role::Spin, 0x1010, TEXT);
    if let Place::Site(site) = &mut second.place {
        site.function = "other".to_owned();
    }
    let plan = Plan {
        targets: vec![target("vmlinux", Role::Block, 0x1000, TEXT), second],
    };
    let table = Table::new(&plan);
    assert_eq!(table.refusals, [(1, Refusal::AddressTaken)]);
    assert_eq!(table.entries.len(), 2);
}
