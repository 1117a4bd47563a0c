//! Logs in `tests/data/explain`, each with what is to be said about it in `tests/data/explain/golden`.
//!
//! After a wanted change: `SEQTRACE_BLESS=1 cargo test --test explain`, then read the diff as somebody
//! who has to sign it.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use clap::Parser as _;
use seqtrace::{
    cli::Cli,
    explain::{self, Explained, Explanation, verdict::Judgement},
    export,
};

#[path = "explain/image.rs"]
mod image;
#[path = "explain/mangle.rs"]
mod mangle;

const SEED: &str = "merged-class-ppc64";

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/explain")
}

/// The logs by name.
fn logs() -> Vec<(String, String)> {
    let folder = fs::read_dir(data()).expect("the folder is there");
    let paths = folder.map(|entry| entry.expect("read it").path());
    let mut logs: Vec<(String, String)> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .map(|path| {
            let name = path
                .file_stem()
                .and_then(|name| name.to_str())
                .expect("a name");
            (name.to_owned(), fs::read_to_string(&path).expect("text"))
        })
        .collect();
    logs.sort();
    logs
}

fn log(name: &str) -> String {
    fs::read_to_string(data().join(name).with_extension("txt")).expect("it is there")
}

fn explained(log: &str) -> Explained {
    explain::explain(&mut log.as_bytes(), None).expect("memory can be read")
}

fn is_blessing() -> bool {
    env::var_os("SEQTRACE_BLESS").is_some_and(|value| value == "1")
}

/// Compares with the committed file, or writes it when blessing. A missing file is a failure.
fn golden(name: &str, actual: &str) {
    let path = data().join("golden").join(name);
    if is_blessing() {
        fs::write(&path, actual).expect("write the expected file");
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; if it is new: SEQTRACE_BLESS=1",
            path.display()
        )
    });
    let pairs = expected.lines().zip(actual.lines());
    let differing = pairs.enumerate().find(|(_, (old, new))| old != new);
    assert!(
        expected == actual,
        "{} differs, first at {differing:?} (line from 0, expected, found)",
        path.display()
    );
}

#[test]
fn every_log_is_explained_as_was_signed() {
    let mut names = BTreeSet::new();
    for (name, text) in logs() {
        let explained = explained(&text);
        assert!(!explained.reports.is_empty(), "{name} has no report");
        golden(
            &format!("{name}.txt"),
            &export::explain::text(&explained, None),
        );
        names.insert(format!("{name}.txt"));
    }
    let folder = fs::read_dir(data().join("golden")).expect("the folder is there");
    for entry in folder {
        let name = entry
            .expect("read it")
            .file_name()
            .into_string()
            .expect("a name");
        let is_text = Path::new(&name)
            .extension()
            .is_some_and(|extension| extension == "txt");
        assert!(!is_text || names.contains(&name), "{name} is of no log");
    }
}

#[test]
fn the_circle_is_written_in_every_format() {
    let explained = explained(&log(SEED));
    golden(
        "merged-class-ppc64.json",
        &export::explain::document(&explained),
    );
    golden(
        "merged-class-ppc64.dot",
        &export::explain::dot(&explained).expect("a circle"),
    );
    golden(
        "merged-class-ppc64.svg",
        &export::explain::svg(&explained).expect("a circle"),
    );
}

/// The seed as logs have it: cut, quoted, prefixed, wrapped, encoded. What is left of it says the same,
/// or that it is not enough.
#[test]
fn the_seed_has_one_verdict_however_it_was_mangled() {
    let seed = log(SEED);
    let (mut same, mut incomplete, mut none) = (0, 0, 0);
    let mut wrong = Vec::new();
    for number in 0..1000 {
        let mangled = mangle::mangle(&seed, number);
        let explained = explained(&mangled.text);
        let reports = explained.reports.iter();
        let judgements: Vec<Judgement> = reports.map(|one| one.verdict.judgement).collect();
        let is_right = match judgements.as_slice() {
            [Judgement::FalsePositive] => {
                same += 1;
                let edges = format!("{:?}", explained.reports[0].edges);
                edges.contains("signal_struct.stats_lock")
                    && edges.contains("task_struct.mems_allowed_seq")
            }
            [] => {
                none += 1;
                mangled.is_cut
            }
            several => {
                incomplete += 1;
                let is_incomplete = |judgement| judgement == &Judgement::Incomplete;
                mangled.is_cut && several.iter().all(is_incomplete)
            }
        };
        if !is_right {
            let file = format!("{}/mangled-{number}.txt", env!("CARGO_TARGET_TMPDIR"));
            fs::write(&file, &mangled.text).expect("write the log");
            wrong.push(format!("{judgements:?}: {}; {file}", mangled.how));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!(same + incomplete + none, 1000);
    assert!(
        same >= 500 && incomplete >= 100,
        "{same} the same, {incomplete} incomplete, {none} none"
    );
    assert!(
        none <= 50,
        "{none} without a report: only a backtrace is left of them"
    );
}

#[test]
fn the_logs_are_of_many_kinds_and_machines_and_only_two_are_false() {
    let logs = logs();
    let (mut kinds, mut machines, mut wrong) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (name, text) in &logs {
        for Explanation {
            report, verdict, ..
        } in explained(text).reports
        {
            kinds.insert(report.kind);
            machines.extend(report.architecture);
            if verdict.judgement == Judgement::FalsePositive {
                wrong.insert(name.as_str());
            }
        }
    }
    assert!(logs.len() >= 40, "{}", logs.len());
    assert!(kinds.len() >= 12, "{kinds:?}");
    assert!(machines.len() >= 5, "{machines:?}");
    let expected = BTreeSet::from(["merged-class-ppc64", "merged-class-x86-64"]);
    assert_eq!(wrong, expected);
}

#[test]
fn every_log_says_the_same_when_it_went_by_mail() {
    let headlines = |text: &str| -> Vec<String> {
        let reports = explained(text).reports.into_iter();
        reports.map(|one| one.verdict.headline()).collect()
    };
    for (name, text) in logs() {
        assert_eq!(
            headlines(&mangle::mailed(&text)),
            headlines(&text),
            "{name}"
        );
    }
}

/// What is to be done next must be possible with this command line.
#[test]
fn every_command_that_is_told_is_one_of_ours() {
    let mut told = BTreeSet::new();
    for (_, text) in logs() {
        for explanation in explained(&text).reports {
            let verdict = explanation.verdict;
            for words in verdict.next.iter().chain(&verdict.test) {
                let quoted = words.split('`').skip(1).step_by(2);
                told.extend(
                    quoted
                        .filter(|words| words.contains("seqtrace "))
                        .map(str::to_owned),
                );
            }
        }
    }
    assert!(told.len() >= 5, "{told:?}");
    for command in &told {
        let words = command.strip_prefix("sudo ").unwrap_or(command);
        let words = words.split_whitespace().map(|word| word.trim_matches('\''));
        let parsed = Cli::try_parse_from(words);
        assert!(parsed.is_ok(), "{command}: {parsed:?}");
    }
}

#[test]
fn nothing_in_a_log_of_anything_else_is_a_report() {
    let log = "usb 1-1: new device\nINFO: this is fine\nWARNING: CPU: 1 PID: 2 at fs/inode.c:3 f+0x1/0x2\n";
    assert!(explained(log).reports.is_empty());
}

fn run(words: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_seqtrace"))
        .arg("explain")
        .args(words)
        .output()
        .expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn the_command_prints_what_the_library_says() {
    let path = data().join(SEED).with_extension("txt");
    let path = path.to_str().expect("a path");
    let (status, out, err) = run(&[path]);
    assert_eq!((status, err.as_str()), (Some(0), ""));
    assert_eq!(out, export::explain::text(&explained(&log(SEED)), None));
    let (status, out, _) = run(&[path, "--json"]);
    assert_eq!(status, Some(0));
    assert!(out.contains("\"rule\": \"merged_class\""), "{out}");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("circle.svg");
    let (status, out, _) = run(&[path, "--svg", file.to_str().expect("a path")]);
    assert_eq!((status, out.as_str()), (Some(0), ""));
    assert!(
        fs::read_to_string(file)
            .expect("it was written")
            .starts_with("<svg")
    );
}

#[test]
fn what_cannot_be_explained_is_told_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("empty.log");
    fs::write(&file, "nothing\nhere\n").expect("write");
    let (status, out, err) = run(&[file.to_str().expect("a path")]);
    assert_eq!((status, out.as_str()), (Some(1), ""));
    assert_eq!(
        err,
        "seqtrace: no report of lockdep, lockup, stall or hung task in 2 lines: give the log of the kernel \
         (`dmesg`, `journalctl -k`), from the first line of the report on\n"
    );
    let (status, _, err) = run(&["/no/such/log"]);
    assert_eq!(status, Some(1));
    assert!(
        err.starts_with("seqtrace: failed to open `/no/such/log`: "),
        "{err}"
    );
    assert_eq!(err.lines().count(), 1);
    let (status, ..) = run(&["--json", "--dot", "-"]);
    assert_eq!(status, Some(2));
}
