//! Reads that nobody disturbs: one thread that only reads, for showing that such reads pay nothing.

use std::{env, fs};

use anyhow::{Context as _, Result};
use nix::sys::resource::{UsageWho, getrusage};

use crate::{
    clock::read_clocks,
    thread::{self, HOME, Pace},
};

/// Starts the reader.
pub(crate) fn start_reading() -> Result<()> {
    thread::repeat("quiet-reader", HOME, Pace::Background, || {
        read_clocks()?;
        fs::symlink_metadata("/bin/busybox").context("failed to walk a path")?;
        env::current_dir().context("failed to get the working folder")?;
        getrusage(UsageWho::RUSAGE_SELF)
            .map(drop)
            .context("failed to get the resource usage")
    })
}
