//! `signal_struct.stats_lock`: threads exit, which adds their times to the process's under the
//! lock (`__exit_signal`), while others ask for the process's times.

use std::{fs, mem::MaybeUninit, ptr};

use anyhow::{Context as _, Result};
use nix::{
    errno::Errno,
    sys::resource::{UsageWho, getrusage},
    time::{ClockId, clock_gettime},
};

use crate::thread::{self, HOME, Pace, check};

/// Threads that exit at about the same time.
const BATCH: usize = 8;

/// Starts an exiter and readers.
pub(crate) fn start() -> Result<()> {
    let bare = BareThread::new()?;
    thread::repeat("stats-exiter", HOME, Pace::Background, move || {
        bare.exit_batch()
    })?;
    let mut question = Question::Usage;
    thread::read("stats-reader", 150, move || {
        question = question.next();
        question.ask()
    })?;
    thread::read("stat-reader", 50_000, read_proc_stat)
}

/// Asks for the process's times in another way each time: a wake-up preempts a writer once, and only
/// what is asked first then meets it.
#[derive(Clone, Copy)]
enum Question {
    Usage,
    Times,
    Clock,
}

impl Question {
    fn next(self) -> Self {
        match self {
            Self::Usage => Self::Times,
            Self::Times => Self::Clock,
            Self::Clock => Self::Usage,
        }
    }

    fn ask(self) -> Result<()> {
        match self {
            Self::Usage => getrusage(UsageWho::RUSAGE_SELF)
                .map(drop)
                .context("failed to get the usage"),
            Self::Times => {
                let mut times = MaybeUninit::<libc::tms>::uninit();
                // SAFETY: the pointer leads to memory for one `tms`, which is not read.
                let result = unsafe { libc::times(times.as_mut_ptr()) };
                check(result, "failed to get the times").map(drop)
            }
            Self::Clock => clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)
                .map(drop)
                .context("failed to get the process's clock"),
        }
    }
}

fn read_proc_stat() -> Result<()> {
    fs::read("/proc/self/stat")
        .map(drop)
        .context("failed to read `/proc/self/stat`")
}

/// What a thread that exits at once is created with.
///
/// The threads are bare ones: Rust's own set up and tear down a signal stack, and the default
/// stack is mapped and unmapped. Most of the time would go there instead of into the exit.
struct BareThread(libc::pthread_attr_t);

impl BareThread {
    fn new() -> Result<Self> {
        let mut attributes = MaybeUninit::uninit();
        let size = libc::PTHREAD_STACK_MIN;
        // SAFETY: the first call initializes what the others and the caller then use.
        unsafe {
            succeed(libc::pthread_attr_init(attributes.as_mut_ptr()))
                .and_then(|()| {
                    succeed(libc::pthread_attr_setstacksize(
                        attributes.as_mut_ptr(),
                        size,
                    ))
                })
                .and_then(|()| succeed(libc::pthread_attr_setguardsize(attributes.as_mut_ptr(), 0)))
                .context("failed to set a thread's attributes")?;
            Ok(Self(attributes.assume_init()))
        }
    }

    /// Lets a batch of threads begin and exit.
    fn exit_batch(&self) -> Result<()> {
        let Self(attributes) = self;
        let mut batch = [MaybeUninit::<libc::pthread_t>::uninit(); BATCH];
        for slot in &mut batch {
            let handle = slot.as_mut_ptr();
            // SAFETY: the slot takes the thread's handle, the attributes are initialized, and
            // `exit_at_once` never looks at its argument.
            let error =
                unsafe { libc::pthread_create(handle, attributes, exit_at_once, ptr::null_mut()) };
            succeed(error).context("failed to start a thread")?;
        }
        for slot in batch {
            // SAFETY: the loop above has initialized each slot, and each thread is joined once.
            let error = unsafe { libc::pthread_join(slot.assume_init(), ptr::null_mut()) };
            succeed(error).context("failed to join a thread")?;
        }
        Ok(())
    }
}

extern "C" fn exit_at_once(_argument: *mut libc::c_void) -> *mut libc::c_void {
    ptr::null_mut()
}

/// The pthread functions return their error instead of setting `errno`.
fn succeed(error: libc::c_int) -> Result<(), Errno> {
    if error == 0 {
        Ok(())
    } else {
        Err(Errno::from_raw(error))
    }
}
