//! Every retry, at the checks of the seqcounts that are named.

use ::seqtrace::plan::Kind;

use crate::{
    guest::{Guest, Workload},
    seqtrace,
};

/// The timekeeper, by its name before and after 6.13.
pub(crate) const TIMEKEEPER: &str = "{tk_core,timekeeper_data}";

/// Readers of the clock beside one that sets it: `stat` checks that all identities hold, among them
/// that each failed check is in a run.
pub(crate) fn every_retry_is_counted(_: &Guest) -> String {
    let _workload = Workload::start("clock");
    let words = ["--duration", "15s", "--no-modules", "--retries", TIMEKEEPER];
    let snapshot = seqtrace::stat(&words);
    let checks = || snapshot.rows.iter().filter(|row| row.kind == Kind::Check);
    let checked: u64 = checks().map(|row| row.hits).sum();
    let failed: u64 = checks().map(|row| row.count).sum();
    let runs = || checks().filter_map(|row| row.runs.as_ref());
    let over: u64 = runs().map(|runs| runs.count).sum();
    let told = format!("{failed} of {checked} checks failed, in {over} runs");
    assert!(checked > 10_000, "{told}");
    assert!(failed > 0 && over > 0, "{told}");
    assert!(over <= failed && failed < checked, "{told}");
    let credited: u64 = checks()
        .flat_map(|row| &row.readers)
        .map(|reader| reader.count)
        .sum();
    assert_eq!(credited, failed, "not all retries have a reader");
    let run_ns: u64 = snapshot.seqcounts.iter().map(|row| row.run_ns).sum();
    assert!(run_ns > 0, "the runs last no time: {told}");
    told
}

/// What the programs themselves run through is planned and left out, and a name that is nowhere is
/// told.
pub(crate) fn checks_that_the_tracer_runs_are_left_out(_: &Guest) -> String {
    let own = "{tk_fast_mono,tk_fast_raw,bpf_tree,mod_tree,mod_tree_root*,cyc2ns*}";
    let words = ["sites", "--json", "--no-modules", "--retries", own];
    let document = seqtrace::run(&words).succeeded().stdout;
    let document: serde_json::Value = serde_json::from_str(&document).expect("one document");
    let kinds = &document["coverage"]["kinds"]["check"];
    let (all, probed) = (kinds[0].as_u64(), kinds[1].as_u64());
    assert!(all >= Some(3), "{kinds}");
    let probed_own = |name: &str| {
        let instances = document["instances"].as_array().expect("a list").iter();
        let own = instances.filter(|one| one["function"] == name);
        own.filter(|one| one["plan"] == "probe").count()
    };
    for function in ["ktime_get_mono_fast_ns", "bpf_ksym_find", "mod_find"] {
        assert_eq!(probed_own(function), 0, "`{function}` would be probed");
    }
    seqtrace::run(&["stat", "--no-modules", "--retries", "no_such_seqcount"])
        .failed_with("no check of a seqcount called `no_such_seqcount` is found");
    format!("{all:?} checks, {probed:?} of them probed")
}
