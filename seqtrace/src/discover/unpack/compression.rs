//! Compressed bytes → what was compressed, for all that the kernel's build offers for boot
//! images (`init/Kconfig`) and for modules.
//!
//! What follows the first stream is passed over: a boot image ends with the size of the kernel.

use std::{fmt, io::Read};

use anyhow::{Result, ensure};

use super::{lz4, lzo};

/// The most memory that a stream's dictionary may take; `xz` for boot images asks for 128 MiB.
const DICTIONARY_KIB: u32 = 256 << 10;

/// A way of compressing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Compression {
    /// `CONFIG_KERNEL_GZIP`, `.ko.gz`.
    Gzip,
    /// `CONFIG_KERNEL_XZ`, `.ko.xz`.
    Xz,
    /// `CONFIG_KERNEL_LZMA`: without the container of xz.
    Lzma,
    /// `CONFIG_KERNEL_BZIP2`.
    Bzip2,
    /// `CONFIG_KERNEL_LZ4`, in its legacy frame.
    Lz4,
    /// `CONFIG_KERNEL_ZSTD`, `.ko.zst`.
    Zstd,
    /// `CONFIG_KERNEL_LZO`, in a file of lzop.
    Lzo,
}

impl Compression {
    /// By the first bytes (`lib/decompress.c`); `None` when they are those of no stream.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        Some(match bytes {
            [0x1f, 0x8b | 0x9e, ..] => Self::Gzip,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', ..] => Self::Bzip2,
            [0x02, 0x21, 0x4c, 0x18, ..] => Self::Lz4,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [0x89, b'L', b'Z', b'O', ..] => Self::Lzo,
            [0x5d, 0, 0, ..] => Self::Lzma,
            _ => return None,
        })
    }

    /// Unpacks a stream that gives at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// When it is damaged, cut off, or longer.
    pub fn unpack(self, bytes: &[u8], limit: usize) -> Result<Vec<u8>> {
        match self {
            Self::Gzip => read(flate2::read::GzDecoder::new(bytes), limit),
            Self::Xz => {
                let stream = lzma_rust2::XzReader::new_mem_limit(bytes, false, DICTIONARY_KIB);
                read(stream, limit)
            }
            Self::Lzma => {
                let stream = lzma_rust2::LzmaReader::new_mem_limit(bytes, DICTIONARY_KIB, None)?;
                read(stream, limit)
            }
            Self::Bzip2 => read(bzip2::read::BzDecoder::new(bytes), limit),
            Self::Zstd => read(ruzstd::decoding::StreamingDecoder::new(bytes)?, limit),
            Self::Lz4 => lz4::unpack(bytes, limit),
            Self::Lzo => lzo::unpack(bytes, limit),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Lzma => "lzma",
            Self::Bzip2 => "bzip2",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
            Self::Lzo => "lzo",
        })
    }
}

fn read(stream: impl Read, limit: usize) -> Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    stream.take(limit as u64 + 1).read_to_end(&mut unpacked)?;
    ensure_within(unpacked.len(), limit)?;
    Ok(unpacked)
}

/// Refuses what is larger than the limit.
pub(super) fn ensure_within(bytes: usize, limit: usize) -> Result<()> {
    ensure!(
        bytes <= limit,
        "it is larger than {} MiB when unpacked",
        limit >> 20
    );
    Ok(())
}
