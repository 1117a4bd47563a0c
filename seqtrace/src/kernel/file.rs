//! A path → the ELF file in it, with a limit to everything: its size, what is unpacked, and the
//! time that a pipe would take.
//!
//! What is not needed of a vmlinux with debug information, which is most of it, is not read.

use std::{
    fs::{File, OpenOptions},
    io::Read as _,
    ops::Range,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
};

use anyhow::{Context as _, Result, bail, ensure};
use object::{
    LittleEndian, Object as _, ObjectSection as _,
    read::{ReadCache, elf::ElfFile64},
};

use crate::discover::{elf, note, unpack};

/// A vmlinux with debug information takes 400 MiB, one with LTO and all debug options twice that.
const LARGEST_ELF_BYTES: u64 = 2 << 30;
/// Boot images take 15 MiB.
const LARGEST_PACKED_BYTES: u64 = 256 << 20;
/// Enough to tell what a file is.
const HEAD_BYTES: u64 = 4096;

/// The loaded sections and the symbols of the ELF file at a path, or of that in the boot image or
/// compressed file. Sections of debug information read as zeros.
///
/// # Errors
///
/// When it cannot be read, is no such file, or is too large; the path is in the message.
pub fn elf_file(path: &Path) -> Result<Vec<u8>> {
    read_elf(path).with_context(|| format!("failed to use `{}`", path.display()))
}

/// All bytes of the file at a path, debug information too.
///
/// # Errors
///
/// When it cannot be read, or is too large for an ELF file; the path is in the message.
pub fn whole(path: &Path) -> Result<Vec<u8>> {
    let read = || -> Result<Vec<u8>> {
        let (mut file, bytes) = open(path)?;
        ensure_at_most(bytes, LARGEST_ELF_BYTES)?;
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        Ok(content)
    };
    read().with_context(|| format!("failed to read `{}`", path.display()))
}

/// The build id of an ELF file, in hexadecimal; empty when it has none.
///
/// # Errors
///
/// As [`elf_file`].
pub fn build_id(path: &Path) -> Result<String> {
    let read = || -> Result<String> {
        let (mut file, _) = open(path)?;
        let head = head(&mut file)?;
        elf::form(&head)?;
        let cache = ReadCache::new(file);
        let file = ElfFile64::<LittleEndian, _>::parse(&cache).context(DAMAGED)?;
        let id = file.build_id().context(DAMAGED)?;
        Ok(note::hexadecimal(id.unwrap_or_default()))
    };
    read().with_context(|| format!("failed to use `{}`", path.display()))
}

const DAMAGED: &str = "it is a damaged ELF file";

fn read_elf(path: &Path) -> Result<Vec<u8>> {
    let (mut file, bytes) = open(path)?;
    let head = head(&mut file)?;
    if !elf::header::is_elf(&head) {
        unpack::ensure_known(&head)?;
        ensure_at_most(bytes, LARGEST_PACKED_BYTES)?;
        let mut packed = head;
        file.take(LARGEST_PACKED_BYTES).read_to_end(&mut packed)?;
        return Ok(unpack::elf_file(&packed)?.into_owned());
    }
    elf::form(&head)?;
    ensure_at_most(bytes, LARGEST_ELF_BYTES)?;
    let not_needed = debug_sections(&file)?;
    // Zeros that nobody writes to take no memory.
    let mut content = vec![0; bytes as usize];
    for Range { start, end } in gaps(not_needed, bytes) {
        let part = &mut content[start as usize..end as usize];
        file.read_exact_at(part, start)
            .context("it changed while it was read")?;
    }
    Ok(content)
}

/// Opens a regular file without waiting for anyone.
fn open(path: &Path) -> Result<(File, u64)> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .context("it cannot be opened")?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        bail!("it is a directory: give a file");
    }
    ensure!(metadata.is_file(), "it is no regular file");
    ensure!(metadata.len() > 0, "it is empty");
    Ok((file, metadata.len()))
}

fn ensure_at_most(bytes: u64, limit: u64) -> Result<()> {
    ensure!(
        bytes <= limit,
        "it is larger than {} MiB, and no kernel's file of its kind is",
        limit >> 20
    );
    Ok(())
}

/// The first bytes.
fn head(file: &mut File) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    file.take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok(head)
}

/// Where the sections of debug information lie in the file, by place.
fn debug_sections(file: &File) -> Result<Vec<Range<u64>>> {
    let cache = ReadCache::new(file);
    let elf = ElfFile64::<LittleEndian, _>::parse(&cache).context(DAMAGED)?;
    let is_debug = |name: &str| {
        let name = name.strip_prefix(".rela").unwrap_or(name);
        name.starts_with(".debug_") || name.starts_with(".zdebug_")
    };
    let sections = elf
        .sections()
        .filter(|section| section.name().is_ok_and(is_debug));
    let mut ranges: Vec<Range<u64>> = sections
        .filter_map(|section| {
            let (start, bytes) = section.file_range()?;
            Some(start..start.checked_add(bytes)?)
        })
        .collect();
    ranges.sort_unstable_by_key(|range| range.start);
    Ok(ranges)
}

/// What is left of `0 .. end` without these ranges, which are sorted and may overlap.
fn gaps(ranges: Vec<Range<u64>>, end: u64) -> Vec<Range<u64>> {
    let mut gaps = Vec::new();
    let mut next = 0;
    for range in ranges {
        gaps.push(next..range.start.min(end).max(next));
        next = next.max(range.end).min(end);
    }
    gaps.push(next..end);
    gaps.retain(|gap| !gap.is_empty());
    gaps
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn refusal(path: &Path) -> String {
        let error = elf_file(path).expect_err("no kernel");
        format!("{error:#}")
    }

    #[test]
    fn gaps_are_what_ranges_leave() {
        let ranges = vec![2..4, 3..6, 8..9, 20..40];
        assert_eq!(gaps(ranges, 30), [0..2, 6..8, 9..20]);
        assert_eq!(gaps(vec![0..50, 2..4], 30), Vec::<Range<u64>>::new());
        assert_eq!(gaps(vec![0..1, 1..2], 3), vec![2..3, 4..4][..1]);
    }

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let place = tempfile::tempdir().expect("a place for temporary files");
        let at = |name: &str| place.path().join(name);
        nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        fs::write(at("empty"), "").expect("writable");
        assert!(refusal(place.path()).ends_with("it is a directory: give a file"));
        assert!(refusal(&at("pipe")).ends_with("it is no regular file"));
        assert!(refusal(&at("empty")).ends_with("it is empty"));
        assert!(refusal(&at("missing")).contains("cannot be opened"));
    }

    #[test]
    fn a_huge_file_is_refused_before_it_is_read() {
        let file = tempfile::NamedTempFile::new().expect("a place for temporary files");
        let mut elf_header = vec![0; 64];
        elf_header[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (elf_header[16], elf_header[18]) = (2, 62);
        for (head, part) in [
            (&b""[..], "neither an ELF file"),
            (b"\x1f\x8b\x08", "larger than 256 MiB"),
            (&elf_header, "larger than 2048 MiB"),
        ] {
            fs::write(file.path(), head).expect("writable");
            file.as_file()
                .set_len((2 << 30) + 1)
                .expect("a sparse file");
            let told = refusal(file.path());
            assert!(told.contains(part), "{told}");
        }
    }
}
