//! Scanned images on disk, by build id: a kernel is scanned once.

use std::{
    env, fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use nix::unistd::geteuid;

use crate::discover::{catalog::ImageCatalog, store};

/// A directory of catalogs.
#[derive(Clone, Debug)]
pub struct Cache {
    directory: PathBuf,
}

impl Cache {
    /// The cache of this user: `/var/cache/seqtrace` for root, else `$XDG_CACHE_HOME/seqtrace` or
    /// `~/.cache/seqtrace`; `None` where there is no such place.
    pub fn of_user() -> Option<Self> {
        let directory = if geteuid().is_root() {
            PathBuf::from("/var/cache/seqtrace")
        } else {
            env::var_os("XDG_CACHE_HOME")
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
                .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))?
                .join("seqtrace")
        };
        Some(Self { directory })
    }

    /// A cache in `directory`.
    pub fn in_directory(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// The catalog of the image `name` with `build_id`; `None` when there is none that this build
    /// of the tool wrote.
    ///
    /// # Errors
    ///
    /// When there is one that cannot be used: it cannot be read, or is damaged.
    pub fn load(&self, name: &str, build_id: &str) -> Result<Option<ImageCatalog>> {
        if build_id.is_empty() {
            return Ok(None);
        }
        let path = self.path(name, build_id);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("failed to read `{}`", path.display()));
            }
        };
        store::decode(&bytes, name, build_id)
            .with_context(|| format!("`{}` is not used", path.display()))
    }

    /// Keeps a catalog. One without a build id is not kept.
    ///
    /// # Errors
    ///
    /// When the directory cannot be written.
    pub fn keep(&self, catalog: &ImageCatalog) -> Result<()> {
        if catalog.build_id.is_empty() {
            return Ok(());
        }
        let path = self.path(&catalog.image, &catalog.build_id);
        write_whole(&self.directory, &path, &store::encode(catalog))
            .with_context(|| format!("failed to keep the sites in `{}`", path.display()))
    }

    fn path(&self, name: &str, build_id: &str) -> PathBuf {
        self.directory.join(format!("{name}-{build_id}.jsonl"))
    }
}

/// Other processes see the whole file or none.
fn write_whole(directory: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let unfinished = directory.join(format!(".{}", std::process::id()));
    let mut file = fs::File::create(&unfinished)?;
    file.write_all(bytes)?;
    fs::rename(&unfinished, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(build_id: &str) -> ImageCatalog {
        ImageCatalog {
            image: "vmlinux".to_owned(),
            build_id: build_id.to_owned(),
            realtime: true,
            functions: 1,
            text_bytes: 2,
            sites: Vec::new(),
            instances: Vec::new(),
            inferred: std::collections::BTreeMap::new(),
            disagreements: Vec::new(),
        }
    }

    #[test]
    fn a_catalog_comes_back_under_its_build_id_only() {
        let directory = tempfile::tempdir().expect("a directory");
        let cache = Cache::in_directory(directory.path().join("new"));
        cache.keep(&catalog("ab01")).expect("kept");
        let loaded = cache.load("vmlinux", "ab01").expect("readable");
        assert_eq!(loaded, Some(catalog("ab01")));
        assert_eq!(cache.load("vmlinux", "ab02").expect("no file"), None);
    }

    #[test]
    fn a_damaged_catalog_is_told_and_an_image_without_id_is_not_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        let cache = Cache::in_directory(directory.path().to_owned());
        fs::write(directory.path().join("vmlinux-ab01.jsonl"), "{").expect("written");
        let error = cache
            .load("vmlinux", "ab01")
            .expect_err("damaged")
            .to_string();
        assert!(error.contains("vmlinux-ab01.jsonl` is not used"), "{error}");
        cache.keep(&catalog("")).expect("nothing to do");
        assert_eq!(fs::read_dir(directory.path()).expect("there").count(), 1);
    }
}
