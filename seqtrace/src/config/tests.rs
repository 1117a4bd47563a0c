//! What is refused before anything starts, and how words are resolved.

use clap::Parser as _;

use super::*;
use crate::cli::FlameFormat;

fn config(words: &[&str]) -> Result<Config> {
    Config::new(Cli::parse_from([&["seqtrace"], words].concat()))
}

#[test]
fn the_format_follows_the_name_unless_it_is_given() {
    for (words, expected) in [
        (&["flame", "-o", "a.svg"][..], FlameFormat::Svg),
        (&["flame", "-o", "a.folded"], FlameFormat::Folded),
        (&["flame", "-o", "-"], FlameFormat::Svg),
        (
            &["flame", "-o", "a.svg", "-f", "folded"],
            FlameFormat::Folded,
        ),
    ] {
        let Task::Flame(flame) = config(words).expect("valid").task else {
            panic!("not flame: {words:?}");
        };
        assert_eq!(flame.format, expected, "{words:?}");
    }
}

#[test]
fn an_output_that_cannot_be_written_is_refused_at_once() {
    let error = config(&["flame", "-o", "/no/such/place/a.svg"]).expect_err("no directory");
    assert_eq!(
        error.to_string(),
        "cannot write `/no/such/place/a.svg`: the directory `/no/such/place` does not exist"
    );
    let error = config(&["flame", "-o", "/"]).expect_err("a directory");
    assert_eq!(error.to_string(), "`/` is a directory");
}

#[test]
fn a_kill_file_that_can_never_exist_is_refused_at_once() {
    let error = config(&["stat", "--kill-file", "/no/such/place/stop"]).expect_err("no directory");
    assert_eq!(
        error.to_string(),
        "cannot wait for `/no/such/place/stop`: the directory `/no/such/place` does not exist"
    );
}
