//! A build id and a release → the files with debug information of that kernel, where
//! distributions and builders put them.
//!
//! A file counts only when its build id is the one that is looked for: a wrong one would name
//! wrong addresses.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::{file, offline};

/// Where the files of a vmlinux with debug information are, by release, below the root.
const VMLINUX: [&str; 5] = [
    "usr/lib/debug/boot/vmlinux-{}",
    "usr/lib/debug/lib/modules/{}/vmlinux",
    "lib/modules/{}/build/vmlinux",
    "lib/modules/{}/vmlinux",
    "boot/vmlinux-{}",
];
/// Where modules with debug information are.
const MODULES: [&str; 2] = [
    "usr/lib/debug/lib/modules/{}",
    "usr/lib/debug/usr/lib/modules/{}",
];
/// The tree by build id: two digits, then the rest.
const BUILD_IDS: &str = "usr/lib/debug/.build-id";

/// The vmlinux with debug information that has this build id; `None` when there is none below
/// `root`.
pub fn vmlinux(root: &Path, release: &str, build_id: &str) -> Option<PathBuf> {
    let by_release = VMLINUX.map(|place| at(root, place, release));
    by_id(root, build_id)
        .into_iter()
        .chain(by_release)
        .find(|path| has_id(path, build_id))
}

/// The debug file of a module; `None` when there is none below `root`.
pub fn module(root: &Path, release: &str, name: &str, build_id: &str) -> Option<PathBuf> {
    let by_release = MODULES.iter().flat_map(|place| {
        let files = offline::list(&at(root, place, release)).unwrap_or_default();
        files
            .into_iter()
            .filter(|path| offline::name_of(path) == name)
    });
    by_id(root, build_id)
        .into_iter()
        .chain(by_release)
        .find(|path| has_id(path, build_id))
}

/// Refuses a file of another build. Where one of the two has no build id, nothing can be told.
///
/// # Errors
///
/// As said, with both ids.
pub fn ensure_build(path: &Path, found: &str, wanted: &str) -> Result<()> {
    if found != wanted && !found.is_empty() && !wanted.is_empty() {
        bail!(
            "`{}` is of another build: it has build id {found}, wanted is {wanted}",
            path.display()
        );
    }
    Ok(())
}

fn has_id(path: &Path, build_id: &str) -> bool {
    file::build_id(path).is_ok_and(|found| found == build_id && !found.is_empty())
}

pub(super) fn at(root: &Path, place: &str, release: &str) -> PathBuf {
    root.join(place.replace("{}", release))
}

fn by_id(root: &Path, build_id: &str) -> Option<PathBuf> {
    let (directory, rest) = build_id.split_at_checked(2)?;
    let is_id = build_id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| {
        root.join(BUILD_IDS)
            .join(directory)
            .join(format!("{rest}.debug"))
    })
}
