//! The catalog of what runs against that of the file it was booted from.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{guest::Guest, seqtrace};

/// The file that the guest was booted from; the harness shares it.
const BOOT_IMAGE: &str = "/share/vmlinuz";

/// So many instances may be missing when it runs: code that alternatives closed at boot, because
/// the machine lacks a CPU feature, by a long jump that looks like any other (6.1:
/// `arch_scale_freq_tick`).
const CLOSED_INSTANCES: usize = 2;

/// What runs has been patched (static branches, alternatives, tracing) and has moved; the file is
/// as it was linked. Both have to show the same places.
pub(crate) fn the_catalog_is_that_of_the_boot_image(_: &Guest) -> String {
    // The catalog is in the cache where a case before this one has had the kernel scanned.
    let running = places(&seqtrace::catalog(&["--no-modules"]));
    let file = places(&seqtrace::catalog(&["--no-cache", "--image", BOOT_IMAGE]));
    let only_running: Vec<_> = running.difference(&file).collect();
    let (only_file, closed): (Vec<_>, Vec<_>) = file
        .difference(&running)
        .partition(|place| place.kind == "site");
    assert!(
        only_running.is_empty() && only_file.is_empty() && closed.len() <= CLOSED_INSTANCES,
        "only when it runs: {only_running:#?}; only in the file: {only_file:#?} {closed:#?}",
    );
    let sites = file.iter().filter(|place| place.kind == "site").count();
    assert!(sites > 100, "only {sites} sites");
    assert!(sites < file.len(), "no instances");
    format!("{sites} sites, {} instances", file.len() - sites)
}

/// A site or an instance.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Place {
    image_offset: u64,
    kind: &'static str,
    function: String,
    /// The role of a site, or the half that an instance is.
    role: String,
    seqcount: String,
}

fn places(catalog: &[Value]) -> BTreeSet<Place> {
    let place = |line: &Value, kind: &'static str| -> Option<Place> {
        let place = line.get(kind)?;
        let half = || place["half"].as_object()?.keys().next().cloned();
        let role = place["role"].as_str().map(str::to_owned).or_else(half);
        Some(Place {
            image_offset: place["image_offset"].as_u64().expect("a number"),
            kind,
            function: place["function"].as_str().expect("a name").to_owned(),
            role: role.expect("a role or a half"),
            seqcount: place["seqcount"].to_string(),
        })
    };
    catalog
        .iter()
        .filter_map(|line| place(line, "site").or_else(|| place(line, "instance")))
        .collect()
}
