use std::collections::BTreeMap;

use globset::Glob;

use super::*;
use crate::discover::catalog::{Instance, Name, Odd, Operand, Seqcount, Site};

fn seqcount(name: &str) -> Seqcount {
    Seqcount {
        name: Name::Member(name.to_owned()),
        lockname: None,
        lock: None,
    }
}

fn instance(half: Half, image_offset: u64, location: Option<Location>) -> Instance {
    Instance {
        function: "reader".to_owned(),
        offset: 0x10,
        image_offset,
        half,
        seqcount: seqcount("task.seq"),
        open_coded: false,
        sites: Vec::new(),
        location,
        chain: Vec::new(),
    }
}

fn begin(image_offset: u64) -> Instance {
    let half = Half::Begin {
        odd: Odd::Waits,
        reloads: Vec::new(),
    };
    instance(half, image_offset, None)
}

fn block(image_offset: u64) -> Site {
    Site {
        function: "reader".to_owned(),
        offset: 0x20,
        image_offset,
        role: Role::Block,
        seqcount: seqcount("task.seq"),
        end: None,
        lock_function: Some("rt_spin_lock".to_owned()),
        sequence_register: None,
        location: None,
        cold: Vec::new(),
        chain: Vec::new(),
    }
}

fn call(image_offset: u64, action: Action, returns_behind: Option<u64>) -> LockCall {
    LockCall {
        function: "holder".to_owned(),
        offset: 0,
        image_offset,
        returns_behind,
        lock: "task.lock".to_owned(),
        lock_function: "rt_spin_lock",
        action,
        form: Form::RealtimeSpinlock,
    }
}

fn plan(
    sites: Vec<Site>,
    instances: Vec<Instance>,
    calls: Vec<LockCall>,
    names: &str,
) -> Result<OrderPlan> {
    let catalog = Catalog {
        images: vec![ImageCatalog {
            image: "vmlinux".to_owned(),
            build_id: String::new(),
            realtime: true,
            functions: 1,
            text_bytes: 1,
            sites,
            instances,
            inferred: BTreeMap::new(),
            disagreements: Vec::new(),
        }],
    };
    let request = OrderRequest {
        seqcounts: SeqcountNames::new(&[Glob::new(names).expect("a glob")]),
        owners: OwnerOffsets {
            spinlock: Some(24),
            ..OwnerOffsets::default()
        },
    };
    let calls = BTreeMap::from([("vmlinux".to_owned(), calls)]);
    let bases = BTreeMap::from([("vmlinux".to_owned(), 0x1000)]);
    order_plan(
        &catalog,
        &calls,
        &bases,
        &Hazards::default(),
        &request,
        &|_| None,
    )
}

#[test]
fn a_seqcount_is_followed_where_it_is_read_and_where_a_reader_takes_the_lock() {
    let plan = plan(vec![block(0x200)], vec![begin(0x100)], Vec::new(), "task.*").expect("a plan");
    let acts: Vec<_> = plan
        .targets
        .iter()
        .map(|one| (one.address, one.act, one.skip))
        .collect();
    assert_eq!(
        acts,
        [(0x1100, Act::Reads, None), (0x1200, Act::Blocks, None)]
    );
    let node = Node {
        name: "task.seq".to_owned(),
        is_seqcount: true,
    };
    assert_eq!(plan.nodes, [node]);
}

#[test]
fn the_call_of_a_followed_lock_by_which_a_reader_waits_stands_for_both() {
    let calls = vec![call(0x200, Action::Takes, Some(5))];
    let plan = plan(vec![block(0x200)], Vec::new(), calls, "task.*").expect("a plan");
    let [target] = &plan.targets[..] else {
        panic!("{:?}", plan.targets);
    };
    assert_eq!((target.act, target.proof), (Act::Takes, Proof::Owner(24)));
    let waits_for = target
        .waits_for
        .map(|node| &*plan.nodes[node as usize].name);
    assert_eq!(
        (waits_for, &*plan.nodes[target.node as usize].name),
        (Some("task.seq"), "task.lock")
    );
}

#[test]
fn a_write_whose_sequence_is_not_reached_is_left_out() {
    let at = |displacement| {
        Some(Location::Memory(Operand {
            base: Some(3),
            index: None,
            displacement,
            per_cpu: false,
        }))
    };
    let writes = [
        (Write::Begin, at(8)),
        (Write::End, None),
        (Write::Latch, at(8)),
    ];
    let instances = (0..).zip(writes);
    let instances =
        instances.map(|(index, (half, at))| instance(Half::Write(half), 0x100 + index, at));
    let plan = plan(Vec::new(), instances.collect(), Vec::new(), "task.*").expect("a plan");
    let skips: Vec<_> = plan.targets.iter().map(|one| (one.act, one.skip)).collect();
    assert_eq!(
        skips,
        [(Act::Writes, None), (Act::Writes, Some(Skip::UnknownWord))]
    );
}

#[test]
fn a_call_that_may_fail_is_followed_to_where_it_returns() {
    let tries = Action::Tries { nonzero: true };
    let calls = vec![
        call(0x10, tries, Some(5)),
        call(0x20, tries, None),
        call(0x30, Action::Drops, None),
    ];
    let plan = plan(Vec::new(), vec![begin(0x100)], calls, "task.*").expect("a plan");
    let ends: Vec<_> = plan
        .targets
        .iter()
        .map(|one| (one.act, one.end_address))
        .collect();
    let expected = [
        (Act::Tries { nonzero: true }, Some(0x1015)),
        (Act::Drops, None),
        (Act::Reads, None),
    ];
    assert_eq!(ends, expected);
}

#[test]
fn names_that_nothing_has_are_told() {
    let error =
        plan(Vec::new(), vec![begin(0x100)], Vec::new(), "task-*").expect_err("no such name");
    assert!(
        error.to_string().contains("no seqcount called `task-*`"),
        "{error}"
    );
    let plan = plan(
        Vec::new(),
        vec![begin(0x100)],
        vec![call(0x10, Action::Takes, Some(5))],
        "task.*",
    );
    let plan = plan.expect("a plan");
    let glob = |text: &'static str| (text, Glob::new(text).expect("a glob").compile_matcher());
    // A seqcount of that name is no lock.
    assert_eq!(
        plan.unmatched(&[glob("task.lock"), glob("task.seq")]),
        Some("task.seq")
    );
    assert_eq!(plan.unmatched(&[glob("task.l*")]), None);
}
