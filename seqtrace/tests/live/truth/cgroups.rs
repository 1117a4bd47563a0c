//! Cgroups: what the readers in each of them lost adds up to the truth, and each is called by what it is.

use std::{collections::BTreeMap, fmt::Write as _, fs};

use ::seqtrace::{aggregate::snapshot::Snapshot, plan::Kind as Role};

use super::{
    actors::{Actor, traced},
    module::{Module, Reader, Wait, readers},
};
use crate::guest::Guest;

/// Episodes of each reader, by a task in the first cgroup and by one in the second.
const FIRST: u64 = 300;
const SECOND: u64 = 200;

/// A scope as docker makes one.
const CONTAINER: &str =
    "docker-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.scope";

/// Retries that lead to code of their own, and fallbacks, so far.
fn retries(module: &Module) -> u64 {
    let kinds = module.truth();
    let seen = |reader: &Reader| {
        if reader.is_cold() {
            reader.retries
        } else {
            reader.fallbacks
        }
    };
    readers(&kinds).map(|(_, reader)| seen(reader)).sum()
}

/// Retries and fallbacks of readers, and their waits, by what their cgroup is called.
fn by_cgroup(snapshot: &Snapshot) -> BTreeMap<String, (u64, u64)> {
    let mut sums = BTreeMap::<String, (u64, u64)>::new();
    for row in &snapshot.rows {
        for task in &row.readers {
            let label = snapshot
                .cgroup(task.cgroup)
                .expect("every reader is in one");
            let sum = sums.entry(label).or_default();
            match row.kind {
                Role::Retry | Role::Fallback => sum.0 += task.count,
                Role::Block | Role::Spin => sum.1 += task.count,
                Role::Check | Role::Write => {}
            }
        }
    }
    sums
}

/// Two tasks in cgroups of their own retry, and one in a cgroup that is removed at once; the kernel's threads,
/// which are in none, wait.
pub(crate) fn sums_by_cgroup_are_the_truth(_: &Guest) -> String {
    let module = Module::load();
    let own: Vec<String> = module
        .truth()
        .iter()
        .flat_map(|kind| ["-l".to_owned(), kind.seqcount.clone()])
        .collect();
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let mut first = Actor::start("first");
    let mut second = Actor::start("second");
    let mut third = Actor::start("third");
    first.enter(&format!("system.slice/{CONTAINER}"));
    second.enter("system.slice/cron.service");
    module.order("reset");
    let mut so_far = Vec::new();
    let snapshot = traced(&own, || {
        first.order(&format!("retry all {FIRST}"));
        so_far.push(retries(&module));
        second.order(&format!("retry all {SECOND}"));
        so_far.push(retries(&module));
        // Short-lived: perhaps nobody has looked at it while it was there.
        third.enter("system.slice/short.service");
        third.order(&format!("retry all {SECOND}"));
        so_far.push(retries(&module));
        third.enter("system.slice/cron.service");
        fs::remove_dir("/sys/fs/cgroup/system.slice/short.service").expect("nobody is in it");
        module.order(&format!("odd all {SECOND}"));
    });
    let sums = by_cgroup(&snapshot);
    let missed = snapshot.losses["missed"] + snapshot.losses["nested"];
    let told = format!("{sums:?}, missed {missed}");
    let [by_first, by_second, by_third] = so_far[..] else {
        panic!("{so_far:?}");
    };
    let removed = sums
        .keys()
        .find(|label| label.starts_with("id ") || *label == "short.service");
    let removed = removed.expect("it was counted in").clone();
    let mut text = String::new();
    for (label, truth) in [
        ("docker:0123456789ab", by_first),
        ("cron.service", by_second - by_first),
        (removed.as_str(), by_third - by_second),
    ] {
        let counted = sums.get(label).map_or(0, |sum| sum.0);
        assert!(truth > 0, "{told}");
        assert!(
            counted <= truth && counted + missed >= truth,
            "{label} {truth}: {told}"
        );
        let _ = write!(text, "{label}: {counted} of {truth}; ");
    }
    let kinds = module.truth();
    let waits = readers(&kinds).filter(|(_, reader)| reader.wait != Wait::Never);
    let waits: u64 = waits.map(|(_, reader)| reader.waits).sum();
    let counted = sums["/"].1;
    assert!(
        counted <= waits && counted + missed >= waits,
        "{waits}: {told}"
    );
    let events: u64 = sums.values().map(|sum| sum.0 + sum.1).sum();
    let rows: u64 = snapshot.rows.iter().map(|row| row.count).sum();
    assert_eq!(events, rows, "{told}");
    let container = snapshot
        .cgroups
        .iter()
        .find(|row| row.label() == "docker:0123456789ab");
    let path = container.and_then(|row| row.path.as_deref());
    assert_eq!(path, Some(format!("/system.slice/{CONTAINER}").as_str()));
    text + &format!("/: {counted} of {waits} waits")
}
