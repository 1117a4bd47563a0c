//! The running kernel's release and build id → its images from the files that it was installed
//! from, where its text in memory cannot be read.
//!
//! Offsets in a catalog count from the start of an image, so that it makes no difference that the
//! kernel runs elsewhere (KASLR) than it was linked for. What the kernel patches in its text when
//! it starts is as it was before.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::{
    debuginfo::{at, ensure_build},
    offline::{self, Base, Opened},
};

/// Where a release's kernel is, below the root.
const KERNELS: [&str; 5] = [
    "boot/vmlinuz-{}",
    "lib/modules/{}/vmlinuz",
    "usr/lib/modules/{}/vmlinuz",
    "boot/vmlinux-{}",
    "usr/lib/debug/boot/vmlinux-{}",
];
/// Where a release's modules are.
const MODULES: &str = "lib/modules/{}/kernel";

/// The kernel of a release from its boot image below `root`.
///
/// # Errors
///
/// When there is none, it cannot be read, or it is of another build; the last one is told where
/// several were tried.
pub fn vmlinux(root: &Path, release: &str, build_id: &str) -> Result<Opened> {
    let mut last = None;
    let places = KERNELS.map(|place| at(root, place, release));
    for path in places.iter().filter(|path| path.exists()) {
        match checked(path, None, build_id) {
            Ok(opened) => return Ok(opened),
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(error) => Err(error),
        None => bail!(
            "there is no file of the kernel {release}, as `{}`: install the package of the \
             running kernel",
            places[0].display()
        ),
    }
}

/// A module of a release from its file below `root`; `base` is from [`vmlinux`].
///
/// # Errors
///
/// When there is none, it cannot be read, or it is of another build.
pub fn module(
    root: &Path,
    release: &str,
    name: &str,
    build_id: &str,
    base: Option<&Base>,
) -> Result<Opened> {
    let directory = at(root, MODULES, release);
    let files: Vec<PathBuf> = offline::list(&directory)?;
    let path = files.iter().find(|path| offline::name_of(path) == name);
    let path =
        path.with_context(|| format!("there is no module `{name}` in `{}`", directory.display()))?;
    checked(path, base, build_id)
}

fn checked(path: &Path, base: Option<&Base>, build_id: &str) -> Result<Opened> {
    let opened = offline::open(path, base)?;
    ensure_build(path, &opened.image.build_id, build_id)?;
    Ok(opened)
}
