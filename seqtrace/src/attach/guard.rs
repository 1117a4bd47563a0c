//! A child process that removes the session's kprobe events if the session cannot, be it killed.
//!
//! It waits for the end of a pipe whose other end only we hold, and does nothing but system calls:
//! after a fork from a process with threads nothing else is allowed.

use std::{
    ffi::{CStr, CString},
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
    ptr,
};

use anyhow::{Context as _, Result};
use nix::{
    errno::Errno,
    fcntl::OFlag,
    sys::wait::waitpid,
    unistd::{ForkResult, Pid, fork, pipe2},
};

/// How often the guard tries to remove an event that is still in use, ten times a second: the
/// kernel needs time to close what a killed process held.
const ATTEMPTS: u32 = 6000;

/// The guard of one session; dropping it makes it act and waits for it.
#[derive(Debug)]
pub(super) struct Guard {
    pipe: Option<OwnedFd>,
    child: Pid,
}

impl Guard {
    /// Starts a guard that will write each of `commands` to `file` when we are gone. To be started
    /// before anything is opened that must not outlive us.
    pub(super) fn start(file: &Path, commands: &[CString]) -> Result<Self> {
        let file = CString::new(file.as_os_str().as_bytes())
            .context("failed to name the file for the guard")?;
        let (read, write) = pipe2(OFlag::O_CLOEXEC).context("failed to make a pipe")?;
        // SAFETY: the child does nothing but system calls, on memory that was there before.
        match unsafe { fork() }.context("failed to start the guard")? {
            ForkResult::Child => watch(&read, &file, commands),
            ForkResult::Parent { child } => Ok(Self {
                pipe: Some(write),
                child,
            }),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.pipe = None;
        while waitpid(self.child, None) == Err(Errno::EINTR) {}
    }
}

/// The child: waits for the end of the pipe and acts.
fn watch(pipe: &OwnedFd, file: &CStr, commands: &[CString]) -> ! {
    // SAFETY: plain system calls; the strings are zero-terminated and live for ever.
    unsafe {
        // Out of reach of the terminal's signals, and of a `kill` of the process group.
        libc::setsid();
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            libc::signal(signal, libc::SIG_IGN);
        }
        libc::prctl(libc::PR_SET_NAME, c"seqtrace-guard".as_ptr());
        // Nothing else of the parent's may stay open: not its output, not the pipe's other end.
        libc::dup2(pipe.as_raw_fd(), 0);
        libc::syscall(libc::SYS_close_range, 1, libc::c_uint::MAX, 0);
        let mut byte = 0_u8;
        while libc::read(0, ptr::from_mut(&mut byte).cast(), 1) != 0 {}
        for command in commands {
            let removed = || {
                let list = libc::open(file.as_ptr(), libc::O_WRONLY | libc::O_APPEND);
                let written = libc::write(list, command.as_ptr().cast(), command.count_bytes());
                let errno = Errno::last_raw();
                libc::close(list);
                written >= 0 || errno != libc::EBUSY
            };
            for _ in 0..ATTEMPTS {
                if removed() {
                    break;
                }
                libc::usleep(100_000);
            }
        }
        libc::_exit(0)
    }
}
