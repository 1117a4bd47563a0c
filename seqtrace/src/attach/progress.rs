//! How far a session is on its way, and that it was stopped there.

use std::fmt;

/// How far attaching or detaching has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Progress {
    /// Whether probes are being taken off.
    pub detaching: bool,
    /// Probes done, refused ones included.
    pub done: usize,
    /// Probes to do.
    pub total: usize,
}

/// Attaching was given up because the user asked for it; nothing is attached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted while attaching")
    }
}

impl std::error::Error for Interrupted {}
