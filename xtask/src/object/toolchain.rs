//! What the installed rustc says of itself, and running its neighbours.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

/// The rustc in use.
#[derive(Debug)]
pub(crate) struct Toolchain {
    /// `rustc --print sysroot`.
    pub(crate) sysroot: PathBuf,
    /// `1.95.0`.
    pub(crate) release: String,
    /// `x86_64-unknown-linux-gnu`.
    pub(crate) host: String,
    /// Major version of its LLVM.
    pub(crate) llvm: u32,
}

impl Toolchain {
    /// Asks the rustc that cargo would use.
    pub(crate) fn installed() -> Result<Self> {
        let rustc = || Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        let sysroot = output(rustc().args(["--print", "sysroot"]))?.into();
        Self::parse(sysroot, &output(rustc().arg("-vV"))?)
    }

    fn parse(sysroot: PathBuf, verbose: &str) -> Result<Self> {
        let field = |name: &str| {
            verbose
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                .with_context(|| format!("failed to find `{name}` in the output of `rustc -vV`"))
        };
        let llvm = field("LLVM version")?;
        let llvm = llvm.split('.').next().and_then(|major| major.parse().ok());
        Ok(Self {
            sysroot,
            release: field("release")?.to_owned(),
            host: field("host")?.to_owned(),
            llvm: llvm.context("failed to parse the LLVM version of `rustc -vV`")?,
        })
    }

    /// The sysroot's own copy of the standard library's source, whether or not it exists.
    pub(crate) fn library(sysroot: &Path) -> PathBuf {
        sysroot.join("lib/rustlib/src/rust/library")
    }
}

/// Runs a command and returns its output without the white space around it.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let line = line(command);
    let done = command
        .output()
        .with_context(|| format!("failed to run `{line}`"))?;
    let errors = String::from_utf8_lossy(&done.stderr);
    ensure!(
        done.status.success(),
        "`{line}` failed, {}: {}",
        done.status,
        errors.trim()
    );
    let text = String::from_utf8(done.stdout)
        .with_context(|| format!("failed to read the output of `{line}`"))?;
    Ok(text.trim().to_owned())
}

/// Runs a command whose output the user is to see, on stderr.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = line(command);
    command.stdin(Stdio::null()).stdout(std::io::stderr());
    let status = command
        .status()
        .with_context(|| format!("failed to run `{line}`"))?;
    ensure!(status.success(), "`{line}` failed, {status}");
    Ok(())
}

/// The command as one would type it, its environment left out.
fn line(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_report_is_understood() {
        let report = "rustc 1.95.0 (59807616e 2026-04-14)\nhost: x86_64-unknown-linux-gnu\n\
                      release: 1.95.0\nLLVM version: 22.1.2";
        let toolchain = Toolchain::parse("/s".into(), report).unwrap();
        assert_eq!(toolchain.release, "1.95.0");
        assert_eq!(toolchain.host, "x86_64-unknown-linux-gnu");
        assert_eq!(toolchain.llvm, 22);
    }

    #[test]
    fn a_report_without_llvm_is_refused_by_name() {
        let error = Toolchain::parse("/s".into(), "release: 1.95.0\nhost: x").unwrap_err();
        assert!(error.to_string().contains("`LLVM version`"), "{error}");
    }
}
