//! A boot image (bzImage, `vmlinuz`) → the compressed kernel in it, by the setup header
//! (`Documentation/arch/x86/boot.rst`).

use anyhow::{Context as _, Result, ensure};

const SECTOR_BYTES: usize = 512;
/// Number of sectors of real-mode code behind the first; 0 means 4.
const SETUP_SECTORS: usize = 0x1f1;
const MAGIC: usize = 0x202;
const VERSION: usize = 0x206;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;
/// The first version of the header that says where the payload is (2.6.26).
const VERSION_WITH_PAYLOAD: u16 = 0x208;

/// Whether the bytes begin as a boot image does.
pub(super) fn is_image(bytes: &[u8]) -> bool {
    bytes.get(MAGIC..MAGIC + 4) == Some(b"HdrS")
}

/// The compressed kernel; `None` when the bytes are no boot image.
///
/// # Errors
///
/// When the image is older than the header's fields, or cut off.
pub(super) fn payload(bytes: &[u8]) -> Result<Option<&[u8]>> {
    if !is_image(bytes) {
        return Ok(None);
    }
    let word = |at: usize| -> Result<usize> {
        let word = bytes.get(at..).and_then(|rest| rest.first_chunk());
        let word = word.context("it is a boot image cut off in its header")?;
        Ok(u32::from_le_bytes(*word) as usize)
    };
    let version = word(VERSION)? as u16;
    ensure!(
        version >= VERSION_WITH_PAYLOAD,
        "it is a boot image of protocol {}.{:02}: kernels older than 2.6.26 cannot be read",
        version >> 8,
        version & 0xff
    );
    let sectors = match bytes[SETUP_SECTORS] {
        0 => 4,
        sectors => usize::from(sectors),
    };
    let start = (sectors + 1) * SECTOR_BYTES + word(PAYLOAD_OFFSET)?;
    let end = start + word(PAYLOAD_LENGTH)?;
    let payload = bytes.get(start..end).with_context(|| {
        format!(
            "it is a boot image cut off: its kernel ends at byte {end} of {}",
            bytes.len()
        )
    })?;
    Ok(Some(payload))
}
