//! The tools that people would use instead: Debian's own packages, unpacked into a tree that the guest changes its
//! root to. Nothing is installed on the host.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{
    debian::Repository,
    progress, tool,
    vm::{Cache, Flavour},
};

/// The tools, as packages.
const PACKAGES: [&str; 2] = ["bpftrace", "linux-perf"];

/// Folders that the guest mounts something on.
const MOUNT_POINTS: [&str; 6] = ["proc", "sys", "dev", "tmp", "run", "share"];

/// The tree with the tools of the kernel's own release of Debian, fetched if it is not in `share` yet.
///
/// # Errors
///
/// When the packages cannot be fetched or unpacked.
pub(crate) fn tree(share: &Path, kernel: Flavour) -> Result<PathBuf> {
    let tree = share.join("peers");
    if tree.exists() {
        return Ok(tree);
    }
    let cache = Cache::open()?;
    let suites = kernel.suites();
    let repository = Repository::update(&cache.path("apt").join(suites[0]), suites)?;
    let packages = repository.closure(&PACKAGES)?;
    let staging = tempfile::tempdir_in(share).context("failed to create a folder to unpack in")?;
    let debs = staging.path().join("debs");
    let root = staging.path().join("root");
    for folder in [&debs, &root] {
        fs::create_dir(folder)
            .with_context(|| format!("failed to create `{}`", folder.display()))?;
    }
    repository.download(&packages, &debs)?;
    // Debian keeps programs and libraries below /usr only.
    for name in ["bin", "sbin", "lib", "lib64"] {
        fs::create_dir_all(root.join("usr").join(name))
            .and_then(|()| std::os::unix::fs::symlink(Path::new("usr").join(name), root.join(name)))
            .with_context(|| format!("failed to link `{name}`"))?;
    }
    progress::step("Unpacking", format_args!("{} packages", packages.len()));
    for entry in fs::read_dir(&debs).context("failed to list the packages")? {
        tool::run(
            Command::new("dpkg-deb")
                .arg("--extract")
                .arg(entry?.path())
                .arg(&root),
        )?;
    }
    for name in MOUNT_POINTS {
        fs::create_dir_all(root.join(name))
            .with_context(|| format!("failed to create `{name}`"))?;
    }
    fs::rename(&root, &tree).with_context(|| format!("failed to create `{}`", tree.display()))?;
    Ok(tree)
}
