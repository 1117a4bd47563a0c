//! The bytes of a file with debuginfo, places in text → the calls that were inlined there.
//!
//! For stacks: any function, not only the primitives, and only the units that the places lie in
//! are read. Takes the file's word for nothing but names.

use std::collections::BTreeMap;

use addr2line::{Context, FrameIter};
use anyhow::{Context as _, Result, ensure};
use gimli::{DwarfSections, EndianSlice, LittleEndian};
use object::Object as _;

use super::{base, section::DebugFile};

/// Deeper inlining is a cycle in a damaged file: the kernel's is below 30.
const DEEPEST: usize = 256;

type Reader<'data> = EndianSlice<'data, LittleEndian>;

/// The functions at each of `offsets` (distances from the image's base, as in the catalog), the
/// one that is no inlined call first. Places that the file does not describe are left out.
///
/// `build_id` is that of the running image; empty: not known.
///
/// # Errors
///
/// When the bytes are no ELF file, it has no debuginfo, or is that of another image.
pub fn inlined_calls(
    file: &[u8],
    build_id: &str,
    offsets: impl IntoIterator<Item = u64>,
) -> Result<BTreeMap<u64, Vec<String>>> {
    check(file, build_id)?;
    let file = DebugFile::parse(file)?;
    let base = base(&file).context("it has no text")?;
    let sections = DwarfSections::load(|id| file.debug_section(id))?;
    let dwarf = sections.borrow(|bytes| EndianSlice::new(bytes, LittleEndian));
    let context = Context::from_dwarf(dwarf).context("its debuginfo is damaged")?;
    let calls = offsets.into_iter().filter_map(|offset| {
        let names = names(&context, base.wrapping_add(offset))?;
        Some((offset, names))
    });
    Ok(calls.collect())
}

/// Whether a file can be used by [`inlined_calls`], as far as its headers tell.
///
/// # Errors
///
/// As there.
pub fn check(file: &[u8], build_id: &str) -> Result<()> {
    let file = DebugFile::parse(file)?;
    let found = file.build_id();
    ensure!(
        build_id.is_empty() || found == build_id,
        "it is of another kernel: its build id is `{found}`, that of the running one is `{build_id}`"
    );
    ensure!(
        file.elf.section_by_name(".debug_info").is_some(),
        "it has no debuginfo (no section `.debug_info`)"
    );
    ensure!(
        file.supplement()?.is_none(),
        "it keeps some of its debuginfo in another file (dwz), which cannot be used for stacks"
    );
    Ok(())
}

/// The functions at an address, outermost first; `None` where nothing, or nothing sound, is said.
fn names(context: &Context<Reader<'_>>, address: u64) -> Option<Vec<String>> {
    let frames = context.find_frames(address).skip_all_loads().ok()?;
    let mut names = innermost_first(frames)?;
    names.reverse();
    (!names.is_empty()).then_some(names)
}

fn innermost_first(mut frames: FrameIter<'_, Reader<'_>>) -> Option<Vec<String>> {
    let mut names = Vec::new();
    while let Some(frame) = frames.next().ok()? {
        // A place of which only the line is known has a frame without a function.
        let Some(function) = frame.function else {
            continue;
        };
        names.push(function.raw_name().ok()?.into_owned());
        if names.len() > DEEPEST {
            return None;
        }
    }
    Some(names)
}
