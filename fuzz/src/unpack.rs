//! The bytes of a file as it lies on disk: a boot image, or something compressed.

use seqtrace::discover::unpack::{self, Compression};

/// What a stream may unpack to here, bytes; real kernels are larger.
const LIMIT_BYTES: usize = 1 << 20;

/// Finds the ELF file in the bytes.
pub fn unpack(bytes: &[u8]) {
    let _refused = unpack::elf_file(bytes);
    if let Some(compression) = Compression::of(bytes)
        && let Ok(unpacked) = compression.unpack(bytes, LIMIT_BYTES)
    {
        assert!(
            unpacked.len() <= LIMIT_BYTES,
            "{compression} gave {} bytes",
            unpacked.len()
        );
    }
}
