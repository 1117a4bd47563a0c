//! A ring of one page, maps of 16 entries, 8 stacks: much is lost, by name, and the sums hold.

use std::fs;

use ::seqtrace::aggregate::snapshot::Snapshot;

use super::{
    module::{Kind, Module, Wait, readers},
    rows::told,
};
use crate::{guest::Guest, seqtrace};

/// No room for what the module does.
const SMALL: [&str; 8] = [
    "--ring-bytes",
    "4096",
    "--map-entries",
    "16",
    "--max-stacks",
    "8",
    // Every event is written to the ring.
    "--threshold",
    "0s",
];

/// Status of a run that lost something, with `--strict`.
const LOST: i32 = 5;

/// Episodes of each reader, in each of the processes.
const EPISODES: u64 = 100;

/// Processes that do the same, one after the other: one more than the guest has CPUs. So at each site a second one comes
/// to a CPU, and the first needs an entry of its own.
const PROCESSES: usize = 3;

/// Tasks for each reader of the module in free running: more than there are entries.
const TASKS: &str = "/sys/module/seqstress/parameters/tasks";

/// Forced episodes: each wait and each retry is counted or among the losses.
pub(crate) fn small_maps_lose_by_name(_: &Guest) -> String {
    let module = Module::load();
    let kinds = module.truth();
    let odd = format!("odd all {EPISODES}");
    let retry = format!("retry all {EPISODES}");
    let (snapshot, truth) = trace(&module, &kinds, &[&odd, &retry], PROCESSES);
    let lost = |name: &str| snapshot.losses[name];
    let (mut waits, mut counted) = (0, 0);
    let (mut retries, mut seen) = (0, 0);
    for (kind, reader) in readers(&truth) {
        let told = told(&snapshot, kind, reader);
        if reader.wait != Wait::Never {
            waits += reader.waits;
            counted += told.blocks + told.spins;
        }
        retries += reader.retries;
        seen += told.retries + told.fallbacks;
    }
    let told = format!(
        "waits truth {waits} seqtrace {counted}, retries truth {retries} seqtrace {seen}, losses {:?}",
        snapshot.losses
    );
    assert_eq!(retries, seen, "{told}");
    // A wait of several pauses that finds no room is lost at each of them.
    let full = lost("blocks_full") + lost("spins_full");
    assert!(counted <= waits && waits <= counted + full, "{told}");
    for name in ["ring_full", "tasks_full", "stack_lost", "stack_counts_full"] {
        assert!(lost(name) > 0, "no `{name}`: {told}");
    }
    told
}

/// More readers at once than there are entries for those that wait.
pub(crate) fn many_readers_in_small_maps_lose_by_name(guest: &Guest) -> String {
    let module = Module::load();
    fs::write(TASKS, "4").expect("the module has this parameter");
    let (snapshot, _) = trace(&module, &[], &["stress all 2000"], 1);
    let told = format!("losses {:?}", snapshot.losses);
    let full = if guest.realtime {
        "blocks_full"
    } else {
        "spins_full"
    };
    assert!(snapshot.losses[full] > 0, "no `{full}`: {told}");
    told
}

/// A script for a shell while whose commands the tracer, its parent, stands still: nobody empties the ring,
/// so that it fills however fast the tracer is. The tracer goes on when the shell ends, however that is.
fn undrained(script: &str) -> String {
    format!("trap 'kill -CONT $PPID' EXIT; kill -STOP $PPID; {script}")
}

/// Traces `commands` in small maps, done by so many processes one after the other, strictly, the checks and increments
/// of `kinds` too; all that adds up is checked.
fn trace(
    module: &Module,
    kinds: &[Kind],
    commands: &[&str],
    processes: usize,
) -> (Snapshot, Vec<Kind>) {
    let mut words = vec!["--strict"];
    words.extend(SMALL);
    for kind in kinds {
        words.extend(["--retries", &*kind.seqcount]);
        // It has no hold that a reader waits for.
        if kind.name != "latch" {
            words.extend(["--writers", &*kind.seqcount]);
        }
    }
    let process = format!("({})", module.script(commands));
    let script = undrained(&vec![process; processes].join(" && "));
    words.extend(["--", "sh", "-c", &script]);
    let (run, snapshot) = seqtrace::document(&words);
    assert_eq!(run.status.code(), Some(LOST), "{}", run.stderr);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    for (name, count) in snapshot.losses.iter().filter(|(_, count)| **count > 0) {
        let part = format!("{count} {name}");
        assert!(run.stderr.contains(&part), "no `{part}`: {}", run.stderr);
    }
    (snapshot, module.truth())
}
