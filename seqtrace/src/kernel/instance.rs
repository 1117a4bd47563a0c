//! One tracing seqtrace on a machine at a time: two would double the cost of every event and
//! report each other's.

use std::{
    env,
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow, bail};
use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
    unistd::geteuid,
};

/// Held while probes are attached; given back when dropped, and by the kernel when the process
/// dies.
#[derive(Debug)]
pub struct Instance {
    _lock: Flock<File>,
}

/// Directories for the lock file, the usual one first; the first that exists is taken.
const DIRECTORIES: [&str; 3] = ["/run", "/var/run", "/tmp"];

/// Claims the machine. A user who may not write to `/run` claims the file of root, where there is one,
/// and else one in a directory of its own.
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
    let shared = directory.join("seqtrace.lock");
    let failed = |path: &Path| format!("failed to open `{}`", path.display());
    match open(&shared) {
        Ok(file) => claim_file(file, &shared, true),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            if let Ok(file) = File::open(&shared) {
                return claim_file(file, &shared, false);
            }
            let own = own_file();
            let file = open(&own).with_context(|| failed(&own))?;
            claim_file(file, &own, true)
        }
        Err(error) => Err(error).with_context(|| failed(&shared)),
    }
}

/// The lock file of a user without rights.
fn own_file() -> PathBuf {
    match env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
        Some(directory) if directory.is_dir() => directory.join("seqtrace.lock"),
        Some(_) | None => env::temp_dir().join(format!("seqtrace-{}.lock", geteuid())),
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

/// Locks the file; writes our process id into it if it is ours.
fn claim_file(file: File, path: &Path, is_ours: bool) -> Result<Instance> {
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut lock) => {
            if is_ours {
                lock.set_len(0)
                    .and_then(|()| lock.rewind())
                    .and_then(|()| write!(lock, "{}", std::process::id()))
                    .with_context(|| format!("failed to write `{}`", path.display()))?;
            }
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
        let claim = || claim_file(open(&path).expect("a file"), &path, true);
        let first = claim().expect("nobody holds it");
        let error = claim().expect_err("held").to_string();
        assert!(
            error.contains(&format!("process {}", std::process::id())),
            "{error}"
        );
        drop(first);
        claim().expect("given back");
    }
}
