//! One tracing seqtrace on a machine at a time: two would double the cost of every event and
//! report each other's.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow, bail};
use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};

/// Held while probes are attached; given back when dropped, and by the kernel when the process
/// dies.
#[derive(Debug)]
pub struct Instance {
    _lock: Flock<File>,
}

/// Directories for the lock file, the usual one first; the first that exists is taken.
const DIRECTORIES: [&str; 3] = ["/run", "/var/run", "/tmp"];

/// Claims the machine.
///
/// # Errors
///
/// When another seqtrace is tracing, with its process id.
pub fn claim() -> Result<Instance> {
    let directory = DIRECTORIES
        .iter()
        .map(Path::new)
        .find(|path| path.is_dir())
        .ok_or_else(|| anyhow!("no directory for a lock file: mount `/run`"))?;
    claim_file(&directory.join("seqtrace.lock"))
}

fn claim_file(path: &PathBuf) -> Result<Instance> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .with_context(|| format!("failed to open `{}`", path.display()))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut lock) => {
            lock.set_len(0)
                .and_then(|()| lock.rewind())
                .and_then(|()| write!(lock, "{}", std::process::id()))
                .with_context(|| format!("failed to write `{}`", path.display()))?;
            Ok(Instance { _lock: lock })
        }
        Err((mut file, Errno::EWOULDBLOCK)) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            bail!(
                "another seqtrace is tracing on this machine (process {}): end it first",
                if holder.is_empty() {
                    "unknown"
                } else {
                    &holder
                }
            )
        }
        Err((_, errno)) => {
            Err(errno).with_context(|| format!("failed to lock `{}`", path.display()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_claim_names_the_first_until_it_is_given_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("lock");
        let first = claim_file(&path).expect("nobody holds it");
        let error = claim_file(&path).expect_err("held").to_string();
        assert!(
            error.contains(&format!("process {}", std::process::id())),
            "{error}"
        );
        drop(first);
        claim_file(&path).expect("given back");
    }
}
