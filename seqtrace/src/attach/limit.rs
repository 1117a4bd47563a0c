//! Raises the limit on open files: each probe holds one.

use anyhow::{Context as _, Result, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Open files that are not links: maps, programs, the terminal, the runtime's.
const OTHER_FILES: u64 = 128;

/// Makes room for `probes` links, up to the hard limit.
pub(super) fn raise(probes: usize) -> Result<()> {
    let (soft, hard) =
        getrlimit(Resource::RLIMIT_NOFILE).context("failed to read the limit on open files")?;
    let wanted = probes as u64 + OTHER_FILES;
    if wanted <= soft {
        return Ok(());
    }
    ensure!(
        wanted <= hard,
        "{probes} probes need {wanted} open files and the hard limit is {hard}, raise it with \
         `ulimit -Hn {wanted}`"
    );
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)
        .context("failed to raise the limit on open files")
}
