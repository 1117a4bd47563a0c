//! A file of lzop → what was compressed: a header, then blocks with their sizes before and after
//! (`lib/decompress_unlzo.c`). Checksums are passed over.

use anyhow::{Context as _, Result, ensure};

use super::compression::ensure_within;

const MAGIC: &[u8] = b"\x89LZO\0\r\n\x1a\n";
/// The largest block that lzop writes.
const BLOCK_BYTES: usize = 64 << 20;

/// Header flags (`conf.h` of lzop).
const ADLER32_UNPACKED: u32 = 1;
const ADLER32_PACKED: u32 = 1 << 1;
const CRC32_UNPACKED: u32 = 1 << 8;
const CRC32_PACKED: u32 = 1 << 9;
const EXTRA_FIELD: u32 = 1 << 6;
const FILTER: u32 = 1 << 11;
/// The version of lzop from which on the header has a level and a time's upper half.
const VERSION_WITH_LEVEL: u16 = 0x0940;

/// Bytes that are taken from the front.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8]> {
        let split = self.rest.split_at_checked(bytes);
        let (taken, rest) = split.context("it is cut off")?;
        self.rest = rest;
        Ok(taken)
    }

    /// A big-endian number of up to four bytes.
    fn number(&mut self, bytes: usize) -> Result<u32> {
        let taken = self.take(bytes)?;
        Ok(taken
            .iter()
            .fold(0, |number, &byte| number << 8 | u32::from(byte)))
    }
}

pub(super) fn unpack(bytes: &[u8], limit: usize) -> Result<Vec<u8>> {
    let mut cursor = Cursor { rest: bytes };
    let flags = header(&mut cursor)?;
    let has = |flag: u32| usize::from(flags & flag != 0);
    let unpacked_sums = 4 * (has(ADLER32_UNPACKED) + has(CRC32_UNPACKED));
    let packed_sums = 4 * (has(ADLER32_PACKED) + has(CRC32_PACKED));
    let mut unpacked = Vec::new();
    loop {
        let block_bytes = cursor.number(4)? as usize;
        if block_bytes == 0 {
            return Ok(unpacked);
        }
        ensure!(
            block_bytes <= BLOCK_BYTES,
            "it has a block of {block_bytes} bytes"
        );
        let packed_bytes = cursor.number(4)? as usize;
        ensure_within(unpacked.len() + block_bytes, limit)?;
        let is_packed = packed_bytes < block_bytes;
        cursor.take(unpacked_sums + if is_packed { packed_sums } else { 0 })?;
        let packed = cursor.take(packed_bytes)?;
        if is_packed {
            let start = unpacked.len();
            unpacked.resize(start + block_bytes, 0);
            let written = lzokay::decompress::decompress(packed, &mut unpacked[start..])
                .map_err(|error| anyhow::anyhow!("{error}"))?;
            unpacked.truncate(start + written);
        } else {
            unpacked.extend_from_slice(packed);
        }
    }
}

/// Reads the header up to the first block; the flags.
fn header(cursor: &mut Cursor<'_>) -> Result<u32> {
    ensure!(cursor.take(MAGIC.len())? == MAGIC, "it is no file of lzop");
    let version = cursor.number(2)? as u16;
    // The version of the library and that needed to unpack.
    cursor.take(if version >= VERSION_WITH_LEVEL { 4 } else { 2 })?;
    let method = cursor.number(1)?;
    ensure!(
        (1..=3).contains(&method),
        "its method {method} is not LZO1X"
    );
    cursor.take(usize::from(version >= VERSION_WITH_LEVEL))?;
    let flags = cursor.number(4)?;
    if flags & FILTER != 0 {
        cursor.take(4)?;
    }
    // Mode and time.
    cursor.take(if version >= VERSION_WITH_LEVEL { 12 } else { 8 })?;
    let name_bytes = cursor.number(1)? as usize;
    cursor.take(name_bytes + 4)?;
    if flags & EXTRA_FIELD != 0 {
        let extra_bytes = cursor.number(4)? as usize;
        cursor.take(extra_bytes)?;
        cursor.take(4)?;
    }
    Ok(flags)
}
