//! Files with debuginfo → source lines and inline chains in a catalog, and its score.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use log::{info, warn};
use rayon::iter::{
    IndexedParallelIterator as _, IntoParallelRefIterator as _, ParallelIterator as _,
};

use super::files::Files;
use crate::{
    discover::{
        annotate,
        catalog::{Catalog, ImageCatalog},
        dwarf::{self, Debuginfo},
        score::{Score, score},
    },
    kernel::{debuginfo, file, running::VMLINUX},
};

/// Below it installed debuginfo is looked for.
const ROOT: &str = "/";

/// Gives the image that the file belongs to its chains.
///
/// # Errors
///
/// When the file has no debuginfo, or that of another build.
pub(super) fn annotate(catalog: &mut Catalog, file: &Path) -> Result<()> {
    let debuginfo = read(file)?;
    let index = image_of(catalog, &debuginfo, file)?;
    annotate::annotate(&mut catalog.images[index], &debuginfo);
    Ok(())
}

/// Gives the images chains from debuginfo that lies at hand: in the files themselves, else where
/// distributions install it. Without any the catalog stays as it is.
pub(super) fn annotate_from_usual_places(
    catalog: &mut Catalog,
    release: Option<&str>,
    files: Option<&Files>,
) {
    for (index, image) in catalog.images.iter_mut().enumerate() {
        if image.sites.is_empty() && image.instances.is_empty() {
            continue;
        }
        let own = files.and_then(|files| files.paths.get(index)).cloned();
        let found = own
            .into_iter()
            .chain(installed(image, release))
            .find_map(|path| usable(&path, image));
        if let Some(debuginfo) = found {
            annotate::annotate(image, &debuginfo);
        }
    }
}

fn installed(image: &ImageCatalog, release: Option<&str>) -> Option<PathBuf> {
    let (release, root) = (release?, Path::new(ROOT));
    let ImageCatalog {
        image, build_id, ..
    } = image;
    if image == VMLINUX {
        debuginfo::vmlinux(root, release, build_id)
    } else {
        debuginfo::module(root, release, image, build_id)
    }
}

fn usable(path: &Path, image: &ImageCatalog) -> Option<Debuginfo> {
    let debuginfo = read(path).and_then(|debuginfo| {
        debuginfo.ensure_build(&image.build_id)?;
        Ok(debuginfo)
    });
    match debuginfo {
        Ok(debuginfo) => Some(debuginfo),
        Err(error) => {
            info!("no source lines of `{}`: {error:#}", image.image);
            None
        }
    }
}

/// How the scan compares with debuginfo: the image that the file belongs to with the file, and
/// modules in files with what those have themselves.
///
/// # Errors
///
/// When the file has no debuginfo, or that of another build.
pub(super) fn score_of(catalog: &Catalog, file: &Path, files: Option<&Files>) -> Result<Score> {
    let debuginfo = read(file)?;
    let index = image_of(catalog, &debuginfo, file)?;
    let mut sum = score(&catalog.images[index], &debuginfo);
    drop(debuginfo);
    let paths = files.map_or(&[][..], |files| files.paths.as_slice());
    let scores: Vec<Option<Score>> = catalog
        .images
        .par_iter()
        .zip(paths)
        .enumerate()
        .filter(|(other, (image, _))| *other != index && image.image != VMLINUX)
        .map(|(_, (image, path))| Some(score(image, &usable(path, image)?)))
        .collect();
    let without = scores.iter().filter(|score| score.is_none()).count();
    if without > 0 {
        warn!("{without} modules without debuginfo of their own are not scored");
    }
    for score in scores.into_iter().flatten() {
        sum.add(score);
    }
    Ok(sum)
}

fn read(path: &Path) -> Result<Debuginfo> {
    let name = path.display();
    let bytes = file::whole(path)?;
    let parse = || {
        let supplement = dwarf::supplement(&bytes)?.map(|supplement| {
            let folder = path.parent().unwrap_or(Path::new("."));
            file::whole(&folder.join(supplement.path))
        });
        Debuginfo::parse(&bytes, supplement.transpose()?.as_deref())
    };
    let debuginfo = parse().with_context(|| format!("failed to use the debuginfo of `{name}`"))?;
    if let Some(skipped) = &debuginfo.skipped {
        warn!(
            "`{name}`: {} units of debuginfo cannot be read: {}",
            skipped.units, skipped.why
        );
    }
    Ok(debuginfo)
}

/// The index of the image with the build id of the debuginfo.
fn image_of(catalog: &Catalog, debuginfo: &Debuginfo, file: &Path) -> Result<usize> {
    let name = file.display();
    if let [image] = catalog.images.as_slice() {
        debuginfo
            .ensure_build(&image.build_id)
            .with_context(|| format!("`{name}` is of no use"))?;
        return Ok(0);
    }
    let mut images = catalog.images.iter();
    images
        .position(|image| image.build_id == debuginfo.build_id)
        .with_context(|| {
            format!(
                "`{name}` has build id {}, which is none of this kernel's or its modules'",
                debuginfo.build_id
            )
        })
}
