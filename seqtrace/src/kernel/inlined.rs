//! The debuginfo of the running kernel, addresses in its text → the calls that were inlined there.
//!
//! Of vmlinux only: modules keep their functions' names.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use log::info;
use memmap2::{Mmap, MmapOptions};

use crate::{
    discover::dwarf,
    kernel::running::{Running, VMLINUX},
};

/// A session has 8192 stacks of some tens of frames, most of them the same.
const MOST_ADDRESSES: usize = 1 << 16;

/// A file with debuginfo of the running kernel's vmlinux, mapped: a few of its 400 MB are read.
#[derive(Debug)]
pub struct InlinedCalls {
    path: PathBuf,
    bytes: Mmap,
}

impl InlinedCalls {
    /// Opens `file`.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is not the debuginfo of the running kernel.
    pub fn open(file: &Path, running: &Running) -> Result<Self> {
        let what = || format!("failed to use the debuginfo `{}`", file.display());
        let bytes = map(file).with_context(what)?;
        dwarf::check(&bytes, &running.build_id).with_context(what)?;
        Ok(Self {
            path: file.to_owned(),
            bytes,
        })
    }

    /// Opens the file where distributions install it, if it is there and of the running kernel.
    pub fn installed(running: &Running) -> Option<Self> {
        let release = &running.release;
        let places = [
            format!("/usr/lib/debug/boot/vmlinux-{release}"),
            format!("/usr/lib/debug/lib/modules/{release}/vmlinux"),
            format!("/usr/lib/debug/usr/lib/modules/{release}/vmlinux"),
            format!("/lib/modules/{release}/build/vmlinux"),
        ];
        let mut found = places.iter().map(Path::new).filter(|path| path.exists());
        found.find_map(|path| {
            Self::open(path, running)
                .inspect_err(|error| info!("{error:#}"))
                .ok()
        })
    }

    /// The calls at each of `addresses`, outermost first, without the functions that hold them.
    /// Addresses outside of the text of vmlinux, and without inlined calls, are left out.
    ///
    /// # Errors
    ///
    /// When the debuginfo is damaged.
    pub fn calls(
        &self,
        running: &Running,
        addresses: &BTreeSet<u64>,
    ) -> Result<BTreeMap<u64, Vec<String>>> {
        let base = running.base(VMLINUX)?;
        let text = running.symbols.text().unwrap_or_default();
        let offsets = addresses
            .iter()
            .filter(|address| text.contains(address))
            .take(MOST_ADDRESSES)
            .map(|address| address - base);
        let found = dwarf::inlined_calls(&self.bytes, &running.build_id, offsets)
            .with_context(|| format!("failed to use the debuginfo `{}`", self.path.display()))?;
        let calls = found.into_iter().map(|(offset, mut functions)| {
            functions.remove(0);
            (base.wrapping_add(offset), functions)
        });
        Ok(calls.filter(|(_, calls)| !calls.is_empty()).collect())
    }
}

fn map(path: &Path) -> Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: the mapping is private and read-only. If somebody overwrites the installed file in
    // place meanwhile, we may read nonsense, which is checked as any file is; if it is made
    // shorter, we are killed (SIGBUS), after the probes are off.
    let map = unsafe { MmapOptions::new().map_copy_read_only(&file) };
    map.context("failed to map it into memory")
}
