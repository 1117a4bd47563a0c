//! Snapshots and events ↔ a recording: JSON lines in one zstd stream, readable on any machine. Pure.
//!
//! A line is an object with one key, which says what it is. The first is the header; names of sites,
//! frames and stacks come once, before the lines that refer to them by number; then events, and after
//! each interval a snapshot, the last one marked so. What is written up to a flush can be read even
//! if nothing follows. Refuses to believe a file: sizes and numbers are bounded, text is escaped.

use serde::{Deserialize, Serialize};

use crate::aggregate::snapshot::{Coverage, Snapshot};

mod lines;
mod limits;
mod names;
mod numbering;
mod read;
mod write;

pub use self::{
    read::{Ending, Entry, Reader},
    write::Writer,
};

/// Version of the layout that this build writes, and the newest it reads. Since 2 events may be holds, and name
/// the cgroup of the reader and the hold that it waited for.
pub const FORMAT: u32 = 2;

/// What a recording is of.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the layout: [`FORMAT`].
    pub format: u32,
    /// Version of the seqtrace that wrote it.
    pub version: String,
    /// Kernel release (`uname -r`).
    pub release: String,
    /// Build id of vmlinux, hexadecimal.
    pub build_id: String,
    /// Whether it is a PREEMPT_RT kernel.
    pub realtime: bool,
    /// Host name.
    pub host: String,
    /// CPUs that were online.
    pub cpus: u32,
    /// The command line, word by word.
    pub words: Vec<String>,
    /// Wall-clock time at the beginning, nanoseconds since 1970 (UTC).
    pub began_unix_ns: u64,
    /// The same moment on the clock of the events, nanoseconds since boot.
    pub began_ns: u64,
    /// Number of the file within one recording, from 1.
    pub part: u32,
    /// What became of all sites.
    pub coverage: Coverage,
}

/// A snapshot as it was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// Whether it closes the file.
    pub last: bool,
    /// The totals since the recording began.
    pub snapshot: Snapshot,
}

#[cfg(test)]
mod tests;
