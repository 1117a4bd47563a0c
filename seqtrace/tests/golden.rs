//! Snapshots in `tests/data/snapshots` through every format, against `tests/data/exports`.
//!
//! After a wanted change: `SEQTRACE_BLESS=1 cargo test --test golden`, then read the diff.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use seqtrace::{
    aggregate::snapshot::Snapshot,
    export::{
        flamegraph, folded,
        folded::{Stacks, Weight},
        json, live, table,
    },
    plan::Kind,
};

#[path = "golden/card.rs"]
mod card;
#[path = "golden/foreign.rs"]
mod foreign;
#[path = "golden/published.rs"]
mod published;
#[path = "golden/schema.rs"]
mod schema;
#[path = "golden/sites.rs"]
mod sites;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

fn snapshot(name: &str) -> Snapshot {
    let path = data("snapshots").join(name).with_extension("json");
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    json::read(&bytes).unwrap_or_else(|error| panic!("{}: {error:#}", path.display()))
}

/// Compares with the committed file, or writes it when blessing. A missing file is a failure: a
/// test whose expectation was deleted must not pass.
fn golden(name: &str, actual: &str) {
    let path = data("exports").join(name);
    if env::var_os("SEQTRACE_BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, actual).expect("write the expected file");
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; if it is new: SEQTRACE_BLESS=1 cargo test --test golden",
            path.display()
        )
    });
    if let Some(difference) = first_difference(&expected, actual) {
        let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&written, actual).expect("write the actual output");
        panic!(
            "{} differs\n{difference}\nnew output: {}\nif it is wanted: \
             SEQTRACE_BLESS=1 cargo test --test golden",
            path.display(),
            written.display()
        );
    }
}

/// The first line that differs, `None` when the texts are equal.
fn first_difference(expected: &str, actual: &str) -> Option<String> {
    if expected == actual {
        return None;
    }
    let (mut expected, mut actual) = (expected.split('\n'), actual.split('\n'));
    for number in 1.. {
        let (old, new) = (expected.next(), actual.next());
        if old != new {
            let show =
                |line: Option<&str>| line.map_or("(end)".to_owned(), |line| format!("{line:?}"));
            return Some(format!(
                "line {number}:\n  expected {}\n  found    {}",
                show(old),
                show(new)
            ));
        }
    }
    None
}

#[test]
fn the_first_difference_is_the_one_that_is_told() {
    assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
    let told = first_difference("a\nb\nc\n", "a\nx\ny\n").expect("they differ");
    assert_eq!(told, "line 2:\n  expected \"b\"\n  found    \"x\"");
    let told = first_difference("a\n", "a").expect("they differ");
    assert_eq!(told, "line 2:\n  expected \"\"\n  found    (end)");
}

#[test]
fn the_snapshots_of_these_tests_add_up() {
    for name in ["realtime", "quiet", "losses", "retries"] {
        assert_eq!(snapshot(name).check(), [], "{name}");
    }
}

#[test]
fn closing_tables() {
    for (name, width) in [
        ("realtime", None),
        ("realtime", Some(80)),
        ("realtime", Some(160)),
        ("quiet", Some(80)),
        ("losses", Some(80)),
        ("retries", Some(80)),
        ("retries", Some(160)),
    ] {
        let text = table::closing(&snapshot(name), width);
        let suffix = width.map_or("wide".to_owned(), |width: usize| width.to_string());
        golden(&format!("{name}-{suffix}.txt"), &text);
        for line in text.lines().filter(|_| width.is_some()) {
            assert!(
                line.chars().count() <= width.unwrap_or(0),
                "too long: {line}"
            );
            assert_eq!(line, line.trim_end(), "ends with a space");
        }
    }
}

#[test]
fn a_closing_table_says_when_the_numbers_do_not_add_up() {
    let mut snapshot = snapshot("realtime");
    snapshot.coverage.probed += 1;
    let text = table::closing(&snapshot, None);
    assert!(
        text.contains("sums     do not add up, please report this: coverage: sites = probed"),
        "{text}"
    );
}

#[test]
fn live_screens() {
    let later = snapshot("realtime");
    let mut earlier = later.clone();
    earlier.elapsed_ns -= 1_000_000_000;
    for (row, back) in earlier.rows.iter_mut().zip([0, 40, 7, 0, 0, 0, 1]) {
        row.count -= back;
        row.total_ns -= (back * 1_000).min(row.total_ns);
    }
    let interval = later.since(&earlier);
    for (width, height) in [(80, 24), (160, 12)] {
        let text = live::screen(&later, &interval, Some(width), Some(height));
        assert!(text.lines().count() <= height, "{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= width, "too long: {line}");
        }
        golden(&format!("live-{width}x{height}.txt"), &text);
    }
}

#[test]
fn a_snapshot_is_written_as_it_was_read() {
    for name in ["realtime", "quiet", "losses", "retries"] {
        let written = json::document(&snapshot(name));
        let path = data("snapshots").join(name).with_extension("json");
        let read = fs::read_to_string(path).expect("read before");
        assert_eq!(first_difference(&read, &written), None, "{name}");
    }
}

#[test]
fn folded_stacks() {
    golden(
        "realtime.folded",
        &folded::document(&snapshot("realtime"), Weight::Time, Stacks::Readers),
    );
    golden(
        "realtime-events.folded",
        &folded::document(&snapshot("realtime"), Weight::Events, Stacks::Readers),
    );
    golden(
        "losses.folded",
        &folded::document(&snapshot("losses"), Weight::Time, Stacks::Readers),
    );
}

#[test]
fn folded_weights_add_up_to_the_table() {
    for name in ["realtime", "quiet", "losses", "retries"] {
        let mut snapshot = snapshot(name);
        // Some of the stacks could not be counted.
        snapshot.stacks.truncate(4);
        for (weight, expected) in [
            (
                Weight::Time,
                snapshot.rows.iter().map(|row| row.total_ns).sum::<u64>(),
            ),
            (
                Weight::Events,
                snapshot.rows.iter().map(|row| row.count).sum::<u64>(),
            ),
            (
                Weight::Retries,
                snapshot
                    .rows
                    .iter()
                    .filter(|row| matches!(row.kind, Kind::Retry | Kind::Check))
                    .map(|row| row.count)
                    .sum::<u64>(),
            ),
        ] {
            for stacks in [Stacks::Readers, Stacks::Writers, Stacks::Blamed] {
                let sum: u64 = folded::lines(&snapshot, weight, stacks)
                    .iter()
                    .map(|line| line.rsplit_once(' ').expect("a weight").1)
                    .map(|weight| weight.parse::<u64>().expect("a number"))
                    .sum();
                assert_eq!(sum, expected, "{name}, {weight:?}, {stacks:?}");
            }
        }
    }
}

#[test]
fn flamegraphs() {
    let draw = |weight| {
        let snapshot = snapshot("realtime");
        let svg = flamegraph::svg(&snapshot, weight, Stacks::Readers).expect("there is a stack");
        String::from_utf8(svg).expect("SVG is text")
    };
    golden("realtime.svg", &draw(Weight::Time));
    let events = draw(Weight::Events);
    assert!(events.contains("2453 waits and retries by seqcount readers in 10.0 s"));
    assert!(events.contains("task_struct.mems_allowed_seq [retry]"));
}

#[test]
fn an_empty_flamegraph_is_refused_with_the_reason() {
    let draw = |snapshot: &Snapshot| flamegraph::svg(snapshot, Weight::Time, Stacks::Readers);
    let error = draw(&snapshot("quiet")).expect_err("nothing to draw");
    assert_eq!(
        error.to_string(),
        "nothing to draw: no reader waited or retried on 189 probed sites in 10.0 s"
    );
    let mut retries = snapshot("realtime");
    retries.rows.retain(|row| row.kind == Kind::Retry);
    retries.stacks.clear();
    let error = draw(&retries).expect_err("retries have no duration");
    assert_eq!(
        error.to_string(),
        "nothing to draw: no reader waited on 189 probed sites in 10.0 s; 5 retries have no duration"
    );
}
