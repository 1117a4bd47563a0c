//! What is found and what would be probed.

use std::{
    io::{BufRead as _, BufReader},
    time::Duration,
};

use serde_json::Value;

use crate::{
    guest::{self, Guest},
    seqtrace,
};

/// Least numbers of cold addresses in the vmlinux of a kernel series: blocks, spins, retries and
/// fallbacks together. A newer package may have a few more or fewer sites than the ones measured,
/// hence the margin of the last two.
fn least(series: &str, realtime: bool) -> (u64, u64, u64) {
    match (series, realtime) {
        ("6.12", true) => (77, 100, 25),
        ("6.12", false) => (0, 105, 27),
        ("6.1", true) => (63, 85, 22),
        ("6.1", false) => (0, 85, 22),
        (_, true) => (80, 110, 28),
        (_, false) => (0, 110, 28),
    }
}

pub(crate) fn every_site_is_accounted_for(guest: &Guest) -> String {
    let document = seqtrace::sites();
    let coverage = &document["coverage"];
    let number = |value: &Value| value.as_u64().expect("a number");
    // Left out where it is zero, as on a kernel without readers that block.
    let contention = coverage["contention"].as_u64().unwrap_or(0);
    assert_eq!(
        number(&coverage["sites"]),
        number(&coverage["probed"])
            + contention
            + number(&coverage["skipped"])
            + number(&coverage["refused"]),
    );
    let vmlinux = &document["images"][0];
    assert_eq!(vmlinux["image"], "vmlinux");
    let kind = |name: &str| vmlinux["kinds"][name].as_u64().unwrap_or(0);
    let (blocks, spins) = (kind("block"), kind("spin"));
    let retries = kind("retry") + kind("fallback");
    let least = least(&guest.series(), guest.realtime);
    assert!(
        blocks >= least.0 && spins >= least.1 && retries >= least.2,
        "{blocks} blocks, {spins} spins, {retries} retries; expected at least {least:?}"
    );
    let modules = document["images"].as_array().expect("a list").iter();
    let phonet = modules.rev().find(|image| image["image"] == "phonet");
    let kinds = &phonet.expect("the harness has loaded it")["kinds"];
    assert!(number(&kinds["spin"]) > 0, "no site in a module: {kinds}");
    if !guest.realtime {
        assert_eq!(blocks, 0, "readers block only on PREEMPT_RT");
    }
    assert!(number(&document["costs"]["discover_ns"]) > 0);
    assert!(number(&document["costs"]["peak_rss_bytes"]) > 0);
    for figure in ["sites", "probed", "skipped"] {
        guest::figure(figure, &coverage[figure]);
    }
    let discover_ns = number(&document["costs"]["discover_ns"]);
    let discover = Duration::from_nanos(discover_ns).as_secs_f64();
    guest::figure("discover", format_args!("{discover:.1} s"));
    assert_eq!(guest::probes(), 0, "listing the sites attaches nothing");
    format!(
        "{blocks} blocks, {spins} spins, {retries} retries in vmlinux; coverage {coverage}; costs {}",
        document["costs"]
    )
}

pub(crate) fn a_program_reads_the_same_text_as_kcore(_: &Guest) -> String {
    let read = |words: &[&str]| -> Value {
        let run = seqtrace::run(&[&["sites", "--json"], words].concat()).succeeded();
        serde_json::from_str(&run.stdout).expect("one JSON document")
    };
    // The catalog is in the cache where a case before this one has had kcore scanned.
    let kcore = read(&["--text", "kcore"]);
    let bpf = read(&["--no-cache", "--text", "bpf"]);
    // The notes say where the text came from, the costs what it took.
    for part in ["images", "sites"] {
        assert_eq!(kcore[part], bpf[part], "{part} differ");
    }
    let notes = bpf["coverage"]["notes"].to_string();
    assert!(notes.contains("BPF program"), "{notes}");
    format!(
        "{} sites both ways; kcore {}, program {}",
        bpf["coverage"]["sites"], kcore["costs"], bpf["costs"]
    )
}

pub(crate) fn sites_are_found_without_tracefs(_: &Guest) -> String {
    guest::unmount_tracefs();
    let document = seqtrace::sites();
    let coverage = &document["coverage"];
    assert!(coverage["sites"].as_u64() > Some(0), "{coverage}");
    let notes = coverage["notes"].to_string();
    assert!(notes.contains("is not known: tracefs"), "{notes}");
    notes
}

pub(crate) fn sites_ends_quietly_when_its_reader_does(_: &Guest) -> String {
    let mut child = seqtrace::start(&mut seqtrace::command(&["sites"]));
    let mut first = String::new();
    // The pipe is closed when the reader is dropped, as by `| head -n 1`.
    BufReader::new(child.stdout.take().expect("stdout is caught"))
        .read_line(&mut first)
        .expect("a first line");
    let run = seqtrace::finish(child);
    assert!(!first.is_empty());
    assert_eq!(run.stderr, "");
    assert!(run.status.success(), "{}", run.status);
    first.trim().to_owned()
}

pub(crate) fn doctor_finds_nothing_missing(_: &Guest) -> String {
    let run = seqtrace::run(&["doctor"]).succeeded();
    assert!(!run.stdout.contains("MISSING"), "{}", run.stdout);
    format!("{} lines", run.stdout.lines().count())
}
