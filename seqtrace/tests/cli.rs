//! The second ring: the real binary where nothing can be traced: usage, exit statuses, messages.

use std::process::{Command, Output};

use clap::Parser as _;
use seqtrace::cli::Cli;

#[path = "cli/recordings.rs"]
mod recordings;

fn seqtrace(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_seqtrace"))
        .args(words)
        .output()
        .expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// Status 1 and one line on standard error.
fn assert_one_line(words: &[&str], expected: &str) {
    let output = seqtrace(words);
    assert_eq!(output.status.code(), Some(1), "{words:?}");
    assert_eq!(text(&output.stdout), "", "{words:?}");
    assert_eq!(
        text(&output.stderr),
        format!("seqtrace: {expected}\n"),
        "{words:?}"
    );
}

#[test]
fn every_command_has_help() {
    for words in [
        &["--help"][..],
        &["top", "--help"],
        &["stat", "--help"],
        &["flame", "--help"],
        &["record", "--help"],
        &["report", "--help"],
        &["diff", "--help"],
        &["export", "--help"],
        &["sites", "--help"],
        &["explain", "--help"],
        &["order", "--help"],
        &["doctor", "--help"],
    ] {
        let output = seqtrace(words);
        assert!(output.status.success(), "{words:?}");
        assert!(
            text(&output.stdout).contains("Usage: seqtrace"),
            "{words:?}"
        );
    }
}

#[test]
fn usage_errors_have_status_2_and_say_what_is_wrong() {
    for (words, part) in [
        (&["stat", "--duration", "0s"][..], "longer than zero"),
        (&["stat", "--duration", "10"], "10s"),
        (&["flame"], "--output"),
        (&["record"], "--output"),
        (&["record", "-o", "a", "--rotate-size", "0"], "64K"),
        (
            &["report", "a", "--json", "--by", "site"],
            "cannot be used with",
        ),
        (
            &["flame", "a", "-o", "b", "-d", "1s"],
            "cannot be used with",
        ),
        (
            &["flame", "a", "-o", "b", "--writer", "--blame"],
            "cannot be used with",
        ),
        (&["top", "--replay", "a", "-d", "1s"], "cannot be used with"),
        (&["nonsense"], "nonsense"),
        (&["stat", "-C", "3-1"], "the smaller number goes first"),
        (&["stat", "-C", "one"], "0-2,5"),
        (&["stat", "--kind", "reader"], "fallback"),
        (&["stat", "-r", "3"], "COMMAND"),
        (&["stat", "-r", "0", "--", "true"], "1..=10000"),
        (&["stat", "-l", "a["], "unclosed character class"),
        (&["stat", "--min-ns", "5"], "with a unit"),
        (&["report", "a", "--cpu", "0"], "unexpected argument"),
        (&["stat", "--quiet", "--verbose"], "cannot be used with"),
        (&["order", "--locks", "a"], "<SEQCOUNT>..."),
        (&["order", "a["], "unclosed character class"),
        (&["sites", "--json", "--long"], "cannot be used with"),
        (&["sites", "--seqcount", "a["], "unclosed character class"),
        (&["sites", "--role", "reader"], "block, spin, retry"),
        (&["sites", "--modules", "."], "--image"),
        (
            &["sites", "--disassemble", "a", "--json"],
            "cannot be used with",
        ),
    ] {
        let output = seqtrace(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        let told = text(&output.stderr);
        assert!(told.contains(part), "{words:?}: no `{part}` in: {told}");
    }
}

#[test]
fn a_command_that_does_not_exist_is_told_before_anything_else() {
    assert_one_line(
        &["stat", "--", "no-such-command"],
        "there is no command `no-such-command` in PATH: check its name, or give its path",
    );
}

#[test]
fn a_site_that_is_none_is_told_before_anything_else() {
    assert_one_line(
        &["sites", "--disassemble", "d_lookup+here"],
        "`here` in `d_lookup+here` is no hexadecimal distance",
    );
    assert_one_line(
        &["sites", "--catalog", "/no/such/place/a.jsonl"],
        "cannot write `/no/such/place/a.jsonl`: the directory `/no/such/place` does not exist",
    );
}

#[test]
fn an_output_that_cannot_be_written_is_told_before_anything_else() {
    assert_one_line(
        &["flame", "-o", "/no/such/place/a.svg"],
        "cannot write `/no/such/place/a.svg`: the directory `/no/such/place` does not exist",
    );
}

#[test]
fn doctor_fails_exactly_when_it_finds_something_missing() {
    let output = seqtrace(&["doctor"]);
    let missing = text(&output.stdout).contains("MISSING");
    assert_eq!(
        output.status.success(),
        !missing,
        "{}",
        text(&output.stdout)
    );
    for line in text(&output.stdout)
        .lines()
        .filter(|line| line.starts_with("MISSING"))
    {
        assert!(text(&output.stdout).contains("fix: "), "{line}");
    }
}

#[test]
fn what_doctor_misses_stops_a_run_with_one_line() {
    let doctor = seqtrace(&["doctor"]);
    let output = seqtrace(&["stat", "--duration", "1ms"]);
    if doctor.status.success() {
        assert!(output.status.success(), "{}", text(&output.stderr));
    } else {
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            text(&output.stderr).lines().count(),
            1,
            "{}",
            text(&output.stderr)
        );
    }
}

/// The command lines of seqtrace in the code blocks of a document.
fn examples(document: &str) -> Vec<Vec<String>> {
    let blocks = document.split("```").skip(1).step_by(2);
    blocks
        .flat_map(str::lines)
        .filter_map(|line| {
            let line = line.trim_start().trim_start_matches("$ ");
            let line = line.trim_start_matches("sudo ");
            let rest = line.strip_prefix("seqtrace")?;
            if !rest.is_empty() && !rest.starts_with(' ') {
                return None;
            }
            let words = rest.split('#').next()?.split_whitespace();
            Some(words.map(str::to_owned).collect())
        })
        .filter(|words: &Vec<String>| words.first().is_none_or(|word| !word.contains('.')))
        .collect()
}

#[test]
fn the_examples_in_the_documents_are_command_lines_of_this_version() {
    let readme = examples(include_str!("../../README.md"));
    let sites = examples(include_str!("../../docs/sites.md"));
    let guide = examples(include_str!("../../docs/guide.md"));
    assert!(
        readme.len() >= 7 && sites.len() >= 8 && guide.len() >= 2,
        "{readme:?} {sites:?} {guide:?}"
    );
    for words in readme.into_iter().chain(sites).chain(guide) {
        let words = std::iter::once("seqtrace".to_owned()).chain(words);
        let words: Vec<String> = words.collect();
        if let Err(error) = Cli::try_parse_from(&words) {
            panic!("{words:?}: {error}");
        }
    }
}
