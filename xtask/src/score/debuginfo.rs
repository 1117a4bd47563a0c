//! The debuginfo of a cached kernel: its vmlinux, and the modules if wanted, out of Debian's
//! package of the very same version.

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use super::banner::{self, Banner};
use crate::{
    debian::{Package, Repository},
    progress,
    vm::{Cache, Flavour, Kernel},
};

/// A bzImage says which kernel it is in its first bytes.
const BANNER_BYTES: u64 = 64 << 10;

/// Where the files with debuginfo of one kernel lie.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Debuginfo {
    /// The ELF file with symbols and DWARF.
    pub(crate) vmlinux: PathBuf,
    /// The folder with the modules, laid out as `/lib/modules/RELEASE`.
    pub(crate) modules: Option<PathBuf>,
}

impl Debuginfo {
    /// The debuginfo of `kernel`: as it lies in the cache, or after fetching it.
    ///
    /// # Errors
    ///
    /// When the kernel is not Debian's, or its debug package is no longer there.
    pub(crate) fn of(
        cache: &Cache,
        flavour: Flavour,
        kernel: &Kernel,
        with_modules: bool,
    ) -> Result<Self> {
        let Banner { release, version } = identify(&kernel.image)?;
        let _lock = cache.lock()?;
        let folder = cache.path("debug").join(format!("{release}_{version}"));
        let vmlinux = folder.join("vmlinux");
        let modules = with_modules.then(|| folder.join("modules"));
        if !vmlinux.is_file() || modules.as_ref().is_some_and(|modules| !modules.is_dir()) {
            fetch(cache, flavour, &release, version, with_modules)
                .and_then(|staging| keep(&staging, &release, &folder))
                .with_context(|| {
                    format!(
                        "failed to get the debuginfo of {release} (if a newer kernel has taken its \
                         place in the suite, `--update` goes on to that)"
                    )
                })?;
        }
        Ok(Self { vmlinux, modules })
    }
}

/// Which kernel of Debian's a bzImage is.
///
/// # Errors
///
/// When it is none.
pub(crate) fn identify(image: &Path) -> Result<Banner> {
    let mut head = Vec::new();
    File::open(image)
        .and_then(|file| file.take(BANNER_BYTES).read_to_end(&mut head))
        .with_context(|| format!("failed to read `{}`", image.display()))?;
    banner::read(&head)
        .with_context(|| format!("`{}` is no kernel that Debian built", image.display()))
}

/// Downloads the debug package and unpacks what is wanted into a folder of its own.
fn fetch(
    cache: &Cache,
    flavour: Flavour,
    release: &str,
    version: String,
    with_modules: bool,
) -> Result<tempfile::TempDir> {
    let suites = flavour.suites();
    let repository = Repository::update(&cache.path("apt").join(suites[0]), suites)?;
    let staging = tempfile::tempdir_in(cache.path("debug"))
        .context("failed to create a folder in the cache")?;
    let package = Package {
        name: format!("linux-image-{release}-dbg"),
        version,
    };
    repository.download(&[package], staging.path())?;
    let package = fs::read_dir(staging.path())
        .context("failed to list the downloaded package")?
        .next()
        .context("apt downloaded nothing")??
        .path();
    progress::step("Unpacking", format_args!("debuginfo of {release}"));
    // Up to 6.12 vmlinux lies in `boot`, with a link to it beside the modules, where 7.x has it.
    let wanted = if with_modules {
        "./usr/lib/debug/*"
    } else {
        "./usr/lib/debug/*/vmlinux*"
    };
    unpack(&package, staging.path(), wanted)?;
    // Not needed any more, and as large as what it held.
    fs::remove_file(&package).context("failed to remove the unpacked package")?;
    Ok(staging)
}

/// Unpacks the members of a package that match a pattern.
fn unpack(package: &Path, folder: &Path, pattern: &str) -> Result<()> {
    let mut archive = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("failed to run `dpkg-deb`")?;
    let members = archive.stdout.take().expect("it is piped");
    let unpacked = Command::new("tar")
        .args(["--extract", "--no-same-owner", "--wildcards", "--directory"])
        .arg(folder)
        .arg(pattern)
        .stdin(members)
        .status()
        .context("failed to run `tar`")?;
    let read = archive.wait().context("failed to wait for `dpkg-deb`")?;
    ensure!(
        unpacked.success() && read.success(),
        "failed to unpack `{}`: dpkg-deb {read}, tar {unpacked}",
        package.display()
    );
    Ok(())
}

/// Gives what was unpacked its place in the cache.
fn keep(staging: &tempfile::TempDir, release: &str, folder: &Path) -> Result<()> {
    let debug = staging.path().join("usr/lib/debug");
    let tree = debug.join("lib/modules").join(release);
    let regular = |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|file| file.is_file());
    let vmlinux = [
        debug.join("boot").join(format!("vmlinux-{release}")),
        tree.join("vmlinux"),
    ]
    .into_iter()
    .find(regular)
    .with_context(|| format!("the debug package of {release} holds no vmlinux"))?;
    fs::create_dir_all(folder)
        .with_context(|| format!("failed to create `{}`", folder.display()))?;
    fs::rename(vmlinux, folder.join("vmlinux")).context("failed to move vmlinux")?;
    if tree.join("kernel").is_dir() {
        fs::rename(tree, folder.join("modules")).context("failed to move the modules")?;
    }
    Ok(())
}
