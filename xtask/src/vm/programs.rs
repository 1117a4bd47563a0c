//! The programs of the guest: ours, built static, and busybox from the machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{progress, static_build, tool};

/// What is built along.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum With {
    /// Nothing.
    Nothing,
    /// The live tests, and what the score measures.
    Tests,
}

/// Where the static programs lie.
#[derive(Debug)]
pub(crate) struct Programs {
    folder: PathBuf,
    /// A static busybox.
    pub(crate) busybox: PathBuf,
}

impl Programs {
    /// Builds our programs, as far as cargo finds them out of date, and finds busybox.
    pub(crate) fn build(with: With) -> Result<Self> {
        progress::step("Building", "the guest's programs, static");
        tool::run(&mut Self::command(with))?;
        Ok(Self {
            folder: static_build::programs(),
            busybox: busybox()?,
        })
    }

    /// What builds our programs. `with` what tests need where they are run too: what all use has other
    /// features then, and would be built once for each.
    pub(crate) fn command(with: With) -> Command {
        let mut cargo = static_build::cargo();
        cargo
            .args(["--package", "seqtrace", "--package", "xtask"])
            .args([
                "--bin",
                "seqtrace",
                "--bin",
                "guest-init",
                "--bin",
                "workload",
                "--bin",
                "bench-guest",
            ]);
        if with == With::Tests {
            cargo.args(["--test", "live"]);
            for example in ["cost", "million", "pace"] {
                cargo.args(["--example", example]);
            }
        }
        cargo
    }

    /// One of our programs.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The names under which busybox does something.
    pub(crate) fn applets(&self) -> Result<Vec<String>> {
        let text = tool::text(Command::new(&self.busybox).arg("--list"))?;
        Ok(text.lines().map(str::to_owned).collect())
    }
}

fn busybox() -> Result<PathBuf> {
    let path = tool::ensure_program("busybox", "busybox-static")?;
    let bytes = read(&path)?;
    ensure!(
        !names_an_interpreter(&bytes),
        "`{}` is not static: install Debian's `busybox-static`",
        path.display()
    );
    Ok(path)
}

/// Reads a program.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("failed to read `{}`", path.display()))
}

/// A dynamic program begins with the path of its loader (x86-64: ld-linux-x86-64.so.2).
fn names_an_interpreter(program: &[u8]) -> bool {
    let head = &program[..program.len().min(4096)];
    head.windows(8)
        .any(|window| window == b"ld-linux" || window == b"/ld-musl")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_dynamic_test_program_names_its_interpreter() {
        let program = read(&std::env::current_exe().unwrap()).unwrap();
        assert!(names_an_interpreter(&program));
        assert!(!names_an_interpreter(b"\x7fELF and nothing else"));
    }
}
