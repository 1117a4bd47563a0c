//! The command that is run: what its own tasks did is told apart from what others did, and holds by who writes.

use std::{collections::BTreeSet, fs::File, io::BufReader};

use ::seqtrace::{
    aggregate::{command::CommandCost, occurrence::HoldBegin, snapshot::Snapshot},
    plan::Kind as Role,
    recording::{Entry, Reader as Recording},
};

use super::{
    actors::{Actor, traced_after},
    module::{Module, Wait, readers},
};
use crate::{guest::Guest, seqtrace};

/// Episodes of each reader, by the command and by another task.
const OWN: u64 = 300;
const OTHERS: u64 = 200;

/// Retries that lead to code of their own, and fallbacks, so far.
fn retries(module: &Module) -> u64 {
    let kinds = module.truth();
    let seen = readers(&kinds).map(|(_, reader)| {
        if reader.is_cold() {
            reader.retries
        } else {
            reader.fallbacks
        }
    });
    seen.sum()
}

fn cost(snapshot: &Snapshot) -> &CommandCost {
    snapshot.command.as_ref().expect("a command was run")
}

/// A process in the background of one that is over by then retries for the command, then another task does; the
/// kernel's threads wait. Then a command waits itself.
pub(crate) fn a_command_is_told_what_its_own_tasks_lost(_: &Guest) -> String {
    let module = Module::load();
    let own: Vec<String> = module
        .truth()
        .iter()
        .flat_map(|kind| ["-l".to_owned(), kind.seqcount.clone()])
        .collect();
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let mut other = Actor::start("other");
    module.order("reset");
    let line = module.line(&format!("retry all {OWN}"));
    // The first shell ends at once, the second one does it and tells.
    let lines = format!(
        "(sh -c \"{line}; echo > /tmp/own-done\" &); until test -e /tmp/own-done; do :; done"
    );
    let _ = std::fs::remove_file("/tmp/own-done");
    let mut by_command = 0;
    let snapshot = traced_after(&lines, &own, || {
        by_command = retries(&module);
        other.order(&format!("retry all {OTHERS}"));
        module.order(&format!("odd all {OTHERS}"));
    });
    let all = retries(&module);
    let missed = snapshot.losses["missed"] + snapshot.losses["nested"];
    let told = cost(&snapshot);
    let counted = told.retries;
    assert!(by_command > 0 && by_command < all);
    assert!(
        counted <= by_command && counted + missed >= by_command,
        "{told:?} of {by_command}, missed {missed}"
    );
    assert_eq!(
        (told.waits, told.lost_ns),
        (0, 0),
        "they are the kernel's threads"
    );
    assert!(
        told.wall_ns > 0 && told.wall_ns <= snapshot.elapsed_ns,
        "{told:?}"
    );
    assert_eq!(snapshot.losses["command_lost"], 0);
    let waiting = a_command_that_waits();
    format!("{counted} of {by_command} retries, {all} in all; {waiting}")
}

/// A workload that renames and reads names waits itself: all that its process lost is the command's.
fn a_command_that_waits() -> String {
    // What it says would stand before the document.
    let script = "exec workload rename > /dev/null";
    let snapshot = seqtrace::stat(&["-d", "5s", "--", "sh", "-c", script]);
    let readers = || {
        let rows = snapshot.rows.iter();
        let rows = rows.filter(|row| matches!(row.kind, Role::Block | Role::Spin));
        rows.flat_map(|row| &row.readers)
    };
    let own: BTreeSet<u32> = readers()
        .filter(|task| task.of_command)
        .map(|task| task.tgid)
        .collect();
    assert_eq!(own.len(), 1, "it is one process: {own:?}");
    let of_process = readers().filter(|task| own.contains(&task.tgid));
    let (waits, lost_ns) = of_process.fold((0, 0), |sum, task| {
        (sum.0 + task.count, sum.1 + task.total_ns)
    });
    let told = cost(&snapshot);
    assert_eq!((told.waits, told.lost_ns), (waits, lost_ns));
    assert!(waits > 0, "{:?}", snapshot.losses);
    format!("{waits} waits of {lost_ns} ns in {} ns", told.wall_ns)
}

/// Each hold by force is in the recording, and each wait names the one that it was for.
pub(crate) fn holds_are_recorded_and_named_by_waits(_: &Guest) -> String {
    const WAITS: u64 = 100;
    const SPINNER: &str = "raw_spinlock";
    let module = Module::load_with(&["hold_ns=2000000"]);
    let kinds = module.truth();
    let spinner = kinds.iter().find(|kind| kind.name == SPINNER);
    let seqcount = spinner.expect("it is one").seqcount.clone();
    let script = module.script(&[&format!("odd {SPINNER} {WAITS}")]);
    let path = "/tmp/holds.seqtrace";
    let words = ["record", "-o", path, "--budget", "off", "-l", &seqcount];
    let more = ["--writers", &seqcount, "--", "sh", "-c", &script];
    seqtrace::run(&[&words[..], &more].concat()).succeeded();
    let truth = module.truth();
    let truth = truth.iter().find(|kind| kind.name == SPINNER);
    let truth = truth.expect("it is one");
    let file = File::open(path).expect("it was written");
    let mut recording = Recording::open(BufReader::new(file)).expect("a recording");
    let (mut holds, mut waits) = (Vec::new(), Vec::new());
    while let Some(entry) = recording.next(true) {
        let Entry::Event(event) = entry else {
            continue;
        };
        match recording.site(&event).expect("it has a name").kind {
            Role::Write => holds.push(event),
            Role::Spin => waits.push(event),
            Role::Block | Role::Retry | Role::Fallback | Role::Check => {}
        }
    }
    // The longest of a hold is more than the threshold, whoever is preempted.
    let forced: u64 = truth.holders.iter().map(|holder| holder.holds).sum();
    let told = format!("{} of {forced} holds, {} waits", holds.len(), waits.len());
    assert_eq!(holds.len() as u64, forced, "{told}");
    let spins = truth
        .readers
        .iter()
        .filter(|reader| reader.wait == Wait::Spins);
    let spins: u64 = spins.map(|reader| reader.waits).sum();
    assert!(!waits.is_empty() && waits.len() as u64 <= spins, "{told}");
    for wait in &waits {
        let HoldBegin { site, began_ns } = wait.hold.expect("the writers are probed");
        let own = holds
            .iter()
            .find(|hold| (hold.site, hold.began_ns()) == (site, began_ns));
        let own = own.unwrap_or_else(|| panic!("{told}: {wait:?}"));
        assert!(
            began_ns <= wait.began_ns() && wait.began_ns() <= own.time_ns,
            "{wait:?} {own:?}"
        );
        assert!(own.comm.starts_with('w'), "{own:?}");
    }
    told
}
