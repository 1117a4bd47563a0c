//! How much a recording may hold in one place: so that a file that lies takes no more memory than a
//! large honest one, and no sum of its numbers overflows.

/// Longest line, bytes. A snapshot of maps with 16384 entries each takes about six MiB.
pub(super) const LINE_BYTES: usize = 32 << 20;

/// Longest name of a frame, bytes: a kernel symbol has at most 512.
pub(super) const NAME_BYTES: usize = 4096;

/// All names of one file together, bytes.
pub(super) const NAMES_BYTES: usize = 64 << 20;

/// Frames of one stack: the kernel gives 127, inlined calls come on top.
pub(super) const STACK_FRAMES: usize = 4096;

/// Frames of all stacks of one file.
pub(super) const STACKS_FRAMES: usize = 32 << 20;

/// Sites of one file; those of a large kernel with all its modules are ten thousand.
pub(super) const SITES: usize = 1 << 20;

/// Bytes that the stacks of one snapshot take when they are written out.
pub(super) const EXPANDED_BYTES: usize = 256 << 20;

/// What all numbers of one line may add up to: a century of nanoseconds fits, and sums over rows
/// stay in 64 bits.
pub(super) const SUM: u64 = 1 << 62;

/// Largest window that a stream may ask for, as a power of two: what level 3 uses is 2 MiB.
pub(super) const WINDOW_LOG: u32 = 23;
