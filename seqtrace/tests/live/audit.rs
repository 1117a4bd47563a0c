//! The audit of global counters.

use serde_json::Value;

use crate::{
    guest::{Guest, Workload},
    seqtrace,
};

/// A kernel as Debian ships it has no counter that is wrong, however busy its writers are.
pub(crate) fn the_counters_of_a_sound_kernel_are_sound(_: &Guest) -> String {
    let _renames = Workload::start("rename");
    let run = seqtrace::run(&["audit", "--json", "--duration", "2s"]).succeeded();
    let audit: Value = serde_json::from_str(&run.stdout).expect("one JSON document");
    let findings = audit["findings"].as_array().expect("a list");
    assert!(findings.len() > 10, "only {} counters", findings.len());
    for finding in findings {
        assert_eq!(finding["verdict"], "sound", "{finding}");
        assert!(finding["readings"].as_u64() > Some(10), "{finding}");
    }
    let moved = |names: &[&str]| {
        let mut all = findings.iter();
        let finding = all.find(|finding| names.iter().any(|name| finding["seqcount"] == *name));
        let finding = finding.unwrap_or_else(|| panic!("none of {names:?}: {audit}"));
        finding["moved"].as_u64().expect("a number")
    };
    // Ticks and renames go on all the time. The timekeeper has another name from 6.13 on.
    let timekeeping = moved(&["tk_core", "timekeeper_data"]);
    let renames = moved(&["rename_lock"]);
    assert!(timekeeping > 0 && renames > 0, "{audit}");
    assert!(audit["unread"].is_array());
    format!(
        "{} counters; the timekeeper moved by {timekeeping}, rename_lock by {renames}; not read: {}",
        findings.len(),
        audit["unread"]
    )
}
