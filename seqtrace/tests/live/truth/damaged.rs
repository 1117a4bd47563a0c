//! Counters that are not sound: the module leaves three as broken code would, and the audit must find
//! each, say what is wrong and who is stuck.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::module::Module;
use crate::{guest::Guest, seqtrace};

/// Time between two moves of a damaged counter: longer than a rest.
const MOVE: Duration = Duration::from_millis(600);

/// What one audit tells, and its exit status.
fn audit(duration: &str, meanwhile: impl FnMut()) -> (Option<i32>, Value) {
    let words = ["audit", "--json", "--duration", duration];
    let mut child = seqtrace::start(&mut seqtrace::command(&words));
    let mut meanwhile = meanwhile;
    while child.try_wait().expect("it can be asked").is_none() {
        meanwhile();
        thread::sleep(MOVE);
    }
    let run = seqtrace::finish(child);
    let document = serde_json::from_str(&run.stdout);
    (
        run.status.code(),
        document.unwrap_or_else(|error| panic!("{error}: {}", run.stderr)),
    )
}

/// The finding about a counter of the module.
fn finding<'a>(audit: &'a Value, seqcount: &str) -> &'a Value {
    let findings = audit["findings"].as_array().expect("a list");
    let found = findings.iter().find(|one| one["seqcount"] == seqcount);
    found.unwrap_or_else(|| panic!("no {seqcount}: {audit}"))
}

/// One counter is left odd, and a reader of it spins; one is odd at rest, with writers; one goes down.
/// Healed, all are sound again.
pub(crate) fn damaged_counters_are_found(_: &Guest) -> String {
    let module = Module::load();
    // The scan of the kernel is kept from here on.
    let (status, sound) = audit("1s", || ());
    assert_eq!(status, Some(0), "{sound}");
    for command in [
        "damage plain odd",
        "damage spinlock odd",
        "stand plain_begin",
    ] {
        module.order(command);
    }
    let begin = Instant::now();
    let (status, audited) = audit("3s", || {
        module.order("hold spinlock task 1");
        module.order("damage raw_spinlock backwards");
    });
    let took = begin.elapsed();
    module.order("heal");
    let (healed, after) = audit("1s", || ());

    assert_eq!(status, Some(3), "{audited}");
    let stuck = finding(&audited, "seqstress_plain");
    assert_eq!(stuck["verdict"], "stuck_odd", "{stuck}");
    let readers = stuck["readers"].as_array().expect("a list");
    let reads = |reader: &Value| {
        reader
            .as_str()
            .is_some_and(|r| r.starts_with("plain_begin+"))
    };
    assert!(readers.iter().any(reads), "{stuck}");
    let online = fs::read_to_string("/sys/devices/system/cpu/online").expect("sysfs is mounted");
    let last: u64 = online
        .trim()
        .rsplit(['-', ','])
        .next()
        .and_then(|cpu| cpu.parse().ok())
        .expect("a list of CPUs");
    assert_eq!(stuck["spinning_cpus"], serde_json::json!([last]), "{stuck}");
    let resting = finding(&audited, "seqstress_spinlock");
    assert_eq!(resting["verdict"], "odd_at_rest", "{resting}");
    let back = finding(&audited, "seqstress_raw_spinlock");
    assert_eq!(back["verdict"], "backwards", "{back}");
    let wrong = audited["findings"].as_array().expect("a list").iter();
    let wrong = wrong.filter(|one| one["verdict"] != "sound").count();
    assert_eq!(wrong, 3, "{audited}");

    assert_eq!(healed, Some(0), "{after}");
    let waited: u64 = module
        .truth()
        .iter()
        .flat_map(|kind| &kind.readers)
        .map(|reader| reader.waits)
        .sum();
    assert_eq!(
        waited, 1,
        "the reader stood there until the counter was healed"
    );
    format!("found in {took:?} beside a CPU that spins:\n  {stuck}\n  {resting}\n  {back}")
}
