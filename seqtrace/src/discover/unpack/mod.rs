//! The bytes of a file as it lies on disk → the ELF file in it: a boot image is opened, and what
//! is compressed is unpacked, by what the bytes begin with and never by the file's name.
//!
//! Output is limited, and so is the memory that a compressed stream may ask for: the few bytes
//! of a file can claim any size.

mod boot;
mod compression;
mod lz4;
mod lzo;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use anyhow::{Context as _, Result, bail, ensure};

pub use self::compression::Compression;
use super::elf::header;

/// The most that is unpacked. No vmlinux with debug information is larger.
pub const LARGEST_BYTES: usize = 1 << 30;

/// A compressed boot image is the deepest nesting that exists.
const LAYERS: usize = 3;

const UNKNOWN: &str = "it is neither an ELF file, a boot image (vmlinuz), nor compressed";

/// The ELF file in the bytes of a vmlinux, a boot image or a module, whatever it is compressed
/// with.
///
/// # Errors
///
/// When there is none in it, it is damaged, or it is larger than [`LARGEST_BYTES`].
pub fn elf_file(bytes: &[u8]) -> Result<Cow<'_, [u8]>> {
    ensure!(!bytes.is_empty(), "it is empty");
    let mut inner = Cow::Borrowed(bytes);
    for _ in 0..LAYERS {
        if header::is_elf(&inner) {
            return Ok(inner);
        }
        inner = Cow::Owned(opened(&inner)?);
    }
    bail!("it is compressed more than {LAYERS} times")
}

/// Refuses what cannot hold an ELF file, by its first bytes: a kilobyte is enough.
///
/// # Errors
///
/// As said.
pub fn ensure_known(head: &[u8]) -> Result<()> {
    let is_known = header::is_elf(head) || boot::is_image(head) || Compression::of(head).is_some();
    ensure!(is_known, UNKNOWN);
    Ok(())
}

/// What is in a boot image, or in compressed bytes.
fn opened(bytes: &[u8]) -> Result<Vec<u8>> {
    if let Some(payload) = boot::payload(bytes)? {
        let compression = Compression::of(payload).with_context(|| {
            format!(
                "the kernel in this boot image is compressed in an unknown way (it begins with \
                 {:02x?})",
                &payload[..payload.len().min(4)]
            )
        })?;
        return compression
            .unpack(payload, LARGEST_BYTES)
            .with_context(|| format!("the kernel in this boot image ({compression}) is damaged"));
    }
    let compression = Compression::of(bytes).context(UNKNOWN)?;
    compression
        .unpack(bytes, LARGEST_BYTES)
        .with_context(|| format!("the {compression} data in it is damaged"))
}
