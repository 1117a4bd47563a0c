//! Finds the source of the standard library that belongs to the installed rustc, for
//! `-Z build-std=core`.
//!
//! The sysroot's own, else what `rustup component add rust-src` brings, else Debian's `rust-src`
//! package laid over the sysroot: a directory of links and a `rustc` wrapper that names it with
//! `--sysroot`. The source must *seem* to lie in the sysroot: cargo hashes its path relative to
//! that, and the hash reaches the symbol names. All three give the same object.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;

use super::{
    linker::link,
    progress,
    toolchain::{Toolchain, output, run},
};
use crate::debian::Repository;

/// Suites that may have the release, the likeliest first.
const SUITES: [&str; 4] = [
    "trixie-backports",
    "bookworm-backports",
    "testing",
    "unstable",
];

/// Where the source of the standard library is to come from.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum Origin {
    /// The first that works: the sysroot, rustup, Debian.
    #[default]
    Any,
    /// Debian's package, even if the sysroot has the source.
    Debian,
}

/// The source of the standard library as the compiler is to see it.
#[derive(Debug)]
pub(crate) struct Sources {
    /// The `library` directory below the sysroot.
    pub(crate) library: PathBuf,
    /// A rustc whose sysroot has the source; `None`: the installed one is right.
    pub(crate) rustc: Option<PathBuf>,
}

impl Sources {
    /// Finds the source, fetching it into the cache where the machine does not have it.
    pub(crate) fn find(cache: &Path, toolchain: &Toolchain, origin: Origin) -> Result<Self> {
        let library = Toolchain::library(&toolchain.sysroot);
        let installed = || library.join("Cargo.lock").exists();
        match origin {
            Origin::Any if installed() || (add_component() && installed()) => Ok(Self {
                library,
                rustc: None,
            }),
            Origin::Any | Origin::Debian => {
                let root = cache.join(format!("rust-src-{}", toolchain.release));
                overlay(&root, toolchain)
            }
        }
    }
}

/// Whether rustup could add the source. It cannot where there is no rustup or no network.
fn add_component() -> bool {
    progress("the sysroot has no rust-src, trying `rustup component add rust-src`");
    match output(Command::new("rustup").args(["component", "add", "rust-src"])) {
        Ok(_) => true,
        Err(error) => {
            progress(&format!("{error:#}"));
            false
        }
    }
}

/// Lays Debian's source over the sysroot, below `root`.
fn overlay(root: &Path, toolchain: &Toolchain) -> Result<Sources> {
    let Toolchain {
        sysroot,
        release,
        host,
        llvm: _,
    } = toolchain;
    let source = root.join(format!("deb/usr/src/rustc-{release}"));
    if !source.join("library/Cargo.lock").exists() {
        unpack_debian(release, &root.join("apt"), &root.join("deb"))?;
    }
    ensure!(
        source.join("library/Cargo.lock").exists(),
        "failed to find `library/Cargo.lock` in Debian's rust-src at `{}`",
        source.display()
    );
    let over = root.join("sysroot");
    let libraries = over.join("lib");
    let rustlib = libraries.join("rustlib");
    fs::create_dir_all(rustlib.join("src"))
        .with_context(|| format!("failed to make `{}`", rustlib.display()))?;
    link(&sysroot.join("lib/rustlib").join(host), &rustlib.join(host))?;
    link(&source, &rustlib.join("src/rust"))?;
    let from = sysroot.join("lib");
    for entry in
        fs::read_dir(&from).with_context(|| format!("failed to read `{}`", from.display()))?
    {
        let name = entry
            .with_context(|| format!("failed to read `{}`", from.display()))?
            .file_name();
        if name.to_string_lossy().starts_with("libLLVM") {
            link(&from.join(&name), &libraries.join(&name))?;
        }
    }
    let rustc = wrapper(root, &sysroot.join("bin/rustc"), &over)?;
    Ok(Sources {
        library: Toolchain::library(&over),
        rustc: Some(rustc),
    })
}

/// Unpacks Debian's source of exactly this release into `to`; apt's state is kept in `state`.
fn unpack_debian(release: &str, state: &Path, to: &Path) -> Result<()> {
    for suite in SUITES {
        let repository = match Repository::update(&state.join(suite), &[suite]) {
            Ok(repository) => repository,
            Err(error) => {
                // A suite that the mirror does not have is no reason to stop.
                progress(&format!("{error:#}"));
                continue;
            }
        };
        let Some(package) = repository.newest("rust-src", |version| is_of(version, release))?
        else {
            continue;
        };
        let folder = tempfile::tempdir_in(state).context("failed to make a folder")?;
        repository.download(&[package], folder.path())?;
        let file = fs::read_dir(folder.path())
            .context("failed to read the folder of the package")?
            .find_map(|entry| Some(entry.ok()?.path()))
            .context("apt downloaded no package")?;
        return run(Command::new("dpkg-deb").arg("--extract").arg(file).arg(to));
    }
    bail!(
        "failed to find `rust-src` {release} in Debian's {}, install it with \
         `rustup component add rust-src`",
        SUITES.join(", ")
    )
}

/// Whether a Debian version is of upstream's `release`: `1.95.0+dfsg1-2~bpo13+1` of `1.95.0`.
fn is_of(version: &str, release: &str) -> bool {
    version.split(['+', '-']).next() == Some(release)
}

/// Writes a `rustc` that has another sysroot.
fn wrapper(root: &Path, rustc: &Path, sysroot: &Path) -> Result<PathBuf> {
    let path = root.join("rustc");
    let text = format!(
        "#!/bin/sh\nexec '{}' --sysroot '{}' \"$@\"\n",
        rustc.display(),
        sysroot.display()
    );
    if fs::read_to_string(&path).is_ok_and(|now| now == text) {
        return Ok(path);
    }
    fs::write(&path, text)
        .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))
        .with_context(|| format!("failed to write `{}`", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_release_matches() {
        assert!(is_of("1.95.0+dfsg1-2~bpo13+1", "1.95.0"));
        assert!(!is_of("1.95.1+dfsg1-1", "1.95.0"));
        assert!(!is_of("1.95.0+dfsg1-2", "1.95"));
    }
}
