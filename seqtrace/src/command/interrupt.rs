//! Ctrl-C, SIGTERM, SIGHUP and the kill file: the first ends the work in good order.

use std::{
    path::PathBuf,
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time::sleep,
};

use crate::command::terminal;

/// Time between two looks for the kill file: a `stat` of one path costs a few microseconds.
const LOOK: Duration = Duration::from_millis(50);

/// Tells whether the user asked to stop. Clones share one state.
#[derive(Clone, Debug)]
pub struct Interrupt {
    stopped: Arc<watch::Sender<bool>>,
    flag: Arc<AtomicBool>,
    orderly: Arc<AtomicBool>,
    killed: Arc<AtomicBool>,
}

impl Interrupt {
    /// Begins to listen; must be called inside a multi-threaded runtime, so that signals are
    /// heard while the main thread attaches probes.
    ///
    /// Until [`Self::begin_orderly`] a signal ends the process at once, as by default.
    ///
    /// # Errors
    ///
    /// When the handlers cannot be installed.
    pub fn listen() -> Result<Self> {
        let stopped = Arc::new(watch::Sender::new(false));
        let sender = Arc::clone(&stopped);
        let flag = Arc::new(AtomicBool::new(false));
        let orderly = Arc::new(AtomicBool::new(false));
        let streams = Streams::install()?;
        let listener = (Arc::clone(&flag), Arc::clone(&orderly));
        tokio::spawn(async move {
            let (flag, orderly) = listener;
            let mut streams = streams;
            loop {
                let number = streams.next().await;
                if !orderly.load(Ordering::Relaxed) || flag.swap(true, Ordering::Relaxed) {
                    terminal::give_back();
                    // The kernel takes the probes off when the process ends.
                    process::exit(128 + number);
                }
                sender.send_replace(true);
            }
        });
        Ok(Self {
            stopped,
            flag,
            orderly,
            killed: Arc::default(),
        })
    }

    /// From now on the file at `path` is a signal, as soon as it exists: once it has been seen, it
    /// ends the work in good order, before [`Self::begin_orderly`] too.
    pub fn watch_file(&self, path: PathBuf) {
        let Self {
            stopped,
            flag,
            orderly: _,
            killed,
        } = self.clone();
        tokio::spawn(async move {
            while !path.exists() {
                sleep(LOOK).await;
            }
            killed.store(true, Ordering::Relaxed);
            flag.store(true, Ordering::Relaxed);
            stopped.send_replace(true);
        });
    }

    /// Ends the work in good order, as the first signal does.
    pub fn stop(&self) {
        self.flag.store(true, Ordering::Relaxed);
        self.stopped.send_replace(true);
    }

    /// Whether it was the file that ended the work.
    pub fn killed(&self) -> bool {
        self.killed.load(Ordering::Relaxed)
    }

    /// From now on the first signal is only noted; the second still ends the process.
    pub fn begin_orderly(&self) {
        self.orderly.store(true, Ordering::Relaxed);
    }

    /// A flag that the first signal sets.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.flag)
    }

    /// Returns at the first signal.
    pub async fn wait(&self) {
        let mut stopped = self.stopped.subscribe();
        // An error means that nothing will come any more; we hold what it comes from.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }
}

struct Streams {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Streams {
    fn install() -> Result<Self> {
        let install = |kind| signal(kind).context("failed to install a signal handler");
        Ok(Self {
            interrupt: install(SignalKind::interrupt())?,
            terminate: install(SignalKind::terminate())?,
            hangup: install(SignalKind::hangup())?,
        })
    }

    /// The number of the next signal.
    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt().as_raw_value(),
            _ = self.terminate.recv() => SignalKind::terminate().as_raw_value(),
            _ = self.hangup.recv() => SignalKind::hangup().as_raw_value(),
        }
    }
}
