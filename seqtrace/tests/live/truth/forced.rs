//! Forced episodes: the module knows what happens in each, and every number must equal it.

use ::seqtrace::plan::Backend;

use super::{
    lines::Lines,
    module::{Module, Wait, readers},
    rows::{holds, told},
    shared::{self, EPISODES},
};
use crate::{guest::Guest, seqtrace};

/// Episodes of each reader in a long run: a million in all.
const LONG_RUNS: u64 = 50_000;

/// Readers that take the lock after one try.
const FALL_BACK: [&str; 2] = ["seqlock_begin_or_lock", "seqlock_scoped"];

/// The reader that takes the lock at once.
const LOCKED: &str = "seqlock_excl";

/// Readers begin while a writer is inside: where they block, each wait is one block, and it slept;
/// elsewhere each is one spin.
pub(crate) fn a_wait_by_force_is_a_wait(guest: &Guest) -> String {
    let shared::Run {
        snapshot,
        truth,
        waits: episodes,
        ..
    } = shared::plain(guest);
    let mut seen = Lines::new(snapshot);
    for (kind, reader) in readers(truth) {
        let told = told(snapshot, kind, reader);
        let waits = if reader.wait == Wait::Never {
            0
        } else {
            *episodes
        };
        assert_eq!((reader.waits, reader.doubtful), (waits, 0), "{reader:?}");
        let (blocks, spins) = match reader.wait {
            Wait::Blocks => (reader.waits, 0),
            Wait::Spins => (0, reader.waits),
            Wait::Never => (0, 0),
        };
        seen.equal(&reader.function, "blocks", blocks, told.blocks);
        seen.equal(&reader.function, "slept", reader.slept, told.slept);
        seen.equal(&reader.function, "spins", spins, told.spins);
    }
    seen.told(snapshot)
}

/// The same waits without a kprobe: the tracepoints of contended locks tell of every block, and who owned
/// the lock. Where no reader blocks they say nothing, and that is told.
pub(crate) fn a_block_by_force_is_seen_at_its_lock(guest: &Guest) -> String {
    const OPTIONS: [&str; 4] = ["--backend", "contention", "--threshold", "1s"];
    if !guest.realtime {
        let words = [&["stat", "-d", "1s"], &OPTIONS[..]].concat();
        seqtrace::run(&words).failed_with("no reader of this kernel blocks");
        return "refused: nothing blocks".to_owned();
    }
    let module = Module::load();
    let command = format!("odd all {EPISODES}");
    let (snapshot, truth) = module.trace(&OPTIONS, &[&command]);
    let mut seen = Lines::new(&snapshot);
    for (kind, reader) in readers(&truth) {
        let told = told(&snapshot, kind, reader);
        let (blocks, slept) = match reader.wait {
            Wait::Blocks => (reader.waits, reader.slept),
            Wait::Spins | Wait::Never => (0, 0),
        };
        seen.equal(&reader.function, "blocks", blocks, told.blocks);
        seen.equal(&reader.function, "slept", slept, told.slept);
        seen.equal(&reader.function, "owned", blocks, told.owned);
    }
    for row in &snapshot.rows {
        assert_eq!(row.backend, Backend::Contention, "{row:?}");
    }
    assert_eq!(snapshot.coverage.probed, 0, "{:?}", snapshot.coverage);
    seen.told(&snapshot)
}

/// Readers fail their check: three times in a row, and once; over a million times in all. Where the failed check leads to code of
/// its own each retry is seen; the others need `--retries`. No retry makes a wait: these are the episodes' own, in
/// [`a_wait_by_force_is_a_wait`].
pub(crate) fn a_retry_by_force_is_a_retry(guest: &Guest) -> String {
    let shared::Run {
        snapshot, truth, ..
    } = shared::plain(guest);
    let mut seen = Lines::new(snapshot);
    for (kind, reader) in readers(truth) {
        let told = told(snapshot, kind, reader);
        let falls_back = FALL_BACK.contains(&&*reader.function);
        let retries = if reader.function == LOCKED {
            0
        } else if falls_back {
            2 * EPISODES
        } else {
            4 * EPISODES
        };
        assert_eq!(reader.retries, retries, "{reader:?}");
        let fallbacks = if falls_back { reader.retries } else { 0 };
        assert_eq!(reader.fallbacks, fallbacks, "{reader:?}");
        seen.equal(
            &reader.function,
            "retries",
            if reader.is_cold() { retries } else { 0 },
            told.retries,
        );
        seen.equal(&reader.function, "fallbacks", fallbacks, told.fallbacks);
    }
    seen.told(snapshot)
}

/// As above, with `--retries`: every retry is counted wherever it leads, and every run has its length.
pub(crate) fn every_retry_by_force_has_its_run(guest: &Guest) -> String {
    let module = Module::load();
    let kinds = module.truth();
    let mut options = vec!["--threshold", "1s"];
    for kind in &kinds {
        options.extend(["--retries", &*kind.seqcount]);
    }
    let episodes = guest.episodes(EPISODES, LONG_RUNS);
    let once = format!("retry all {episodes}");
    let commands = [
        &*once,
        "runs all 2 1000",
        "runs all 3 1000",
        "runs all 7 500",
    ];
    let (snapshot, truth) = module.trace(&options, &commands);
    let mut seen = Lines::new(&snapshot);
    let mut followed = 0;
    for (kind, reader) in readers(&truth) {
        let told = told(&snapshot, kind, reader);
        let retries = reader.retries - reader.fallbacks;
        seen.equal(&reader.function, "retries", retries, told.retries);
        seen.equal(
            &reader.function,
            "fallbacks",
            reader.fallbacks,
            told.fallbacks,
        );
        let Some(lengths) = told.runs else { continue };
        followed += 1;
        assert_eq!(reader.longer_runs, 0, "{reader:?}");
        for (length, &runs) in (1..).zip(&reader.runs) {
            let counted = lengths.iter().find(|(other, _)| *other == length);
            let counted = counted.map_or(0, |(_, runs)| *runs);
            seen.equal(
                &reader.function,
                &format!("runs of {length}"),
                runs,
                counted,
            );
        }
    }
    assert!(followed >= 20, "runs of {followed} readers only");
    seen.told(&snapshot)
}

/// Write sections of a task, with `--writers`: each is one hold. A latch has none: its readers never
/// wait for one.
pub(crate) fn a_hold_by_force_is_a_hold(guest: &Guest) -> String {
    let shared::Run {
        snapshot,
        truth,
        holds: least,
        ..
    } = shared::with_writers(guest);
    let mut seen = Lines::new(snapshot);
    for kind in truth.iter().filter(|kind| kind.name != "latch") {
        let (truth, told) = holds(snapshot, kind);
        assert!(truth >= *least, "{kind:?}");
        seen.equal(&kind.seqcount, "holds", truth, told);
    }
    seen.told(snapshot)
}
