//! Programs of the host that the tasks use: runs them, and gets missing ones from apt.
//! Without root and apt it installs nothing and says what to install.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{cache, progress};

/// The path of `program`, installing the Debian package that holds it if need be.
pub(crate) fn ensure_program(program: &str, package: &str) -> Result<PathBuf> {
    if let Some(path) = find(program) {
        return Ok(path);
    }
    if !nix::unistd::geteuid().is_root() || find("apt-get").is_none() {
        bail!("failed to find `{program}`: install it (Debian's package is `{package}`)");
    }
    let _alone = alone()?;
    if let Some(path) = find(program) {
        return Ok(path);
    }
    progress::step("Installing", package);
    let mut install = Command::new("apt-get");
    install
        .args(["install", "--yes", "--no-install-recommends", package])
        .env("DEBIAN_FRONTEND", "noninteractive");
    if run(&mut install).is_err() {
        // A fresh container has no package lists yet.
        run(Command::new("apt-get").arg("update"))?;
        run(&mut install)?;
    }
    find(program).with_context(|| format!("`{package}` was installed but has no `{program}`"))
}

/// Waits until no other task installs something, and keeps others waiting until the file is dropped: two guests that
/// start at once need the same programs, and apt refuses to be run twice.
fn alone() -> Result<File> {
    let folder = cache::directory()?;
    fs::create_dir_all(&folder)
        .with_context(|| format!("failed to create `{}`", folder.display()))?;
    let path = folder.join("installing.lock");
    let file =
        File::create(&path).with_context(|| format!("failed to create `{}`", path.display()))?;
    file.lock()
        .with_context(|| format!("failed to lock `{}`", path.display()))?;
    Ok(file)
}

/// Looks for a program where root's commands may lie too, whatever `PATH` says.
fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// The standard output of our own program, built as it is.
pub(crate) fn seqtrace(words: &[&str]) -> Result<Vec<u8>> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["run", "--quiet", "--locked", "--package", "seqtrace", "--"])
        .args(words)
        .current_dir(workspace());
    output(&mut cargo)
}

/// Runs a command to success; its standard output goes to our standard error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .with_context(|| format!("failed to run {command:?}"))?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}

/// Runs a command to success and returns its standard output.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("failed to run {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?} failed: {}",
        output.status
    );
    Ok(output.stdout)
}

/// As [`output`], for text.
pub(crate) fn text(command: &mut Command) -> Result<String> {
    String::from_utf8(output(command)?).with_context(|| format!("{command:?} wrote no UTF-8"))
}

/// The workspace's root folder.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the xtask is a member of a workspace")
}
