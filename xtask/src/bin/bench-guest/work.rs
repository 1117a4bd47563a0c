//! The pieces of work, by name.

use std::{fs, io};

use anyhow::{Context as _, Result, bail, ensure};
use nix::libc;

/// Commands of the module that makes readers wait.
const MODULE: &str = "/sys/kernel/debug/seqstress/command";

/// A folder whose name is looked up: there already, so that it is found under its parent's lock.
const FOLDER: &std::ffi::CStr = c"/tmp/bench-folder";
/// A folder some folders down.
const DEEP: &std::ffi::CStr = c"/tmp/bench-walk/two/three/four";

/// Something that can be done any number of times.
#[derive(Debug)]
pub(crate) enum Work {
    /// A loop of two instructions: what one round of counting is off by.
    Loop,
    /// `clock_gettime` by the kernel, of the clock whose seconds are not carried over: those of the monotonic one are
    /// during a part of each second (`ktime_get_ts64` adds two numbers of nanoseconds), which takes six instructions.
    Clock,
    /// `getrusage` of the children of the process: its own times are scaled so that none goes back, which takes two
    /// instructions more or less by where the ticks were (`cputime_adjust`).
    Usage,
    /// A path of five names, found.
    Path,
    /// A folder that exists is made: `d_lookup`.
    Lookup,
    /// A command of the module, which ends with a number.
    Module(String),
}

impl Work {
    pub(crate) fn of(name: &str) -> Result<Self> {
        Ok(match name {
            "loop" => Self::Loop,
            "clock" => Self::Clock,
            "usage" => Self::Usage,
            "path" => Self::Path,
            "lookup" => Self::Lookup,
            other => match other.strip_prefix("module ") {
                Some(command) => Self::Module(command.to_owned()),
                None => bail!("no work `{other}`"),
            },
        })
    }

    /// What is needed to be there.
    pub(crate) fn prepare() -> Result<()> {
        for folder in [FOLDER, DEEP] {
            let folder = folder.to_str().context("the folder's name is text")?;
            fs::create_dir_all(folder).with_context(|| format!("failed to create `{folder}`"))?;
        }
        Ok(())
    }

    /// Has the module forget who wrote before: it looks for each writer among them.
    pub(crate) fn forget(&self) -> Result<()> {
        if let Self::Module(_) = self {
            fs::write(MODULE, "reset").context("failed to have the module forget")?;
        }
        Ok(())
    }

    /// Does it so many times.
    ///
    /// # Errors
    ///
    /// When it cannot be done: it would be another work.
    pub(crate) fn run(&self, rounds: u32) -> Result<()> {
        match self {
            Self::Loop => {
                for round in 0..rounds {
                    std::hint::black_box(round);
                }
            }
            Self::Clock => {
                for _ in 0..rounds {
                    let mut time = libc::timespec {
                        tv_sec: 0,
                        tv_nsec: 0,
                    };
                    // By its number: the library would read the clock without the kernel.
                    // SAFETY: the call writes to `time`, which lives on.
                    let status = unsafe {
                        libc::syscall(libc::SYS_clock_gettime, libc::CLOCK_REALTIME, &raw mut time)
                    };
                    ensure!(status == 0, "failed to read the clock");
                }
            }
            Self::Usage => {
                for _ in 0..rounds {
                    nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN)
                        .context("failed to read the usage")?;
                }
            }
            Self::Path => {
                for _ in 0..rounds {
                    // SAFETY: the path ends with a zero and lives on.
                    let status = unsafe { libc::access(DEEP.as_ptr(), libc::F_OK) };
                    ensure!(status == 0, "no {DEEP:?}");
                }
            }
            Self::Lookup => {
                for _ in 0..rounds {
                    // SAFETY: as above.
                    let status = unsafe { libc::mkdir(FOLDER.as_ptr(), 0o700) };
                    let error = io::Error::last_os_error();
                    ensure!(
                        status == -1 && error.raw_os_error() == Some(libc::EEXIST),
                        "{FOLDER:?} is not there"
                    );
                }
            }
            Self::Module(command) => {
                let command = format!("{command} {rounds}");
                fs::write(MODULE, &command)
                    .with_context(|| format!("failed to have the module do `{command}`"))?;
            }
        }
        Ok(())
    }
}
