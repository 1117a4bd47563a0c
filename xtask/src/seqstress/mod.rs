//! The kernel module `seqstress`: from its sources and a cached kernel to a module that this kernel
//! loads. Built modules lie in the cache as `seqstress/RELEASE-HASH.ko`, by a hash of the sources.

mod headers;

use std::{
    collections::BTreeMap,
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use self::headers::Headers;
use crate::{
    progress, tool,
    vm::{Cache, Flavour, Kernel},
};

/// The sources, in the workspace.
const SOURCES: &str = "seqstress";

/// Settings of the kernel that only its own compiler understands, or that need more tools than a
/// module does. Debian's kernels from trixie on are built by gcc 14; any gcc from 12 on builds the
/// module, without `-fmin-function-alignment`, and `make` warns that the compilers differ. BTF of a
/// module needs the kernel's vmlinux and pahole.
const WITHOUT: [&str; 2] = [
    "CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=",
    "CONFIG_DEBUG_INFO_BTF_MODULES=",
];

/// The module for `kernel`: as it lies in the cache, or after building it.
///
/// # Errors
///
/// When the kernel's headers are no longer in the suites, or the module does not build.
pub(crate) fn module(cache: &Cache, flavour: Flavour, kernel: &Kernel) -> Result<PathBuf> {
    let sources = sources()?;
    let mut hasher = DefaultHasher::new();
    (&sources, WITHOUT).hash(&mut hasher);
    let release = &kernel.label;
    let file = format!("{release}-{:016x}.ko", hasher.finish());
    let module = cache.path("seqstress").join(file);
    let _lock = cache.lock()?;
    if !module.is_file() {
        let headers = Headers::of(cache, flavour, kernel)?;
        progress::step("Building", format_args!("seqstress for {release}"));
        build(&sources, &headers, &module)?;
    }
    Ok(module)
}

/// Name and content of each file.
fn sources() -> Result<BTreeMap<String, Vec<u8>>> {
    let folder = tool::workspace().join(SOURCES);
    let mut files = BTreeMap::new();
    let entries = fs::read_dir(&folder);
    for entry in entries.with_context(|| format!("failed to list `{}`", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let content =
            fs::read(&path).with_context(|| format!("failed to read `{}`", path.display()))?;
        files.insert(name.into_owned(), content);
    }
    Ok(files)
}

/// Builds in a folder of its own: `make` writes beside the sources.
fn build(sources: &BTreeMap<String, Vec<u8>>, headers: &Headers, module: &Path) -> Result<()> {
    let make = tool::ensure_program("make", "make")?;
    let gcc = tool::ensure_program("gcc", "gcc")?;
    let strip = tool::ensure_program("strip", "binutils")?;
    let folder = tempfile::tempdir().context("failed to create a folder to build in")?;
    for (name, content) in sources {
        fs::write(folder.path().join(name), content)
            .with_context(|| format!("failed to copy `{name}`"))?;
    }
    tool::run(
        Command::new(make)
            .arg("--silent")
            .arg("-C")
            .arg(&headers.folder)
            .arg(format!("M={}", folder.path().display()))
            .arg(format!("CC={}", gcc.display()))
            .args(WITHOUT)
            .arg("modules"),
    )?;
    let built = folder.path().join("seqstress.ko");
    tool::run(Command::new(strip).arg("--strip-debug").arg(&built))?;
    ensure!(built.is_file(), "`make` built no `{}`", built.display());
    let parent = module.parent().expect("it lies in the cache");
    fs::create_dir_all(parent)
        .with_context(|| format!("failed to create `{}`", parent.display()))?;
    // The cache may be on another file system, and only a whole module gets its name.
    let fresh = module.with_extension("new");
    fs::copy(&built, &fresh)
        .and_then(|_| fs::rename(&fresh, module))
        .with_context(|| format!("failed to create `{}`", module.display()))
}
