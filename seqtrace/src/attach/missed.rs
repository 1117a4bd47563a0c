//! Events that no program saw, by the kernel's count.

use std::os::fd::{AsFd as _, OwnedFd};

use anyhow::{Context as _, Result};
use aya::Ebpf;

use crate::kernel::program;

/// The programs of one session, to be asked what they missed; good beyond the session.
#[derive(Debug)]
pub struct Missed {
    programs: Vec<OwnedFd>,
}

impl Missed {
    pub(super) fn new(ebpf: &Ebpf) -> Result<Self> {
        let programs = ebpf
            .programs()
            // Those that the plan does not need, and the one that reads text, are not loaded.
            .filter(|(_, program)| program.fd().is_ok())
            .map(|(name, program)| {
                let file = program
                    .fd()
                    .and_then(|file| Ok(file.as_fd().try_clone_to_owned()?));
                file.with_context(|| format!("failed to open the program `{name}`"))
            })
            .collect::<Result<_>>()?;
        Ok(Self { programs })
    }

    /// Events that all programs missed so far.
    ///
    /// # Errors
    ///
    /// When the kernel does not describe its programs.
    pub fn read(&self) -> Result<u64> {
        self.programs
            .iter()
            .map(|program| program::misses(program.as_fd()))
            .sum()
    }
}
