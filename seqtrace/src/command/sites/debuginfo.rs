//! Files with debuginfo → source lines and inline chains in a catalog, and its score.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use log::{info, warn};

use crate::discover::{
    annotate,
    catalog::{Catalog, ImageCatalog},
    dwarf::{self, Debuginfo},
    score::{Score, score},
};

/// Gives the image that the file belongs to its chains.
pub(super) fn annotate(catalog: &mut Catalog, file: &Path) -> Result<()> {
    let debuginfo = read(file)?;
    let image = image_of(catalog, &debuginfo, file)?;
    annotate::annotate(image, &debuginfo);
    Ok(())
}

/// As [`annotate`], where a file with the kernel itself may have debuginfo or not.
pub(super) fn annotate_from_image(catalog: &mut Catalog, file: &Path) {
    if let Err(error) = annotate(catalog, file) {
        info!("no source lines: {error:#}");
    }
}

/// How the scan of the image that the file belongs to compares with it.
pub(super) fn score_of(catalog: &mut Catalog, file: &Path) -> Result<Score> {
    let debuginfo = read(file)?;
    Ok(score(image_of(catalog, &debuginfo, file)?, &debuginfo))
}

fn read(file: &Path) -> Result<Debuginfo> {
    let name = file.display();
    let bytes = fs::read(file).with_context(|| format!("failed to read `{name}`"))?;
    let parse = || {
        let supplement = dwarf::supplement(&bytes)?.map(|supplement| {
            let folder = file.parent().unwrap_or(Path::new("."));
            let path = folder.join(supplement.path);
            fs::read(&path).with_context(|| format!("failed to read `{}`", path.display()))
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

/// The image with the build id of the debuginfo.
fn image_of<'a>(
    catalog: &'a mut Catalog,
    debuginfo: &Debuginfo,
    file: &Path,
) -> Result<&'a mut ImageCatalog> {
    let name = file.display();
    if let [image] = catalog.images.as_slice() {
        debuginfo
            .ensure_build(&image.build_id)
            .with_context(|| format!("`{name}` is of no use"))?;
    }
    let only = catalog.images.len() == 1;
    let mut images = catalog.images.iter_mut();
    images
        .find(|image| only || image.build_id == debuginfo.build_id)
        .with_context(|| {
            format!(
                "`{name}` has build id {}, which is none of this kernel's or its modules'",
                debuginfo.build_id
            )
        })
}
