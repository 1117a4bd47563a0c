//! Static programs for guests: cargo with static linking, in a target folder of its own.

use std::{env, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::tool;

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Static linking is a flag of the whole build, hence a target folder of its own.
fn target_folder() -> PathBuf {
    tool::workspace().join("target/guest")
}

/// `cargo build` for static release programs; the caller adds what to build.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let flags = format!("target.{TARGET}.rustflags=['-C', 'target-feature=+crt-static']");
    // With `--target` the flags leave proc-macros alone, which cannot be static.
    cargo
        .current_dir(tool::workspace())
        .args(["build", "--locked", "--release", "--target", TARGET])
        .args(["--config", &flags])
        // The guest's memory holds the programs: function names, but no line tables.
        .args(["--config", "profile.release.strip='debuginfo'"])
        .arg("--target-dir")
        .arg(target_folder());
    cargo
}

/// Where programs built by [`cargo`] lie.
pub(crate) fn programs() -> PathBuf {
    target_folder().join(TARGET).join("release")
}

/// Builds the integration test `name` by `cargo`, which is told what to build, and returns the path of its
/// program.
///
/// # Errors
///
/// When it does not build.
pub(crate) fn test(mut cargo: Command, name: &str) -> Result<PathBuf> {
    let messages = tool::text(cargo.args(["--message-format", "json-render-diagnostics"]))?;
    executable(&messages, name).with_context(|| format!("cargo built no test `{name}`"))
}

/// The program of the test `name` in cargo's messages, a JSON document a line.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_among_cargos_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"seqtrace"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"live"},"executable":"/t/live-1"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(executable(messages, "live"), Some("/t/live-1".into()));
        assert_eq!(executable(messages, "golden"), None);
    }
}
