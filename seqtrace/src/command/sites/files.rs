//! Files that the user names → their catalogs.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context as _, Result};
use log::warn;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use crate::{
    command::progress::Progress,
    config::Input,
    discover::{
        self,
        catalog::{Catalog, ImageCatalog},
        image::Image,
    },
    kernel::offline::{self, Base, Opened, Source},
};

/// The images in files.
pub(super) struct Files {
    /// `uname -r` of the kernel, where a file says so.
    pub(super) release: Option<String>,
    /// The file of each image of the catalog.
    pub(super) paths: Vec<PathBuf>,
    base: Option<Base>,
}

/// Scans the files that were named.
///
/// # Errors
///
/// When one of them cannot be read, or is no kernel and no module.
pub(super) fn scan(file: &Path, input: &Input, progress: bool) -> Result<(Files, Catalog)> {
    let source = Source::new(Some(file), input.modules.as_deref())?;
    let opened = source.image().context("a file was named")??;
    let base = opened.base();
    let release = opened.release.clone();
    let progress_of_functions = Progress::new(progress, "scanning functions");
    let first = scan_one(&opened, file, &|done, all| {
        progress_of_functions.report(done, all);
    });
    drop((opened, progress_of_functions));
    let progress = Progress::new(progress, "scanning modules");
    let done = AtomicU64::new(0);
    let modules: Vec<ImageCatalog> = source
        .modules()
        .par_iter()
        .map(|path| {
            let opened = offline::open(path, base.as_ref())?;
            let catalog = scan_one(&opened, path, &|_, _| {});
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            progress.report(done, source.modules().len() as u64);
            Ok(catalog)
        })
        .collect::<Result<_>>()?;
    let mut paths = vec![file.to_owned()];
    paths.extend_from_slice(source.modules());
    let images = std::iter::once(first).chain(modules).collect();
    let files = Files {
        release,
        paths,
        base,
    };
    Ok((files, Catalog { images }))
}

fn scan_one(opened: &Opened, path: &Path, progress: &(dyn Fn(u64, u64) + Sync)) -> ImageCatalog {
    if let Some(note) = &opened.note {
        warn!("`{}`: {note}", path.display());
    }
    discover::scan(&opened.image, opened.types.as_deref(), progress)
}

impl Files {
    /// The text and symbols of the image with an index in the catalog, read once more.
    ///
    /// # Errors
    ///
    /// When the file has gone.
    pub(super) fn image(&self, index: usize) -> Result<Image> {
        let path = self.paths.get(index).context("every image has a file")?;
        Ok(offline::open(path, self.base.as_ref())?.image)
    }
}
