//! What modules of a cached kernel are built with: Debian's headers and build tools of the very same
//! version, unpacked into the cache as `headers/RELEASE_VERSION/`.

use std::{
    fs::{self, File},
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    debian::{Package, Repository},
    progress,
    score::{Banner, identify},
    tool,
    vm::{Cache, Flavour, Kernel},
};

/// Where `make` finds the kernel's configuration and headers.
#[derive(Debug)]
pub(crate) struct Headers {
    /// The folder to run `make` in.
    pub(crate) folder: PathBuf,
}

impl Headers {
    /// The headers of `kernel`: as they lie in the cache, or after fetching them. The caller holds
    /// the cache's lock.
    ///
    /// # Errors
    ///
    /// When the kernel is not Debian's, or its packages are no longer there.
    pub(crate) fn of(cache: &Cache, flavour: Flavour, kernel: &Kernel) -> Result<Self> {
        let Banner { release, version } = identify(&kernel.image)?;
        let root = cache
            .path("headers")
            .join(format!("{release}_{}", version.replace('~', "-")));
        if !root.is_dir() {
            fetch(cache, flavour, &release, version, &root)?;
        }
        let folder = root
            .join("usr/src")
            .join(format!("linux-headers-{release}"));
        ensure!(
            folder.is_dir(),
            "the packages of {release} hold no `{}`",
            folder.display()
        );
        Ok(Self { folder })
    }
}

fn fetch(
    cache: &Cache,
    flavour: Flavour,
    release: &str,
    version: String,
    root: &Path,
) -> Result<()> {
    let suites = flavour.suites();
    let repository = Repository::update(&cache.path("apt").join(suites[0]), suites)?;
    let headers = Package {
        name: format!("linux-headers-{release}"),
        version,
    };
    let packages = repository.build_parts(&headers)?;
    let parent = root.parent().expect("it lies in the cache");
    fs::create_dir_all(parent)
        .with_context(|| format!("failed to create `{}`", parent.display()))?;
    let staging = tempfile::tempdir_in(parent).context("failed to create a folder in the cache")?;
    repository.download(&packages, staging.path())?;
    progress::step("Unpacking", &headers.name);
    let tree = staging.path().join("tree");
    for entry in fs::read_dir(staging.path()).context("failed to list the downloaded packages")? {
        let package = entry?.path();
        tool::run(
            Command::new("dpkg-deb")
                .arg("--extract")
                .arg(&package)
                .arg(&tree),
        )?;
    }
    relocate(&tree, root)?;
    run_with_own_libraries(&tree, root)?;
    // Only whole headers get their final name.
    fs::rename(&tree, root).with_context(|| format!("failed to create `{}`", root.display()))
}

/// The makefiles include one another by absolute paths: makes those lead into `root`, where `tree`
/// will be.
fn relocate(tree: &Path, root: &Path) -> Result<()> {
    for entry in fs::read_dir(tree.join("usr/src")).context("failed to list the headers")? {
        let makefile = entry?.path().join("Makefile");
        let Ok(text) = fs::read_to_string(&makefile) else {
            continue;
        };
        // The kernel's own, which that of a flavour includes, has relative ones.
        if text.contains("include /usr/src/") {
            let text = text.replace("/usr/src/", &format!("{}/usr/src/", root.display()));
            fs::write(&makefile, text)
                .with_context(|| format!("failed to write `{}`", makefile.display()))?;
        }
    }
    Ok(())
}

/// The build tools (fixdep, modpost, objtool) are linked against the libraries of their suite, which
/// may be newer than this machine's: each becomes a script that runs it with those that were
/// unpacked beside it.
fn run_with_own_libraries(tree: &Path, root: &Path) -> Result<()> {
    // Up to bookworm some lie in /lib.
    let folders = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"];
    let loader = folders
        .iter()
        .map(|folder| Path::new(folder).join("ld-linux-x86-64.so.2"))
        .find(|loader| tree.join(loader).exists())
        .context("the packages hold no loader")?;
    let path = folders.map(|folder| root.join(folder).display().to_string());
    let start = format!(
        "#!/bin/sh\nexec {} --library-path {}",
        root.join(loader).display(),
        path.join(":")
    );
    let tools = tree.join("usr/lib");
    for entry in fs::read_dir(&tools).context("failed to list the build tools")? {
        let folder = entry?.path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("linux-kbuild-") {
            for program in programs(&folder)? {
                wrap(&program, tree, root, &start)?;
            }
        }
    }
    Ok(())
}

fn wrap(program: &Path, tree: &Path, root: &Path, start: &str) -> Result<()> {
    let moved = program.with_extension(match program.extension() {
        Some(extension) => format!("{}.elf", extension.to_string_lossy()),
        None => "elf".to_owned(),
    });
    let final_place = root.join(moved.strip_prefix(tree).expect("it lies in the tree"));
    let script = format!("{start} {} \"$@\"\n", final_place.display());
    fs::rename(program, &moved)
        .and_then(|()| fs::write(program, script))
        .and_then(|()| fs::set_permissions(program, fs::Permissions::from_mode(0o755)))
        .with_context(|| format!("failed to wrap `{}`", program.display()))
}

/// The programs below a folder, but for those that only choose one of others beside them by their
/// own path (`modpost` runs `modpost.real-lsb-64`).
fn programs(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)
            .with_context(|| format!("failed to list `{}`", folder.display()))?
        {
            let entry = entry?;
            let kind = entry.file_type().context("failed to read a file's type")?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && is_program(&entry.path()) {
                found.push(entry.path());
            }
        }
    }
    let chosen = |program: &PathBuf| {
        let start = format!("{}.real-", program.display());
        found
            .iter()
            .any(|other| other.display().to_string().starts_with(&start))
    };
    Ok(found.iter().filter(|one| !chosen(one)).cloned().collect())
}

fn is_program(path: &Path) -> bool {
    let mut magic = [0; 4];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut magic))
        .is_ok_and(|()| magic == *b"\x7fELF")
}
