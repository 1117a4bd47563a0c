//! How much room a run has, when it ends by itself, and what it makes of a loss.

use std::path::PathBuf;

use anyhow::Result;

use super::check_directory;
use crate::cli::LimitArguments;

/// The limits of one run.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Whether a loss is told by the exit status.
    pub strict: bool,
    /// End when at least so many events were counted.
    pub max_events: Option<u64>,
    /// End when this file exists.
    pub kill_file: Option<PathBuf>,
    /// Sizes of what is shared with the kernel side.
    pub room: Room,
}

/// Sizes of what is shared with the kernel side; `None`: as it is by default.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Room {
    /// Bytes of the ring, a power of two and at least a page.
    pub ring_bytes: Option<u32>,
    /// Entries of each map of waits, tasks and stacks.
    pub map_entries: Option<u32>,
    /// Different kernel stacks.
    pub max_stacks: Option<u32>,
}

/// Checks and resolves the words.
///
/// # Errors
///
/// When the kill file can never exist.
pub(super) fn resolve(arguments: LimitArguments) -> Result<Limits> {
    let LimitArguments {
        strict,
        max_events,
        kill_file,
        ring_bytes,
        map_entries,
        max_stacks,
    } = arguments;
    if let Some(path) = &kill_file {
        // A switch that nobody can throw is found out now, not when it is needed.
        check_directory(path, "wait for")?;
    }
    Ok(Limits {
        strict,
        max_events,
        kill_file,
        room: Room {
            ring_bytes,
            map_entries,
            max_stacks,
        },
    })
}
