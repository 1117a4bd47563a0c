//! Ctrl-C, SIGTERM and SIGHUP: the first ends the work in good order.

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context as _, Result};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// Tells whether the user asked to stop. Clones share one state.
#[derive(Clone, Debug)]
pub struct Interrupt {
    stopped: watch::Receiver<bool>,
    flag: Arc<AtomicBool>,
    orderly: Arc<AtomicBool>,
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
        let (sender, stopped) = watch::channel(false);
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
                    // The kernel takes the probes off when the process ends.
                    process::exit(128 + number);
                }
                let _ = sender.send(true);
            }
        });
        Ok(Self {
            stopped,
            flag,
            orderly,
        })
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
    pub async fn wait(&mut self) {
        // An error means that the listener is gone with the runtime: nothing will come any more.
        if self.stopped.wait_for(|stopped| *stopped).await.is_err() {
            std::future::pending::<()>().await;
        }
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
