use seqtrace_common::order::{EdgeKey, EdgeValue, OrderCounters, deed};

use super::*;
use crate::plan::order::{Act, Proof};

/// `names` are the nodes, those that end with `seq` seqcounts.
fn plan(names: &[&str]) -> OrderPlan {
    let node = |name: &&str| Node {
        name: (*name).to_owned(),
        is_seqcount: name.ends_with("seq"),
    };
    let target = |node: u32| OrderTarget {
        image: "vmlinux".to_owned(),
        function: format!("function{node}"),
        offset: 0x10,
        image_offset: 0,
        address: u64::from(node),
        end_address: None,
        act: Act::Takes,
        node,
        waits_for: None,
        word: None,
        proof: Proof::Nothing,
        skip: None,
    };
    OrderPlan {
        nodes: names.iter().map(node).collect(),
        targets: (0..names.len() as u32).map(target).collect(),
    }
}

fn key(held: u32, node: u32, same: u32) -> EdgeKey {
    EdgeKey {
        held,
        node,
        deed: deed::LOCK,
        context: 0,
        same,
        held_slot: held,
        slot: node,
        stack: -61,
    }
}

fn ordered(names: &[&str], edges: &[(u32, u32, u32)]) -> Ordered {
    let mut seen = Seen {
        nodes: vec![OrderCounters::default(); names.len()],
        held: vec![0; names.len()],
        hits: vec![1; names.len()],
        ..Seen::default()
    };
    for &(held, node, same) in edges {
        let value = EdgeValue {
            count: 2,
            ..EdgeValue::default()
        };
        seen.edges.insert(key(held, node, same), value);
        seen.nodes[node as usize].links += 2;
    }
    Ordered::new(
        &plan(names),
        &seen,
        OrderFacts::default(),
        Box::new(|_| None),
    )
}

#[test]
fn two_seqcounts_around_one_lock_are_no_cycle_unless_they_are_merged() {
    let seed = ordered(
        &["stats_seq", "pidmap_lock", "mems_seq"],
        &[(0, 1, 0), (1, 2, 0)],
    );
    assert_eq!(seed.check(), Vec::<String>::new());
    assert!(seed.verdict.cycles.is_empty());
    let [Merged { way }] = &seed.verdict.merged[..] else {
        panic!("{:?}", seed.verdict);
    };
    assert_eq!(way, &["stats_seq", "pidmap_lock", "mems_seq"]);
}

#[test]
fn a_way_back_is_a_cycle_told_once() {
    let Verdict { cycles, merged } =
        ordered(&["b", "a", "c"], &[(0, 1, 0), (1, 2, 0), (2, 0, 0)]).verdict;
    assert_eq!(cycles, [["a", "c", "b"]]);
    assert!(merged.is_empty());
}

#[test]
fn one_object_inside_itself_is_a_cycle_and_two_of_a_name_are_none() {
    assert_eq!(ordered(&["a"], &[(0, 0, 1)]).verdict.cycles, [["a"]]);
    assert!(ordered(&["a"], &[(0, 0, 0)]).verdict.cycles.is_empty());
}

#[test]
fn what_was_taken_must_be_released_held_or_lost() {
    let plan = plan(&["a"]);
    let counters = OrderCounters {
        taken: 5,
        released: 2,
        retaken: 1,
        ..OrderCounters::default()
    };
    let mut seen = Seen {
        nodes: vec![counters],
        held: vec![2],
        ..Seen::default()
    };
    let check =
        |seen: &Seen| Ordered::new(&plan, seen, OrderFacts::default(), Box::new(|_| None)).check();
    assert_eq!(check(&seen), Vec::<String>::new());
    seen.held = vec![1];
    assert_eq!(check(&seen), ["a: 5 taken, but 4 released, held and lost"]);
    seen.held = vec![2];
    seen.nodes[0].links = 1;
    assert_eq!(check(&seen), ["a: 1 links, but 0 in edges + 0 edges_full"]);
}
