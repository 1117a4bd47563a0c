//! The backends that need no kprobe: samples of the CPU clock, which tell how long readers spun by
//! chance, and a breakpoint on one word, which tells of each write to it.

use std::time::Duration;

use ::seqtrace::{
    aggregate::{snapshot::Snapshot, watched::Watched},
    plan::Backend,
};

use super::module::Module;
use crate::{guest::Guest, seqtrace};

/// How long a reader spins.
const STANDS: Duration = Duration::from_secs(4);

/// Holds of each kind.
const HOLDS: u64 = 1000;

/// A reader stands before an odd sequence for seconds: the samples find it there, and their estimate is not
/// far from the truth.
pub(crate) fn samples_find_a_reader_that_spins(_: &Guest) -> String {
    let module = Module::load();
    module.order("damage plain odd");
    let script = format!(
        "{} && sleep {} && {}",
        module.line("stand plain_begin"),
        STANDS.as_secs(),
        module.line("heal")
    );
    let words = ["--backend", "sample", "--", "sh", "-c", &script];
    let snapshot = seqtrace::stat(&words);
    let Snapshot { rows, samples, .. } = &snapshot;
    let period_ns = samples.expect("samples were taken").period_ns;
    assert!(
        rows.iter().all(|row| row.backend == Backend::Sample),
        "{rows:?}"
    );
    let found = rows.iter().filter(|row| row.seqcount == "seqstress_plain");
    let told_ns: u64 = found
        .inspect(|row| assert!(row.site.starts_with("plain_begin+"), "{}", row.site))
        .map(|row| row.total_ns)
        .sum();
    let told = format!(
        "stood for {STANDS:?}, estimated {:?} from {} samples of {period_ns} ns",
        Duration::from_nanos(told_ns),
        told_ns / period_ns
    );
    // An emulated processor runs for a part of the time and misses ticks of its clock meanwhile.
    let estimate = told_ns as f64 / STANDS.as_nanos() as f64;
    assert!((0.1..1.3).contains(&estimate), "{told}");
    told
}

/// Each hold is two writes of the sequence, whoever holds.
pub(crate) fn a_watched_counter_tells_each_write(_: &Guest) -> String {
    let module = Module::load();
    let mut lines = Vec::new();
    for kind in module.truth().iter().filter(|kind| kind.name != "latch") {
        let script = module.script(&[&format!("hold {} task {HOLDS}", kind.name)]);
        let words = [
            "watch",
            "--json",
            &*kind.seqcount,
            "--",
            "sh",
            "-c",
            &script,
        ];
        let run = seqtrace::run(&words).succeeded();
        let watched: Watched = serde_json::from_str(&run.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
        let told = format!("{}: {HOLDS} holds, seqtrace {watched:?}", kind.seqcount);
        assert_eq!(
            (watched.odd, watched.even, watched.unread, watched.holds),
            (HOLDS, HOLDS, 0, HOLDS),
            "{told}"
        );
        let by_writer = watched.writers.iter().map(|writer| writer.writes);
        assert_eq!(by_writer.sum::<u64>(), watched.writes, "{told}");
        lines.push(format!(
            "  {}: {HOLDS} holds, seqtrace {} odd, {} even, {} holds",
            kind.seqcount, watched.odd, watched.even, watched.holds
        ));
    }
    format!("\n{}", lines.join("\n"))
}
