//! `cargo xtask lint`: everything about the sources that can be checked without running them.

use std::{env, process::Command};

use anyhow::Result;

use crate::{cache, object, progress, tally::Tally, tool};

/// A tool from crates.io, pinned.
struct CrateTool {
    package: &'static str,
    program: &'static str,
    version: &'static str,
}

const DENY: CrateTool = CrateTool {
    package: "cargo-deny",
    program: "cargo-deny",
    version: "0.20.2",
};
const TYPOS: CrateTool = CrateTool {
    package: "typos-cli",
    program: "typos",
    version: "1.52.0",
};

/// Checks format, lints, spelling, licences and sources of dependencies.
///
/// # Errors
///
/// When a tool cannot be installed; what a tool finds is in the tally.
pub(crate) fn lint() -> Result<Tally> {
    let mut tally = Tally::default();
    let mut add = |name: &str, run: &mut dyn FnMut() -> Result<()>| {
        progress::step("Checking", name);
        let passed = run();
        if let Err(error) = &passed {
            progress::failure(error);
        }
        tally.add(Tally::of(passed.is_ok()));
    };
    // The workspace's own run sees the programs of the kernel side as an empty crate.
    add("lints of the eBPF programs", &mut object::clippy);
    let mut check = |name: &str, command: &mut Command| {
        add(name, &mut || {
            tool::run(command.current_dir(tool::workspace()))
        });
    };
    check("format", cargo().args(["fmt", "--all", "--check"]));
    let clippy = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ];
    check("lints", cargo().args(clippy));
    // It is no test of cargo's, which leaves it out of all targets.
    let live = [
        "clippy",
        "--package",
        "seqtrace",
        "--test",
        "live",
        "--locked",
        "--",
        "-D",
        "warnings",
    ];
    check("lints of the live tests", cargo().args(live));
    check("spelling", &mut Command::new(install(&TYPOS)?));
    // Advisories need the advisory database, which is not on crates.io.
    let deny = ["--locked", "check", "bans", "licenses", "sources"];
    check("dependencies", Command::new(install(&DENY)?).args(deny));
    Ok(tally)
}

fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The path of a tool in the cache, built first if it is not there.
fn install(tool: &CrateTool) -> Result<std::path::PathBuf> {
    let CrateTool {
        package,
        program,
        version,
    } = tool;
    let root = cache::directory()?
        .join("tools")
        .join(format!("{package}-{version}"));
    let path = root.join("bin").join(program);
    if !path.is_file() {
        progress::step("Installing", format_args!("{package} {version}"));
        tool::run(
            cargo()
                .args([
                    "install",
                    "--quiet",
                    "--locked",
                    // It runs once for each time that it is installed, where nothing is kept:
                    // optimising it takes minutes longer than it saves.
                    "--debug",
                    package,
                    "--version",
                    version,
                    "--root",
                ])
                .arg(&root),
        )?;
    }
    Ok(path)
}
