//! The legacy frame of lz4 (`lz4 -l`), which boot images have and the crate does not read: a
//! magic, then blocks with their compressed sizes, each of 8 MiB unpacked but the last.

use anyhow::{Context as _, Result};

use super::compression::ensure_within;

const MAGIC: u32 = 0x184c_2102;
const BLOCK_BYTES: usize = 8 << 20;

pub(super) fn unpack(bytes: &[u8], limit: usize) -> Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    let mut block = vec![0; BLOCK_BYTES];
    let mut rest = bytes;
    while let Some((word, behind)) = rest.split_first_chunk() {
        rest = behind;
        let packed_bytes = u32::from_le_bytes(*word);
        if packed_bytes == MAGIC {
            continue;
        }
        // The word that nothing follows is the size of the kernel.
        if rest.is_empty() {
            break;
        }
        let (packed, behind) = rest
            .split_at_checked(packed_bytes as usize)
            .context("it is cut off")?;
        rest = behind;
        let bytes = lz4_flex::block::decompress_into(packed, &mut block)?;
        ensure_within(unpacked.len() + bytes, limit)?;
        unpacked.extend_from_slice(&block[..bytes]);
    }
    Ok(unpacked)
}
