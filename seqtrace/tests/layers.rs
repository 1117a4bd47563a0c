//! Keeps the arrows in `docs/architecture.md` true: a module may use only the modules listed for it
//! below, and only their owners may use some packages.
//!
//! Reads text, not syntax: comments and string contents are taken out first, and paths through
//! `super` are followed. A rename of an import escapes it.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

#[path = "layers/source.rs"]
mod source;

use source::{Source, strip};

/// Each module of the crate with the modules it may use, in the order the data flows.
const ALLOWED: &[(&str, &[&str])] = &[
    ("cli", &[]),
    ("config", &["cli"]),
    ("discover", &[]),
    ("kernel", &["discover"]),
    ("plan", &["config", "discover", "kernel"]),
    ("governor", &["plan"]),
    ("attach", &["discover", "kernel", "plan", "governor"]),
    ("collect", &["attach"]),
    (
        "aggregate",
        &["discover", "plan", "governor", "attach", "collect"],
    ),
    ("recording", &["plan", "aggregate"]),
    ("audit", &[]),
    ("explain", &[]),
    (
        "export",
        &[
            "discover",
            "plan",
            "aggregate",
            "recording",
            "audit",
            "explain",
        ],
    ),
    ("tui", &["discover", "plan", "aggregate", "export"]),
    (
        "command",
        &[
            "cli",
            "config",
            "discover",
            "kernel",
            "plan",
            "governor",
            "attach",
            "collect",
            "aggregate",
            "recording",
            "audit",
            "explain",
            "export",
            "tui",
        ],
    ),
];

/// Packages that only some modules may name.
const OWNED: &[(&str, &[&str])] = &[
    ("clap", &["cli", "config", "main"]),
    ("iced_x86", &["discover"]),
    ("addr2line", &["discover"]),
    ("gimli", &["discover"]),
    ("memmap2", &["kernel"]),
    ("object", &["discover", "kernel", "attach"]),
    ("aya", &["kernel", "attach", "collect"]),
    ("nix", &["kernel", "attach", "collect", "command"]),
    ("tokio", &["collect", "command"]),
    ("zstd", &["recording"]),
    ("aho_corasick", &["explain"]),
    ("memchr", &["explain", "recording"]),
    ("inferno", &["export"]),
    ("prost", &["export"]),
    ("comfy_table", &["export"]),
    ("ratatui", &["tui", "command"]),
    ("indicatif", &["command"]),
];

/// Modules of the standard library that only some modules may name, and why.
const STD: &[(&str, &[&str], &str)] = &[
    (
        "fs",
        &["kernel", "attach", "collect", "command"],
        "a pure module reads no files",
    ),
    (
        "process",
        &["kernel", "command", "main"],
        "a pure module starts nothing",
    ),
    (
        "env",
        &["kernel", "command", "main"],
        "a pure module sees no environment",
    ),
];

/// What only some modules may call, and why.
const CALLS: &[(&str, &[&str], &str)] = &[
    ("println!", &["command", "main"], "only commands print"),
    ("print!", &["command", "main"], "only commands print"),
    (
        "SystemTime",
        &["kernel", "command"],
        "a pure module has no clock",
    ),
    (
        "Instant",
        &["kernel", "attach", "collect", "command"],
        "a pure module has no clock",
    ),
];

/// Folders that the strings of some modules only may lead into, and why.
const STRINGS: &[(&str, &[&str], &str)] = &[
    ("/proc", &["kernel"], "only `kernel` reads /proc"),
    ("/sys", &["kernel"], "only `kernel` reads /sys"),
];

/// What `file`, at `path` below `src`, does against the rules.
fn violations(path: &str, text: &str) -> BTreeSet<String> {
    let source = Source::new(path, text);
    let module = source.module();
    let mut wrong = BTreeSet::new();
    if module == "lib" {
        return order_violations(&source.code);
    }
    let allowed = if module == "main" {
        None
    } else if let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == module) {
        Some(*allowed)
    } else {
        wrong.insert(format!("{path}: `{module}` is not listed in ALLOWED"));
        return wrong;
    };
    for used in source.modules_used() {
        let is_module = ALLOWED.iter().any(|(name, _)| *name == used);
        if let Some(allowed) = allowed
            && used != module
            && !allowed.contains(&used.as_str())
        {
            let what = if is_module {
                "may not use"
            } else {
                "uses the unknown"
            };
            wrong.insert(format!("{path}: {what} crate::{used}"));
        }
    }
    for (package, owners) in OWNED {
        if source.names_package(package) && !owners.contains(&module) {
            wrong.insert(format!("{path}: may not use {package}"));
        }
    }
    let std_used = source.std_used();
    for (name, owners, why) in STD {
        if std_used.contains(*name) && !owners.contains(&module) {
            wrong.insert(format!("{path}: `std::{name}`: {why}"));
        }
    }
    for (call, owners, why) in CALLS {
        if source.code.contains(call) && !owners.contains(&module) {
            wrong.insert(format!("{path}: `{call}`: {why}"));
        }
    }
    for (start, owners, why) in STRINGS {
        let found = source
            .strings
            .iter()
            .filter_map(|string| string.strip_prefix(start))
            .any(|rest| rest.is_empty() || rest.starts_with('/'));
        if found && !owners.contains(&module) {
            wrong.insert(format!("{path}: \"{start}\": {why}"));
        }
    }
    wrong
}

/// What the `pub mod` lines of lib.rs do against the order of `ALLOWED`.
fn order_violations(code: &str) -> BTreeSet<String> {
    let declared: Vec<&str> = code
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    let listed: Vec<&str> = ALLOWED.iter().map(|(name, _)| *name).collect();
    if declared == listed {
        BTreeSet::new()
    } else {
        [format!(
            "lib.rs: the modules are {declared:?}, in the order of the flow they are {listed:?}"
        )]
        .into()
    }
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("read src") {
        let path = entry.expect("read src").path();
        if path.is_dir() {
            // Folders of tests may compile fixtures and read files.
            if path.file_name().is_none_or(|name| name != "tests") {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn modules_use_only_what_lies_before_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut wrong = BTreeSet::new();
    let mut modules = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("read source");
        let path = file.strip_prefix(&src).expect("below src");
        let path = path.to_str().expect("names are ASCII");
        modules.insert(Source::new(path, &text).module().to_owned());
        wrong.extend(violations(path, &text));
    }
    for (name, _) in ALLOWED {
        assert!(
            modules.contains(*name),
            "`{name}` is listed but does not exist"
        );
    }
    assert!(wrong.is_empty(), "layer rules broken:\n{wrong:#?}");
}

#[test]
fn allowed_modules_lie_before_their_users() {
    for (at, (name, allowed)) in ALLOWED.iter().enumerate() {
        for used in *allowed {
            let before = ALLOWED[..at].iter().any(|(earlier, _)| earlier == used);
            assert!(
                before,
                "`{name}` may use `{used}`, which does not lie before it"
            );
        }
    }
}

#[test]
fn each_kind_of_violation_is_reported() {
    for (path, text, expected) in [
        (
            "export/json.rs",
            "use crate::collect::batch::Batch;",
            "may not use crate::collect",
        ),
        (
            "export/json.rs",
            "use crate::{\n    aggregate::{rows, coverage},\n    kernel,\n};",
            "may not use crate::kernel",
        ),
        (
            "discover/mod.rs",
            "fn f() { crate::plan::plan() }",
            "may not use crate::plan",
        ),
        (
            "plan/mod.rs",
            "use super::attach::Session;",
            "may not use crate::attach",
        ),
        (
            "plan/hazard.rs",
            "use super::super::attach::Session;",
            "may not use crate::attach",
        ),
        (
            "plan/hazard.rs",
            "use super::super::{attach, kernel};",
            "may not use crate::attach",
        ),
        (
            "discover/btf/decode.rs",
            "use super::super::super::kernel;",
            "may not use crate::kernel",
        ),
        (
            "plan/mod.rs",
            "mod inner { use super::super::attach; }",
            "may not use crate::attach",
        ),
        ("export/mod.rs", "use aya::Ebpf;", "may not use aya"),
        (
            "export/mod.rs",
            "use {anyhow::Result, aya::Ebpf};",
            "may not use aya",
        ),
        (
            "collect/mod.rs",
            "fn f() { ::inferno::flamegraph(); }",
            "may not use inferno",
        ),
        ("aggregate/mod.rs", "use tokio;", "may not use tokio"),
        (
            "attach/mod.rs",
            "fs::read(\"/proc/kallsyms\")",
            "only `kernel` reads /proc",
        ),
        (
            "attach/mod.rs",
            "let p = r#\"/sys/kernel\"#;",
            "only `kernel` reads /sys",
        ),
        (
            "plan/mod.rs",
            "println!(\"{plan:?}\");",
            "only commands print",
        ),
        (
            "aggregate/mod.rs",
            "use std::fs;",
            "a pure module reads no files",
        ),
        (
            "aggregate/mod.rs",
            "use std::{fmt, fs};",
            "a pure module reads no files",
        ),
        ("serve/mod.rs", "", "`serve` is not listed in ALLOWED"),
        (
            "plan/mod.rs",
            "use crate::scan::Scan;",
            "uses the unknown crate::scan",
        ),
        (
            "lib.rs",
            "pub mod plan;\npub mod cli;",
            "the modules are [\"plan\", \"cli\"]",
        ),
    ] {
        let found = violations(path, text);
        assert!(
            found.iter().any(|violation| violation.contains(expected)),
            "{path}: {text:?}: expected {expected:?}, found {found:?}"
        );
    }
}

#[test]
fn what_is_allowed_is_not_reported() {
    for (path, text) in [
        (
            "plan/hazard.rs",
            "use crate::{discover::catalog::Site, plan::Skip};",
        ),
        (
            "plan/hazard.rs",
            "use super::Skip; use super::super::kernel::hazards;",
        ),
        (
            "plan/hazard.rs",
            "mod tests { use super::super::tests::site; use super::*; }",
        ),
        (
            "export/json.rs",
            "//! As crate::collect does.\n/* crate::attach, aya::Ebpf */",
        ),
        (
            "export/json.rs",
            "let text = \"use crate::collect, aya::Ebpf or println!\";",
        ),
        ("export/json.rs", "let text = \"as in /proc/kallsyms\";"),
        (
            "export/mod.rs",
            "use my_aya::Ebpf; let xtokio = 1; let quote = '\"'; crate_aya::f();",
        ),
        ("main.rs", "use seqtrace::{cli, command};"),
    ] {
        assert_eq!(violations(path, text), BTreeSet::new(), "{path}: {text:?}");
    }
}

#[test]
fn comments_and_strings_are_told_from_code() {
    let (code, strings) = strip("a /* b /* c */ d */ \"e\\\"f\" r#\"g\"h\"# '\"' 'x' // i\nj<'k>");
    assert_eq!(
        code.split_whitespace().collect::<Vec<_>>(),
        ["a", "\"\"", "\"\"", "''", "''", "j<'k>"]
    );
    assert_eq!(strings, ["e\\\"f", "g\"h"]);
}
