//! The kernels in the cache:
//!
//! ```text
//! names/6.12-rt -> ../kernels/6.12.117+deb13-rt-amd64     what a name meant when it was resolved
//! kernels/RELEASE/{vmlinuz, config, System.map, modules/} one unpacked kernel
//! debug/RELEASE_VERSION/{vmlinux, modules/}               debuginfo of one kernel
//! headers/RELEASE_VERSION/                                what modules of one kernel are built with
//! seqstress/RELEASE-HASH.ko                               our module, by a hash of its sources
//! apt/SUITE/                                              private state of apt
//! ```
//!
//! Policy: a name that has been resolved stays as it is, and nothing touches the network, until
//! `--update` asks for the newest package again.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};

/// The cache folder.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// Opens the cache, which the tasks share.
    pub(crate) fn open() -> Result<Self> {
        let root = crate::cache::directory()?;
        for folder in ["names", "kernels", "debug", "apt"] {
            let folder = root.join(folder);
            fs::create_dir_all(&folder)
                .with_context(|| format!("failed to create `{}`", folder.display()))?;
        }
        Ok(Self { root })
    }

    /// Keeps other tasks from changing the cache as long as the result lives.
    pub(crate) fn lock(&self) -> Result<File> {
        let path = self.root.join("lock");
        let file = File::options().create(true).append(true).open(&path);
        let file = file.with_context(|| format!("failed to open `{}`", path.display()))?;
        file.lock()
            .with_context(|| format!("failed to lock `{}`", path.display()))?;
        Ok(file)
    }

    /// A file or folder of the cache.
    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    /// The folder of the kernel that `name` was resolved to.
    pub(crate) fn resolved(&self, name: &str) -> Option<PathBuf> {
        fs::canonicalize(self.path("names").join(name)).ok()
    }

    /// How long ago `name` was resolved.
    pub(crate) fn age(&self, name: &str) -> Option<Duration> {
        let link = fs::symlink_metadata(self.path("names").join(name)).ok()?;
        link.modified().ok()?.elapsed().ok()
    }

    /// Makes `name` mean the kernel in `kernels/RELEASE`.
    pub(crate) fn resolve(&self, name: &str, release: &str) -> Result<()> {
        let link = self.path("names").join(name);
        let fresh = self.path("names").join(format!(".{name}"));
        let _stale = fs::remove_file(&fresh);
        symlink(Path::new("../kernels").join(release), &fresh)
            .and_then(|()| fs::rename(&fresh, &link))
            .with_context(|| format!("failed to link `{}`", link.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_what_it_was_resolved_to_last() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache {
            root: folder.path().canonicalize().unwrap(),
        };
        for folder in ["names", "kernels/1", "kernels/2"] {
            fs::create_dir_all(cache.path(folder)).unwrap();
        }
        assert_eq!(cache.resolved("6.1"), None);
        cache.resolve("6.1", "1").unwrap();
        cache.resolve("6.1", "2").unwrap();
        assert_eq!(cache.resolved("6.1"), Some(cache.path("kernels/2")));
        assert!(cache.age("6.1").is_some());
    }
}
