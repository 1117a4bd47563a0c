//! What the binary makes of recordings, whole and not.

use std::{fs, path::PathBuf};

use seqtrace::{
    aggregate::snapshot::Snapshot,
    export::json,
    recording::{FORMAT, Header, Writer},
};
use tempfile::TempDir;

use super::{assert_one_line, seqtrace, text};

/// The snapshot of a run on PREEMPT_RT.
fn realtime() -> Snapshot {
    json::read(include_bytes!("../data/snapshots/realtime.json")).expect("the golden tests read it")
}

/// The bytes of a recording that ends with `snapshot`.
fn bytes_of(snapshot: &Snapshot) -> Vec<u8> {
    let header = Header {
        format: FORMAT,
        part: 1,
        ..Header::default()
    };
    let mut writer = Writer::begin(Vec::new(), &header).expect("memory takes it");
    let mut earlier = snapshot.clone();
    for elapsed_ns in [1_000_000_000, 2_000_000_000] {
        earlier.elapsed_ns = elapsed_ns;
        writer.snapshot(&earlier, false).expect("memory takes it");
    }
    writer.snapshot(snapshot, true).expect("memory takes it");
    writer.finish().expect("memory takes it")
}

/// A recording of a busy machine.
fn busy() -> (TempDir, String) {
    file(&bytes_of(&realtime()))
}

/// A recording of a machine that lost half as much.
fn calm() -> (TempDir, String) {
    let mut snapshot = realtime();
    snapshot.elapsed_ns *= 2;
    file(&bytes_of(&snapshot))
}

/// A file with these bytes, in a folder that goes with it.
fn file(bytes: &[u8]) -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path: PathBuf = folder.path().join("a.seqtrace");
    fs::write(&path, bytes).expect("written");
    let path = path.to_str().expect("text").to_owned();
    (folder, path)
}

/// Status 0 and what is on standard output; standard error is empty.
fn succeeded(words: &[&str]) -> String {
    let output = seqtrace(words);
    assert!(output.status.success(), "{words:?}: {output:?}");
    assert_eq!(text(&output.stderr), "", "{words:?}");
    text(&output.stdout)
}

#[test]
fn a_recording_of_another_machine_is_reported() {
    let (_folder, file) = busy();
    let table = succeeded(&["report", &file]);
    assert!(table.starts_with("seqtrace 6.12."), "{table}");
    for part in ["(PREEMPT_RT)", "rename_lock", "losses ", "TOP OWNER/TID"] {
        assert!(table.contains(part), "no `{part}`: {table}");
    }
    let json = succeeded(&["report", "--json", &file]);
    let snapshot = json::read(json.as_bytes()).expect("a snapshot");
    assert_eq!(snapshot.check(), []);
    assert!(snapshot.rows.len() > 3, "{json}");
    for by in ["seqcount", "site", "task", "stack"] {
        let table = succeeded(&["report", "--by", by, &file]);
        assert!(table.lines().count() > 3, "{table}");
        let csv = succeeded(&["report", "--by", by, "--csv", "--sort", "total", &file]);
        let mut lines = csv.lines();
        let columns = lines.next().expect("a head").split(',').count();
        assert!(
            lines.all(|line| line.split(',').count() == columns),
            "{csv}"
        );
    }
    let table = succeeded(&["report", "--by", "cgroup", &file]);
    assert!(table.contains("[not known]"), "it is of format 1: {table}");
    assert_one_line(
        &["report", "--by", "task", "--sort", "colour", &file],
        "there is no column `colour`: sort by task, pid, total, count, blamed, blamed_waits, cgroup",
    );
}

#[test]
fn a_flamegraph_of_a_recording_has_the_total_of_its_report() {
    let (_folder, file) = busy();
    let json = succeeded(&["report", "--json", &file]);
    let snapshot = json::read(json.as_bytes()).expect("a snapshot");
    let total: u64 = snapshot.rows.iter().map(|row| row.total_ns).sum();
    for side in ["--reader", "--writer", "--blame"] {
        let folded = succeeded(&["flame", &file, side, "-f", "folded", "-o", "-"]);
        let weights = folded
            .lines()
            .map(|line| line.rsplit(' ').next().expect("a weight"));
        let sum: u64 = weights
            .map(|weight| weight.parse::<u64>().expect("a number"))
            .sum();
        assert_eq!(sum, total, "{side}");
        let svg = succeeded(&["flame", &file, side, "-o", "-"]);
        assert!(svg.contains("rename_lock [block]"), "{side}");
    }
}

#[test]
fn a_recording_is_replayed_table_by_table() {
    let (_folder, file) = busy();
    let tables = succeeded(&["top", "--replay", &file]);
    assert!(tables.matches("seqtrace 6.12.").count() == 3, "{tables}");
    assert!(tables.contains("LOST/S"), "{tables}");
}

#[test]
fn what_got_worse_stands_first() {
    let ((_calm, calm), (folder, busy)) = (calm(), busy());
    let table = succeeded(&["diff", &calm, &busy]);
    assert!(table.contains("MORE LOST/S"), "{table}");
    let first = table.lines().find(|line| line.contains(" block "));
    let words: Vec<&str> = first.expect("a block").split_whitespace().collect();
    let worst = ["thread_group_cputime+0x153", "block", "+2.03", "ms"];
    assert_eq!(words[1..5], worst, "{table}");
    let same = succeeded(&["diff", &busy, &busy]);
    assert!(!same.contains(" -0") && !same.contains("  +1"), "{same}");
    let svg = folder.path().join("d.svg");
    succeeded(&["diff", &calm, &busy, "-o", svg.to_str().expect("text")]);
    let svg = fs::read_to_string(svg).expect("drawn");
    assert!(svg.contains("Change of 6.12."), "{svg}");
}

#[test]
fn what_cannot_be_read_is_told_in_one_line() {
    for (bytes, why) in [
        (&b""[..], "it is empty: nothing was recorded"),
        (
            b"\x7fELF",
            "it is no recording: `seqtrace record` writes them",
        ),
    ] {
        let (_folder, path) = file(bytes);
        let expected = format!("cannot read `{path}`: {why}");
        for command in ["report", "diff", "flame", "top"] {
            let words: &[&str] = match command {
                "diff" => &["diff", &path, &path],
                "flame" => &["flame", &path, "-o", "-"],
                "top" => &["top", "--replay", &path],
                _ => &["report", &path],
            };
            assert_one_line(words, &expected);
        }
    }
    assert_one_line(
        &["report", "/no/such/file"],
        "failed to open `/no/such/file`: No such file or directory (os error 2)",
    );
}

#[test]
fn a_recording_that_is_cut_off_is_shown_up_to_there_and_that_is_said() {
    let whole = bytes_of(&realtime());
    let (_folder, path) = file(&whole[..whole.len() - 20]);
    let output = seqtrace(&["report", &path]);
    assert!(output.status.success(), "{output:?}");
    assert!(
        text(&output.stdout).starts_with("seqtrace 6.12."),
        "{output:?}"
    );
    assert!(
        !text(&output.stdout).contains("do not add up"),
        "{output:?}"
    );
    assert_eq!(
        text(&output.stderr),
        format!("seqtrace: warn: `{path}` is cut off: what was recorded up to there is shown\n")
    );
}

#[test]
fn a_recording_is_exported_by_the_name_of_the_file() {
    let (folder, recording) = busy();
    for (name, start) in [
        ("a.pb.gz", &[0x1f, 0x8b][..]),
        ("a.speedscope.json", b"{\"$schema\":"),
        ("a.pftrace", &[0x0a]),
        ("a.json", b"{"),
        ("a.csv", b"seqcount,site,"),
        ("a.folded", b"containerd-shim;"),
        ("a.svg", b"<?xml"),
    ] {
        let path = folder.path().join(name);
        succeeded(&["export", &recording, "-o", path.to_str().expect("text")]);
        let bytes = fs::read(path).expect("written");
        assert!(
            bytes.starts_with(start),
            "{name}: {:?}",
            &bytes[..20.min(bytes.len())]
        );
    }
    assert_one_line(
        &["export", &recording, "-o", "a.doc"],
        "the name `a.doc` tells no format: give one with --format",
    );
}

/// Seven seconds of `workload cputime rename mount` in a guest with Debian's 6.12 for PREEMPT_RT:
/// `seqtrace record -o realtime.seqtrace -d 6s -- sh -c 'exec workload cputime rename mount'`.
const RECORDED: &[u8] = include_bytes!("../data/recordings/6.12-rt.seqtrace");

#[test]
fn what_was_recorded_on_a_realtime_kernel_is_read_here() {
    let (folder, path) = file(RECORDED);
    let table = succeeded(&["report", &path]);
    let head = "seqtrace 6.12.118+deb13-rt-amd64 (PREEMPT_RT), watched for 7.03 s on 211 sites\n";
    assert!(table.starts_with(head), "{table}");
    for part in ["mounter/384 99%", "WRITER WAS", "losses   none"] {
        assert!(table.contains(part), "no `{part}`: {table}");
    }
    assert!(!table.contains("do not add up"), "{table}");
    let replayed = succeeded(&["top", "--replay", &path]);
    assert_eq!(replayed.matches("LOST/S").count(), 5, "{replayed}");
    let json = succeeded(&["report", "--json", &path]);
    let snapshot = json::read(json.as_bytes()).expect("a snapshot");
    let total: u64 = snapshot.rows.iter().map(|row| row.total_ns).sum();
    for side in ["--reader", "--writer", "--blame"] {
        let graph = succeeded(&["flame", &path, side, "-f", "folded", "-o", "-"]);
        let weights = graph.lines().filter_map(|line| line.rsplit(' ').next());
        let sum: u64 = weights
            .filter_map(|weight| weight.parse::<u64>().ok())
            .sum();
        assert_eq!(sum, total, "{side}: {graph}");
    }
    let drawn = folder.path().join("a.pftrace");
    succeeded(&["export", &path, "-o", drawn.to_str().expect("text")]);
    let drawn = String::from_utf8_lossy(&fs::read(drawn).expect("written")).into_owned();
    for part in [
        "CPU 1",
        "mounter/384",
        "mount_lock [block]",
        "cwd-reader waits for mount_lock",
    ] {
        assert!(drawn.contains(part), "no `{part}`");
    }
}

#[test]
fn every_cut_of_what_was_recorded_is_told_and_shown_as_far_as_it_goes() {
    let mut shown = 0;
    for length in (0..RECORDED.len()).step_by(RECORDED.len() / 20) {
        let (_folder, path) = file(&RECORDED[..length]);
        let output = seqtrace(&["report", &path]);
        assert_eq!(
            text(&output.stderr).lines().count(),
            1,
            "{length}: {output:?}"
        );
        shown += usize::from(output.status.success());
    }
    assert!(shown > 10, "{shown}");
}

#[test]
fn a_recording_is_filtered_and_what_is_left_out_is_told() {
    let (_folder, file) = busy();
    let table = succeeded(&["report", "-l", "rename_lock", &file]);
    assert!(
        table.contains("filters  only --seqcount rename_lock\n"),
        "{table}"
    );
    assert!(table.contains(" that were counted left out, "), "{table}");
    let listed = succeeded(&["report", "--kind", "block", "--by", "site", &file]);
    assert!(listed.contains("filters  only --kind block\n"), "{listed}");
    assert!(!listed.contains("fallback"), "{listed}");
    let count = |words: &[&str]| {
        let words = [&["report", "--json"], words, &[file.as_str()]].concat();
        let snapshot = json::read(succeeded(&words).as_bytes()).expect("a snapshot");
        assert_eq!(snapshot.check(), []);
        let filters = snapshot.filters.unwrap_or_default();
        let left_out = filters.left_out.unwrap_or_default().events;
        let rows = snapshot.rows.iter();
        (rows.map(|row| row.count).sum::<u64>(), left_out)
    };
    let (all, nothing) = count(&[]);
    assert_eq!(nothing, 0);
    for words in [
        &["-l", "rename_lock"][..],
        &["--site", "getrusage"],
        &["--kind", "block,spin"],
        &["--comm", "cwd-*"],
        &["-S", "getrusage"],
        &["--comm", "nobody"],
    ] {
        let (left, left_out) = count(words);
        assert_eq!(left + left_out, all, "{words:?}");
        assert!(left_out > 0, "{words:?}");
    }
}

#[test]
fn formats_without_room_tell_their_filters_on_stderr() {
    let (folder, file) = busy();
    let out = folder.path().join("a.csv");
    let out = out.to_str().expect("text");
    let output = seqtrace(&["export", &file, "-o", out, "-l", "rename_lock"]);
    assert!(output.status.success(), "{output:?}");
    let told = "seqtrace: warn: only --seqcount rename_lock\n";
    assert_eq!(text(&output.stderr), told);
    let csv = fs::read_to_string(out).expect("it is written");
    assert!(
        csv.contains("rename_lock") && !csv.contains("mount_lock"),
        "{csv}"
    );
}
