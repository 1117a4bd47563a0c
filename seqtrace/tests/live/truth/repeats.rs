//! `stat -r`: each run of a command has what the module did in it.

use std::process::Command;

use super::module::{Module, readers};
use crate::{guest::Guest, seqtrace};

/// Retries of each reader in a run.
const RETRIES: u64 = 50;

/// Three runs are equal, and together all that happened; a run that fails is the last.
pub(crate) fn each_run_of_a_command_has_its_numbers(_: &Guest) -> String {
    let module = Module::load();
    let kind = module
        .truth()
        .into_iter()
        .find(|kind| kind.name == "seqlock");
    let seqcount = kind.expect("it is one").seqcount;
    let script = module.script(&[&format!("retry seqlock {RETRIES}")]);
    let snapshot = seqtrace::stat(&["-r", "3", "-l", &seqcount, "--", "sh", "-c", &script]);
    let truth = module.truth();
    let (_, reader) = readers(&truth)
        .find(|(_, reader)| reader.retries > 0)
        .expect("one has retried");
    assert_eq!(reader.retries, 3 * RETRIES, "{reader:?}");
    let runs: Vec<u64> = snapshot
        .repeats
        .iter()
        .map(|run| run.of(&seqcount).events)
        .collect();
    let expected = if reader.is_cold() { RETRIES } else { 0 };
    assert_eq!(runs, [expected; 3], "{reader:?}: {:?}", snapshot.losses);
    assert!(snapshot.repeats.iter().all(|run| run.wall_ns > 0));
    let own = snapshot.repeats.iter().map(|run| {
        let command = run.command.as_ref();
        command.expect("its tasks are known").retries
    });
    assert_eq!(own.collect::<Vec<_>>(), runs, "nobody else retries there");
    let failing = ["stat", "-r", "3", "-l", &seqcount, "--json", "--", "false"];
    let run = seqtrace::run(&failing);
    let own = Command::new("false").status().expect("the guest has it");
    assert_eq!(run.status.code(), own.code(), "{}", run.stderr);
    assert_eq!(seqtrace::parse(&run).repeats.len(), 1);
    format!("{}: {runs:?} of {RETRIES}", reader.function)
}
