//! Installs bpf-linker linked with rustc's own libLLVM, so that the two never differ in bitcode and
//! no LLVM package is needed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{self, Command},
};

use anyhow::{Context as _, Result};

use super::{
    progress,
    toolchain::{Toolchain, run},
};

/// The pinned version: another one may build another object.
const VERSION: &str = "0.13.0";

/// Returns the directory that holds the `bpf-linker` binary, after installing it where it is not
/// in the cache yet (one to two minutes).
pub(crate) fn install(cache: &Path, toolchain: &Toolchain) -> Result<PathBuf> {
    let Toolchain {
        sysroot,
        release,
        llvm,
        ..
    } = toolchain;
    let root = cache.join(format!("bpf-linker-{VERSION}-rustc-{release}"));
    link_llvm(&sysroot.join("lib"), &root.join("lib"))?;
    let binary = root.join("bin/bpf-linker");
    if !binary.exists() {
        progress(&format!(
            "installing bpf-linker {VERSION} into `{}`",
            root.display()
        ));
        run(Command::new("cargo")
            .args(["install", "bpf-linker", "--version", VERSION, "--locked"])
            .args([
                "--no-default-features",
                "--features",
                &format!("llvm-{llvm}"),
                "--root",
            ])
            .arg(&root)
            .env("LLVM_PREFIX", &root)
            .env_remove("CARGO_TARGET_DIR"))?;
    }
    Ok(root.join("bin"))
}

/// Makes a directory in which both `-lLLVM` and the library's soname are found. It must stay: the
/// binary's RUNPATH names it.
fn link_llvm(from: &Path, to: &Path) -> Result<()> {
    let entries =
        fs::read_dir(from).with_context(|| format!("failed to read `{}`", from.display()))?;
    let library = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .find(|name| name.starts_with("libLLVM.so."))
        .with_context(|| format!("failed to find `libLLVM.so.*` in `{}`", from.display()))?;
    fs::create_dir_all(to).with_context(|| format!("failed to make `{}`", to.display()))?;
    for name in ["libLLVM.so", &library] {
        link(&from.join(&library), &to.join(name))?;
    }
    Ok(())
}

/// Makes or replaces a symbolic link, without a moment in which it does not exist.
pub(crate) fn link(target: &Path, at: &Path) -> Result<()> {
    if fs::read_link(at).is_ok_and(|now| now == target) {
        return Ok(());
    }
    let mut new = at.as_os_str().to_owned();
    new.push(format!(".{}", process::id()));
    std::os::unix::fs::symlink(target, &new)
        .and_then(|()| fs::rename(&new, at))
        .with_context(|| format!("failed to link `{}`", at.display()))
}
