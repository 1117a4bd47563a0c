//! Files that the user names → images to scan, one at a time, so that thousands of modules take
//! no more memory than one does.
//!
//! A module belongs to a vmlinux: what it calls and the types that it uses are there. Without one
//! its calls have names all the same; with one of another release it is refused, and types that
//! were made for another build are left out rather than read wrongly.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, ensure};

use super::file;
use crate::discover::{
    btf::Btf,
    elf::{self, Form, Kernel},
    image::Image,
    symbols::Symbols,
};

/// How a module's file may end (`scripts/Makefile.modinst`), and that of its debug file.
const ENDINGS: [&str; 5] = [".ko", ".ko.xz", ".ko.zst", ".ko.gz", ".ko.debug"];

/// Modules lie at most this deep below the directory that holds them.
const DEPTH_LIMIT: usize = 24;

/// An image from a file, ready to be scanned.
#[derive(Debug)]
pub struct Opened {
    /// Its text, symbols and tables.
    pub image: Image,
    /// The types to scan it with; `None` when there are none.
    pub types: Option<Arc<Btf>>,
    /// `uname -r` of the kernel it is, or was built for, where it says so.
    pub release: Option<String>,
    /// Why it has not the types that it should have.
    pub note: Option<String>,
}

/// The vmlinux that modules belong to.
#[derive(Clone, Debug)]
pub struct Base {
    symbols: Arc<Symbols>,
    types: Option<Arc<Btf>>,
    release: Option<String>,
}

/// The images that the user names: a vmlinux or a module, and all modules in a directory.
#[derive(Debug)]
pub struct Source {
    image: Option<PathBuf>,
    modules: Vec<PathBuf>,
}

impl Source {
    /// Looks which files there are; reads none.
    ///
    /// # Errors
    ///
    /// When the directory cannot be read or has no modules.
    pub fn new(image: Option<&Path>, modules: Option<&Path>) -> Result<Self> {
        let modules = modules.map(list).transpose()?.unwrap_or_default();
        Ok(Self {
            image: image.map(Path::to_owned),
            modules,
        })
    }

    /// The file that was named by itself, if there is one; the modules may be on top of it.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or holds no kernel and no module.
    pub fn image(&self) -> Option<Result<Opened>> {
        self.image.as_deref().map(|path| open(path, None))
    }

    /// The files of modules, sorted; those are opened with [`open`], in any order and on any
    /// thread.
    pub fn modules(&self) -> &[PathBuf] {
        &self.modules
    }
}

impl Opened {
    /// What modules need of this image, if it is a vmlinux.
    pub fn base(&self) -> Option<Base> {
        self.image.imports.is_empty().then(|| Base {
            symbols: Arc::clone(&self.image.symbols),
            types: self.types.clone(),
            release: self.release.clone(),
        })
    }
}

/// Opens a vmlinux, a boot image or a module, compressed or not. `base` is for modules.
///
/// # Errors
///
/// When it cannot be read, is none of these, or is a module of another kernel than `base`; the
/// path is in the message.
pub fn open(path: &Path, base: Option<&Base>) -> Result<Opened> {
    let bytes = file::elf_file(path)?;
    let opened = match elf::form(&bytes) {
        Ok(Form::Vmlinux) => vmlinux(&bytes),
        Ok(Form::Module) => module(&bytes, base, path),
        Err(error) => Err(error),
    };
    opened.with_context(|| format!("failed to use `{}`", path.display()))
}

fn vmlinux(bytes: &[u8]) -> Result<Opened> {
    let Kernel {
        release,
        image,
        btf,
    } = elf::vmlinux(bytes)?;
    let (types, note) = match btf.map(|bytes| Btf::parse(bytes, None)) {
        Some(Ok(types)) => (Some(Arc::new(types)), None),
        Some(Err(error)) => (None, Some(format!("its types are damaged: {error:#}"))),
        None => (
            None,
            Some("it has no types (CONFIG_DEBUG_INFO_BTF)".to_owned()),
        ),
    };
    Ok(Opened {
        image,
        types,
        release,
        note,
    })
}

fn module(bytes: &[u8], base: Option<&Base>, path: &Path) -> Result<Opened> {
    let symbols = base.map(|base| Arc::clone(&base.symbols));
    let Kernel {
        release,
        mut image,
        btf,
    } = elf::module(bytes, symbols)?;
    let of_base = base.and_then(|base| base.release.as_ref());
    if let (Some(own), Some(other)) = (&release, of_base) {
        ensure!(
            own == other,
            "it is a module of {own}, and the vmlinux is {other}: give the vmlinux of {own}"
        );
    }
    if image.name.is_empty() {
        image.name = name_of(path);
    }
    let (types, note) = module_types(btf, base);
    Ok(Opened {
        image,
        types,
        release,
        note,
    })
}

/// A module's own types on top of the vmlinux's, or those of the vmlinux alone.
fn module_types(btf: Option<Vec<u8>>, base: Option<&Base>) -> (Option<Arc<Btf>>, Option<String>) {
    let Some(base) = base.and_then(|base| base.types.as_ref()) else {
        let note = "without the types of its vmlinux it has none".to_owned();
        return (None, Some(note));
    };
    // A module built without types is scanned with the vmlinux's alone.
    let Some(btf) = btf else {
        return (Some(Arc::clone(base)), None);
    };
    let note = match Btf::parse(btf, Some(Arc::clone(base))) {
        Ok(types) if types.fits_base() => return (Some(Arc::new(types)), None),
        Ok(_) => "its types were made for another build of the vmlinux and are left out".to_owned(),
        Err(error) => format!("its types are damaged and are left out: {error:#}"),
    };
    (Some(Arc::clone(base)), Some(note))
}

/// The name that the kernel gives a module by that of its file.
pub(super) fn name_of(path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = file.split(".ko").next().unwrap_or_default();
    stem.replace('-', "_")
}

/// The files of all modules in a directory and below it, sorted.
///
/// # Errors
///
/// When it cannot be read, or there are none.
pub fn list(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    walk(directory, DEPTH_LIMIT, &mut found)
        .with_context(|| format!("failed to look for modules in `{}`", directory.display()))?;
    ensure!(
        !found.is_empty(),
        "there are no modules in `{}`: give the directory with the `.ko` files of a kernel",
        directory.display()
    );
    found.sort_unstable();
    Ok(found)
}

/// Links are not followed: `build` and `source` lead out of the tree of modules.
fn walk(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if kind.is_dir() && depth > 0 {
            walk(&path, depth - 1, found)?;
        } else if kind.is_file() && ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
    Ok(())
}
