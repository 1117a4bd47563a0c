//! Blame: each wait names the writer that the module knows to have been inside.

use std::fmt::Write as _;

use ::seqtrace::{
    aggregate::{
        blame::{BlameRow, State},
        snapshot::Snapshot,
    },
    plan::Kind as Role,
};

use crate::{
    guest::Guest,
    seqtrace,
    truth::{
        module::{Kind, Module, Reader, Wait, readers},
        shared::{self, Run},
    },
};

/// Episodes of each reader.
const EPISODES: u64 = 1_000;

/// A kind whose readers spin, PREEMPT_RT or not.
const SPINNER: &str = "raw_spinlock";

/// Where readers sleep on the lock of the writers, its owner is known without any probe at writers:
/// each block that slept names the module's writer.
pub(crate) fn a_block_names_the_writer(guest: &Guest) -> String {
    let Run {
        snapshot, truth, ..
    } = shared::plain(guest);
    let blocks = readers(truth).filter(|(_, reader)| reader.wait == Wait::Blocks);
    let mut told = String::new();
    let mut slept = 0;
    for (kind, reader) in blocks {
        let edges = edges(snapshot, reader);
        let count = named(&edges, kind);
        let _ = write!(
            told,
            "{}: {} slept, {count} name {}; ",
            reader.function,
            reader.slept,
            writer(kind)
        );
        assert_eq!(count, reader.slept, "{reader:?}: {edges:#?}");
        // The reader has taken its CPU.
        assert!(
            edges
                .iter()
                .all(|edge| edge.owned && edge.state == State::Preempted),
            "{edges:#?}"
        );
        slept += reader.slept;
    }
    assert_eq!(slept > 0, guest.realtime, "{truth:#?}");
    format!("{told}{slept} in all")
}

/// With the writers probed each wait, whatever its kind, names the writer, the function in which the
/// hold began and how long it had lasted.
pub(crate) fn a_wait_names_the_writer_that_is_probed(guest: &Guest) -> String {
    let Run {
        snapshot,
        truth,
        waits,
        ..
    } = shared::with_writers(guest);
    let mut told = String::new();
    for (kind, reader) in readers(truth).filter(|(_, reader)| reader.wait != Wait::Never) {
        let edges = edges(snapshot, reader);
        let count = named(&edges, kind);
        let _ = write!(
            told,
            "{}: {} waits, {count} name {}; ",
            reader.function,
            reader.waits,
            writer(kind)
        );
        assert_eq!(reader.waits, *waits, "{reader:?}");
        assert_eq!(
            count, reader.waits,
            "{reader:?}: {edges:#?} {:#?}",
            snapshot.rows
        );
        for edge in &edges {
            let site = edge.writer_site.as_deref().unwrap_or_default();
            assert!(site.starts_with(&format!("{}+", kind.writer)), "{edge:#?}");
            assert!(
                edge.held_ns > Some(0) && edge.object == Some(1),
                "{edge:#?}"
            );
            let function = format!("{} [seqstress]", kind.writer);
            let is_there = |frames: &[String]| frames.last() == Some(&function);
            assert!(is_there(&edge.writer.frames), "{edge:#?}");
        }
    }
    told
}

/// Readers lose time, so that their writers are probed for a while: while they are, at least 99 of a hundred
/// waits name the module's writer.
pub(crate) fn a_writer_is_found_on_demand(_: &Guest) -> String {
    let module = Module::load();
    let waits = module.line(&format!("odd {SPINNER} {EPISODES}"));
    let more = module.line(&format!("odd {SPINNER} {}", 20 * EPISODES));
    // Until the writers are probed, and then for a while; not for ever, should they never be.
    let probed = "grep _write+ /sys/kernel/debug/kprobes/list | grep -qv DISABLED";
    let until = format!("i=0; until {probed} || [ $i -ge 300 ]; do {waits}; i=$((i + 1)); done");
    let script = format!("{until}; {more}");
    module.script(&[]);
    let options = [
        "--threshold",
        "1s",
        "--blame-above",
        "1ms",
        "--blame-for",
        "3s",
    ];
    let snapshot = seqtrace::stat(&[&options[..], &["--", "sh", "-c", &script]].concat());
    let truth = module.truth();
    let found = readers(&truth).find(|(kind, reader)| kind.name == SPINNER && reader.waits > 0);
    let (kind, reader) = found.expect("its first reader waits");
    let demands = snapshot.demands.iter();
    let mut demands = demands.filter(|demand| demand.seqcount == kind.seqcount);
    let demand = demands.next().expect("its readers lose time");
    assert!(demand.probes >= 2, "{demand:?}");
    let edges = edges(&snapshot, reader);
    let named = named(&edges, kind);
    let others = edges.iter().map(|edge| edge.count).sum::<u64>() - named;
    let start = format!("{}+", reader.function);
    let rows = snapshot.rows.iter();
    let mut rows = rows.filter(|row| row.kind == Role::Spin && row.site.starts_with(&start));
    let unblamed = &rows.next().expect("it spins").unblamed;
    let because = |reason| unblamed.get(reason).copied().unwrap_or(0);
    let missed = others + because("writer_gone") + because("not_followed");
    let told = named + missed + because("not_probed");
    // The maps are read each second here, and the kernel keeps programs from running meanwhile.
    let passed_over = snapshot.losses["missed"].min(reader.waits / 100);
    assert!(
        told <= reader.waits && reader.waits - told <= passed_over,
        "{told} of {} waits, {unblamed:?}, {:?}",
        reader.waits,
        snapshot.losses
    );
    assert!(
        named > EPISODES && 99 * missed <= named,
        "{named} named, {unblamed:?}, {edges:#?}"
    );
    format!(
        "{} waits, {named} name {}, {unblamed:?} do not, {demand:?}",
        reader.waits,
        writer(kind)
    )
}

/// The edges of one reader's waits.
fn edges<'a>(snapshot: &'a Snapshot, reader: &Reader) -> Vec<&'a BlameRow> {
    let start = format!("{}+", reader.function);
    let edges = snapshot.blames.iter();
    let edges = edges.filter(|edge| edge.site.starts_with(&start));
    edges
        .filter(|edge| matches!(edge.kind, Role::Block | Role::Spin))
        .collect()
}

/// The name of the task that writes in forced episodes.
fn writer(kind: &Kind) -> String {
    // As long as the kernel lets it be.
    format!("w0-{}", kind.name).chars().take(15).collect()
}

/// Waits that are blamed on the module's writer, by name and thread.
fn named(edges: &[&BlameRow], kind: &Kind) -> u64 {
    let comm = writer(kind);
    let is_holder = |edge: &BlameRow| {
        let writer = &edge.writer;
        let mut holders = kind.holders.iter();
        writer.comm == comm
            && holders.any(|holder| holder.comm == comm && holder.pid == writer.tgid)
    };
    edges
        .iter()
        .filter(|edge| is_holder(edge))
        .map(|edge| edge.count)
        .sum()
}
