//! The order in which locks and seqcounts are taken, as `explain` reads it from lockdep's reports.

use ::seqtrace::aggregate::order::{EdgeRow, Ordered};

use crate::{
    guest::{Guest, Workload},
    seqtrace,
    truth::module::{Module, Reader, Wait},
};

/// Read sections of one reader, and write sections of one writer.
const SECTIONS: u64 = 500;

/// The document that `seqtrace order --json` prints; checks everything that adds up in it.
fn order(words: &[&str]) -> Ordered {
    let run = seqtrace::run(&[&["order", "--json", "--budget", "off"], words].concat()).succeeded();
    let ordered: Ordered = serde_json::from_str(&run.stdout)
        .unwrap_or_else(|error| panic!("no JSON document: {error}; {}", run.stderr));
    let broken = ordered.check();
    assert!(broken.is_empty(), "numbers do not add up: {broken:#?}");
    ordered
}

/// The edge from `held` to what is done to `node`; panics when there is none.
fn edge<'a>(ordered: &'a Ordered, held: &str, deed: &str, node: &str) -> &'a EdgeRow {
    let mut edges = ordered.edges.iter();
    let found = edges.find(|edge| edge.held == held && edge.deed == deed && edge.node == node);
    found.unwrap_or_else(|| panic!("no edge `{held}` → {deed} `{node}`: {ordered:#?}"))
}

/// Each read section was begun under a mutex and a spinlock inside of it, and each write section under
/// the writer's lock: as many edges as sections, and no others.
pub(crate) fn a_known_order_is_seen_as_it_was(guest: &Guest) -> String {
    let module = Module::load();
    let commands = [
        format!("order plain_begin {SECTIONS}"),
        format!("hold spinlock task {SECTIONS}"),
    ];
    let script = module.script(&commands.each_ref().map(String::as_str));
    let locks = "order_outer,order_inner,lock_spinlock";
    let words = [
        "seqstress_plain",
        "seqstress_spinlock",
        "--locks",
        locks,
        "--",
        "sh",
        "-c",
        &script,
    ];
    let ordered = order(&words);
    let kinds = module.truth();
    let reader = kinds
        .iter()
        .flat_map(|kind| &kind.readers)
        .find(|reader| reader.function == "plain_begin");
    let Some(Reader { reads, wait, .. }) = reader else {
        panic!("no such reader");
    };
    assert_eq!((*reads, *wait), (SECTIONS, Wait::Spins));
    let expected = [
        ("order_outer", "lock", "order_inner"),
        ("order_outer", "read", "seqstress_plain"),
        ("order_inner", "read", "seqstress_plain"),
        ("lock_spinlock", "write", "seqstress_spinlock"),
    ];
    for (held, deed, node) in expected {
        let edge = edge(&ordered, held, deed, node);
        let told = (edge.count, &*edge.context, edge.same);
        assert_eq!(told, (SECTIONS, "task", false), "{edge:#?}");
        let [place] = &edge.places[..] else {
            panic!("{:#?}", edge.places);
        };
        assert!(!place.stack.is_empty(), "{place:#?}");
    }
    assert_eq!(ordered.edges.len(), expected.len(), "{:#?}", ordered.edges);
    for node in &ordered.nodes {
        assert!(
            !node.has_losses() && node.untaken == 0 && node.held == 0,
            "{node:#?}"
        );
        let taken = if node.name == "seqstress_plain" {
            0
        } else {
            SECTIONS
        };
        assert_eq!((node.taken, node.released), (taken, taken), "{node:#?}");
    }
    assert!(
        ordered.contexts,
        "interrupts are told from tasks on {}",
        guest.release
    );
    assert!(ordered.verdict.cycles.is_empty(), "{:?}", ordered.verdict);
    format!(
        "{SECTIONS} read and {SECTIONS} write sections, {} edges",
        ordered.edges.len()
    )
}

/// The report that lockdep made of it up to 5.9 took two seqcounts for one: here they are two, with
/// `pidmap_lock` between them, and there is no circle.
pub(crate) fn a_lock_between_two_seqcounts_is_no_circle(_: &Guest) -> String {
    const WRITTEN: &str = "signal_struct.stats_lock";
    const READ: &str = "task_struct.mems_allowed_seq";
    const LOCK: &str = "pidmap_lock";
    let _workload = Workload::start("clone-exit");
    let ordered = order(&[READ, WRITTEN, "--locks", LOCK, "--duration", "30s"]);
    let read = edge(&ordered, LOCK, "read", READ);
    let taken = edge(&ordered, WRITTEN, "lock", LOCK);
    let stack = |edge: &EdgeRow| edge.places[0].stack.join(" ");
    assert!(stack(read).contains("alloc_pid"), "{read:#?}");
    assert!(stack(taken).contains("release_task"), "{taken:#?}");
    assert!(ordered.verdict.cycles.is_empty(), "{:#?}", ordered.verdict);
    let merged = ordered.verdict.merged.iter();
    let ways: Vec<&[String]> = merged.map(|merged| &merged.way[..]).collect();
    assert!(
        ways.contains(&&[WRITTEN, LOCK, READ].map(str::to_owned)[..]),
        "{ways:?}"
    );
    let node = |name: &str| {
        ordered
            .nodes
            .iter()
            .find(|node| node.name == name)
            .expect("it is followed")
    };
    assert!(
        node(READ).taken > 0,
        "the nodes were changed: {:#?}",
        ordered.nodes
    );
    format!(
        "{LOCK} → {READ} {} times at {}, {WRITTEN} → {LOCK} {} times at {}; {} of {} taken are released",
        read.count,
        read.places[0].done_at,
        taken.count,
        taken.places[0].done_at,
        node(LOCK).released,
        node(LOCK).taken,
    )
}
