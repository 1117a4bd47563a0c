//! Kernel memory that the kernel side copies out: how much of it one run of the program takes.

/// What is readable or not as a whole, bytes.
pub const PAGE_BYTES: usize = 4096;
/// Pages that one run copies; each has a bit in the program's return value.
pub const PAGES: usize = 16;
/// Size of the one element of the `TEXT` map.
pub const CHUNK_BYTES: usize = PAGES * PAGE_BYTES;

const _: () = assert!(PAGES < 32);
