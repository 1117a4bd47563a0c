//! Words of the command line → which tasks the kernel side counts. Pure.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Context as _, Result, ensure};
use globset::Glob;
use regex_automata::{
    Anchored,
    dfa::{Automaton as _, StartKind, dense},
    nfa::thompson,
    util::{primitives::StateID, start, syntax},
};
use seqtrace_common::filter::{COMM_CLASSES, COMM_STATES, CommTable};

/// Which tasks are counted, and for how long they must have waited; what is empty does not choose.
#[derive(Clone, Debug, Default)]
pub struct TaskFilter {
    /// Process ids.
    pub pids: BTreeSet<u32>,
    /// Thread ids.
    pub tids: BTreeSet<u32>,
    /// CPUs.
    pub cpus: BTreeSet<u32>,
    /// Command names.
    pub comms: Option<Box<CommTable>>,
    /// The cgroup in which, or below which, a task has to be.
    pub cgroup: Option<Cgroup>,
    /// Blocks, spins and holds that lasted for less, in nanoseconds, are not counted.
    pub min_ns: u64,
}

/// A cgroup as the kernel side knows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cgroup {
    /// Its id.
    pub id: u64,
    /// How many cgroups lie above it.
    pub level: u32,
}

/// The size of the automaton while it is built, bytes; far more than any that fits the table.
const DFA_BYTES: usize = 16 << 20;

/// Patterns for command names as the table that the kernel side looks names up in; `None` where there are
/// none.
///
/// # Errors
///
/// When together they do not fit the table.
pub fn comm_table(globs: &[Glob]) -> Result<Option<Box<CommTable>>> {
    if globs.is_empty() {
        return Ok(None);
    }
    let patterns: Vec<&str> = globs.iter().map(Glob::regex).collect();
    let too_large =
        "the patterns of `--comm` are too many or too long for the kernel side: give fewer";
    let dfa = dense::Builder::new()
        .configure(
            dense::Config::new()
                .start_kind(StartKind::Anchored)
                .minimize(true)
                .determinize_size_limit(Some(DFA_BYTES))
                .dfa_size_limit(Some(DFA_BYTES)),
        )
        // As `globset` reads them: a name is bytes.
        .syntax(syntax::Config::new().utf8(false).dot_matches_new_line(true))
        .thompson(thompson::Config::new().utf8(false))
        .build_many(&patterns)
        .context(too_large)?;
    let begin = dfa
        .start_state(&start::Config::new().anchored(Anchored::Yes))
        .context("failed to compile the patterns of `--comm`")?;
    let table = table(&dfa, begin);
    ensure!(table.is_some(), too_large);
    Ok(table)
}

/// Numbers the states as they are reached and puts bytes that no state tells apart into one class; `None`
/// where there are too many.
fn table(dfa: &dense::DFA<Vec<u32>>, begin: StateID) -> Option<Box<CommTable>> {
    let mut numbers = HashMap::from([(begin, 0)]);
    let mut states = vec![begin];
    let mut rows: Vec<[u8; 256]> = Vec::new();
    while let Some(&state) = states.get(rows.len()) {
        let mut row = [0; 256];
        for byte in 0..=u8::MAX {
            let next = dfa.next_state(state, byte);
            let number = *numbers.entry(next).or_insert_with(|| {
                states.push(next);
                states.len() - 1
            });
            row[usize::from(byte)] = u8::try_from(number).ok()?;
        }
        rows.push(row);
    }
    if rows.len() > COMM_STATES {
        return None;
    }
    let mut table = Box::new(CommTable::NOTHING);
    let mut classes: HashMap<Vec<u8>, u8> = HashMap::new();
    for byte in 0..256 {
        let column: Vec<u8> = rows.iter().map(|row| row[byte]).collect();
        let new = u8::try_from(classes.len()).ok()?;
        let class = *classes.entry(column).or_insert(new);
        if usize::from(class) >= COMM_CLASSES {
            return None;
        }
        table.classes[byte] = class;
        for (state, row) in rows.iter().enumerate() {
            table.next[state * COMM_CLASSES + usize::from(class)] = row[byte];
        }
    }
    for (accepts, state) in table.accepts.iter_mut().zip(states) {
        *accepts = u8::from(dfa.is_match_state(dfa.next_eoi_state(state)));
    }
    Some(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(patterns: &[&str]) -> Result<Option<Box<CommTable>>> {
        let globs = patterns.iter().map(|glob| {
            let glob = globset::GlobBuilder::new(glob)
                .empty_alternates(true)
                .build();
            glob.expect("a pattern")
        });
        comm_table(&globs.collect::<Vec<_>>())
    }

    fn comm(name: &[u8]) -> [u8; 16] {
        let mut comm = [0; 16];
        comm[..name.len()].copy_from_slice(name);
        comm
    }

    #[test]
    fn the_table_takes_what_the_patterns_match() {
        let names: [&[u8]; 10] = [
            b"",
            b"make",
            b"makefile",
            b"cc1",
            b"cc1plus",
            b"a/b",
            b"kworker/0:1",
            b"[x]",
            b"\xff\xfe",
            b"a\nb",
        ];
        for patterns in [
            &["make"][..],
            &["*"],
            &["make*", "cc1"],
            &["{make,cc?}*"],
            &["k*/[0-3]:*"],
            &["[!a-z]*"],
            &["?"],
            &["a*b"],
            &["\\[x\\]"],
            &[""],
        ] {
            let table = compile(patterns).expect("small").expect("some");
            for name in names {
                use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};
                let matched = patterns.iter().any(|pattern| {
                    let glob = globset::GlobBuilder::new(pattern)
                        .empty_alternates(true)
                        .build();
                    let matcher = glob.expect("a pattern").compile_matcher();
                    matcher.is_match(OsStr::from_bytes(name))
                });
                assert_eq!(table.takes(&comm(name)), matched, "{patterns:?} {name:?}");
            }
        }
        assert!(compile(&[]).expect("nothing").is_none());
    }

    #[test]
    fn patterns_that_do_not_fit_are_refused() {
        let many: Vec<String> = (0..60).map(|n| format!("*{n:02}abcdefgh*{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let error = compile(&many).expect_err("too large");
        assert!(
            error.to_string().starts_with("the patterns of `--comm`"),
            "{error}"
        );
    }
}
