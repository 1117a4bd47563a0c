//! Recordings that are made while something happens to who makes them.

use std::{
    fs::{self, File},
    io::BufReader,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use ::seqtrace::{
    plan::Kind,
    recording::{Entry, Reader},
};

use crate::{
    guest::{self, Guest, Workload},
    seqtrace,
    truth::module::{Module, Wait, readers},
};

/// A folder for recordings, empty.
fn folder() -> PathBuf {
    let folder = PathBuf::from("/tmp/recorded");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).expect("a writable folder");
    folder
}

/// Durations of the events on a seqcount in a recording, nanoseconds.
fn durations(path: &Path, seqcount: &str) -> Vec<u64> {
    let file = File::open(path).expect("it was written");
    let mut reader = Reader::open(BufReader::new(file)).expect("a recording");
    let mut durations = Vec::new();
    while let Some(entry) = reader.next(true) {
        if let Entry::Event(event) = entry
            && reader
                .site(&event)
                .is_some_and(|site| site.seqcount == seqcount && site.kind != Kind::Write)
        {
            durations.push(event.duration_ns);
        }
    }
    durations
}

/// Waits of 20 ms and more, and shorter ones before them: each long one is in one of the files that
/// `--on-wait` had saved, and nothing else was written.
pub(crate) fn a_long_wait_saves_what_led_to_it(_: &Guest) -> String {
    const WAITS: u64 = 10;
    const SEQCOUNT: &str = "seqstress_raw_spinlock";
    let folder = folder();
    let module = Module::load_with(&["hold_ns=20000000"]);
    let script = module.script(&[&format!("odd raw_spinlock {WAITS}")]);
    let path = folder.join("spike.seqtrace");
    let path = path.to_str().expect("text");
    let words = ["record", "-o", path, "--budget", "off", "--last", "60s"];
    let on_wait = ["--on-wait", "10ms:save", "--", "sh", "-c", &script];
    let run = seqtrace::run(&[&words[..], &on_wait].concat()).succeeded();
    let truth = module.truth();
    let waits: u64 = readers(&truth)
        .filter(|(_, reader)| reader.wait == Wait::Spins)
        .map(|(_, reader)| reader.waits)
        .sum();
    let mut saved = Vec::new();
    let mut files = 0;
    for entry in fs::read_dir(&folder).expect("a folder") {
        saved.extend(durations(&entry.expect("a file").path(), SEQCOUNT));
        files += 1;
    }
    assert!(
        files > 0 && run.stderr.contains("saved `"),
        "{}",
        run.stderr
    );
    let long = saved.iter().filter(|wait| **wait >= 10_000_000).count() as u64;
    let told = format!(
        "{waits} waits, {} events in {files} files, {long} of them long",
        saved.len()
    );
    assert!(waits >= WAITS && long == waits, "{told}; {}", run.stderr);
    let quiet = folder.join("quiet.seqtrace");
    let quiet = quiet.to_str().expect("text");
    let words = [
        "record",
        "-o",
        quiet,
        "--last",
        "60s",
        "--on-wait",
        "100s:save",
        "-d",
        "1s",
    ];
    let run = seqtrace::run(&words).succeeded();
    assert!(run.stderr.contains("nothing was saved"), "{}", run.stderr);
    assert!(!Path::new(quiet).exists(), "nothing was asked for");
    told
}

/// The first wait that is long enough ends a `stat` too, and the numbers until then are told. That a spin is
/// over shows only when its reader spins again, which this one never does.
pub(crate) fn a_long_wait_ends_the_run(_: &Guest) -> String {
    let module = Module::load_with(&["hold_ns=20000000"]);
    let script = format!(
        "{} && exec sleep 1000",
        module.script(&["odd raw_spinlock 1"])
    );
    let snapshot = seqtrace::stat(&["--on-wait", "10ms:stop", "--", "sh", "-c", &script]);
    let ended = snapshot.ended.unwrap_or_default();
    assert!(
        ended.starts_with("by --on-wait") && ended.contains("seqstress_raw_spinlock"),
        "{ended}"
    );
    ended
}

/// What a recorder had written when it was killed can be read, and that it ends there is told.
pub(crate) fn a_recording_outlives_who_makes_it(_: &Guest) -> String {
    let folder = folder();
    let path = folder.join("killed.seqtrace");
    let text = path.to_str().expect("text");
    let _rename = Workload::start("rename");
    let words = [
        "record",
        "-o",
        text,
        "--budget",
        "off",
        "--threshold",
        "0ns",
        "-I",
        "200ms",
    ];
    let mut child = seqtrace::start(&mut seqtrace::command(&words));
    let snapshots = || {
        let file = File::open(&path).ok()?;
        let mut reader = Reader::open(BufReader::new(file)).ok()?;
        let mut snapshots = 0;
        while let Some(entry) = reader.next(false) {
            snapshots += u32::from(matches!(entry, Entry::Snapshot(_)));
        }
        Some(snapshots)
    };
    guest::wait_until("three intervals", Duration::from_mins(2), || {
        snapshots().is_some_and(|snapshots| snapshots >= 3)
    });
    child.kill().expect("it runs");
    child.wait().expect("it is ours");
    guest::wait_until("its probes to go", Duration::from_mins(1), || {
        guest::probes() == 0
    });
    let report = seqtrace::run(&["report", text]).succeeded();
    assert!(report.stderr.contains("is cut off"), "{}", report.stderr);
    assert!(report.stdout.contains("rename_lock"), "{}", report.stdout);
    let flame = folder.join("killed.svg");
    let drawn = Command::new("seqtrace")
        .args(["flame", text, "--by", "count", "-o"])
        .arg(&flame)
        .output()
        .expect("seqtrace starts");
    assert!(drawn.status.success(), "{drawn:?}");
    format!("{} snapshots were left", snapshots().unwrap_or(0))
}
