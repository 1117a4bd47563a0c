//! A kernel to boot: from the cache, from Debian's packages, or from files the user names.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use super::{cache::Cache, flavour::Flavour};
use crate::{debian::Repository, progress, tool};

/// A kernel image and its modules.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Kernel {
    /// Where it comes from, for people.
    pub(crate) label: String,
    /// The bzImage.
    pub(crate) image: PathBuf,
    /// What `/lib/modules/RELEASE` holds, with a `modules.dep`.
    pub(crate) modules: PathBuf,
}

impl Kernel {
    /// The kernel of a name: as it lies in the cache, or after fetching the newest one.
    pub(crate) fn named(cache: &Cache, flavour: Flavour, update: bool) -> Result<Self> {
        let _lock = cache.lock()?;
        if update || cache.resolved(flavour.name()).is_none() {
            fetch(cache, flavour)?;
        }
        let folder = cache
            .resolved(flavour.name())
            .with_context(|| format!("failed to find `{}` in the cache", flavour.name()))?;
        Ok(Self {
            label: folder
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            image: folder.join("vmlinuz"),
            modules: folder.join("modules"),
        })
    }

    /// A kernel of the user's own.
    pub(crate) fn from_files(image: PathBuf, modules: PathBuf) -> Result<Self> {
        for file in [&image, &modules.join("modules.dep")] {
            ensure!(file.is_file(), "failed to find `{}`", file.display());
        }
        Ok(Self {
            label: image.display().to_string(),
            image,
            modules,
        })
    }
}

/// Resolves a name to its newest package and unpacks that if it is not in the cache yet.
fn fetch(cache: &Cache, flavour: Flavour) -> Result<()> {
    let name = flavour.name();
    let depmod = tool::ensure_program("depmod", "kmod")?;
    let suites = flavour.suites();
    let repository = Repository::update(&cache.path("apt").join(suites[0]), suites)?;
    let packages = repository.newest_kernel(flavour.package(), flavour.version_prefix())?;
    let release = packages
        .iter()
        .find_map(|package| package.name.strip_prefix("linux-image-"))
        .with_context(|| format!("no `linux-image-` package for `{name}`"))?;
    let folder = cache.path("kernels").join(release);
    if !folder.exists() {
        let staging = tempfile::tempdir_in(cache.path("kernels"))
            .context("failed to create a folder in the cache")?;
        repository.download(&packages, staging.path())?;
        progress::step("Unpacking", release);
        unpack(staging.path(), release, &depmod)?;
        // Only a whole kernel gets its final name.
        fs::rename(staging.path().join("kernel"), &folder)
            .with_context(|| format!("failed to create `{}`", folder.display()))?;
    }
    cache.resolve(name, release)
}

/// Unpacks the packages in `staging` and arranges the kernel's parts in `staging/kernel`.
fn unpack(staging: &Path, release: &str, depmod: &Path) -> Result<()> {
    let tree = staging.join("tree");
    for entry in fs::read_dir(staging).context("failed to list the downloaded packages")? {
        let package = entry?.path();
        if package
            .extension()
            .is_some_and(|extension| extension == "deb")
        {
            tool::run(
                Command::new("dpkg-deb")
                    .arg("--extract")
                    .arg(&package)
                    .arg(&tree),
            )?;
        }
    }
    // From trixie on the modules are below /usr; depmod wants them where /lib leads.
    if !tree.join("lib").exists() {
        std::os::unix::fs::symlink("usr/lib", tree.join("lib")).context("failed to link `lib`")?;
    }
    tool::run(
        Command::new(depmod)
            .arg("--basedir")
            .arg(&tree)
            .arg(release),
    )?;
    let modules = tree.join("lib/modules").join(release);
    let kernel = staging.join("kernel");
    fs::create_dir(&kernel).context("failed to create the kernel's folder")?;
    // depmod accepts a tree without modules.
    ensure!(
        modules.join("kernel").is_dir(),
        "the packages of {release} hold no modules"
    );
    let image = [
        tree.join("boot").join(format!("vmlinuz-{release}")),
        modules.join("vmlinuz"),
    ]
    .into_iter()
    .find(|image| image.is_file())
    .with_context(|| format!("the packages of {release} hold no kernel image"))?;
    fs::rename(image, kernel.join("vmlinuz")).context("failed to move the kernel image")?;
    for name in ["config", "System.map"] {
        // Not every package has them, and Debian's System.map only says where the real one is.
        let _absent = fs::rename(
            tree.join("boot").join(format!("{name}-{release}")),
            kernel.join(name),
        );
    }
    fs::rename(&modules, kernel.join("modules")).context("failed to move the modules")
}
