//! What was counted at a watched word → a document, complete by itself.

use std::cmp::Reverse;

use seqtrace_common::watch::Writes;
use serde::{Deserialize, Serialize};

use super::{Symbolise, comm};
use crate::collect::writes::Written;

/// The writes to one word, as totals. Holds no kernel address.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Watched {
    /// Version of this document's layout: 1.
    pub format: u32,
    /// Kernel release (`uname -r`).
    pub release: String,
    /// The word as it was asked for.
    pub word: String,
    /// How long it was watched, nanoseconds.
    pub elapsed_ns: u64,
    /// Times it was written: `odd + even + unread`.
    pub writes: u64,
    /// Writes that left it odd.
    pub odd: u64,
    /// Writes that left it even.
    pub even: u64,
    /// Writes after which it could not be read.
    pub unread: u64,
    /// Times from odd to even of which both ends were seen.
    pub holds: u64,
    /// Their sum, nanoseconds.
    pub hold_ns: u64,
    /// The longest of them, nanoseconds.
    pub max_hold_ns: u64,
    /// Writes that are credited to no writer: there were too many.
    pub writers_full: u64,
    /// Who wrote and where, most writes first; `writes` is their sum and `writers_full`.
    pub writers: Vec<WriterRow>,
}

/// Writes of one process by one instruction.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct WriterRow {
    /// The function; `None` for one without a symbol.
    pub function: Option<String>,
    /// Command name.
    pub comm: String,
    /// Process id.
    pub tgid: u32,
    /// Writes.
    pub writes: u64,
}

impl Watched {
    /// The document.
    pub fn new(
        release: String,
        word: String,
        elapsed_ns: u64,
        written: &Written,
        symbolise: &Symbolise,
    ) -> Self {
        let Writes {
            writes,
            odd,
            even,
            unread,
            holds,
            hold_ns,
            max_hold_ns,
            writers_full,
        } = written.totals;
        let mut writers: Vec<WriterRow> = written
            .writers
            .iter()
            .map(|(key, writes)| WriterRow {
                // The address is behind the instruction, which may be the last of its function.
                function: symbolise(key.address.wrapping_sub(1)),
                comm: comm::text(&key.comm),
                tgid: key.tgid,
                writes: *writes,
            })
            .collect();
        writers.sort_by_cached_key(|row| {
            (
                Reverse(row.writes),
                row.function.clone(),
                row.comm.clone(),
                row.tgid,
            )
        });
        Self {
            format: 1,
            release,
            word,
            elapsed_ns,
            writes,
            odd,
            even,
            unread,
            holds,
            hold_ns,
            max_hold_ns,
            writers_full,
            writers,
        }
    }

    /// Whether the sums hold.
    pub fn adds_up(&self) -> bool {
        let credited: u64 = self.writers.iter().map(|row| row.writes).sum();
        self.writes == self.odd + self.even + self.unread
            && self.writes == credited + self.writers_full
    }
}
