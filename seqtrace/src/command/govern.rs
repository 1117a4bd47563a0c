//! Keeps a run within its budget, on a thread of its own: it must act when the collection is slow, and
//! when nobody reads our output.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use log::{info, warn};
use tokio::sync::watch;

use crate::{
    attach::{Meter, Session},
    collect::Hits,
    command::trace::nanoseconds,
    governor::{Governor, Order, Reading, Report, Unit, Use, units},
    kernel::program::Runs,
    plan::Plan,
};

/// A session that the thread and the run share.
pub(super) type Shared = Arc<Mutex<Session>>;

/// The session, whatever became of a thread that had it.
pub(super) fn lock(session: &Shared) -> MutexGuard<'_, Session> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread.
#[derive(Debug)]
pub(super) struct Watchdog {
    thread: Option<JoinHandle<()>>,
    stop: Option<Sender<()>>,
    report: Arc<Mutex<Report>>,
    wild: watch::Receiver<bool>,
}

impl Watchdog {
    /// Starts it for the probes of a plan.
    ///
    /// # Errors
    ///
    /// When the kernel takes no statistics, or nothing can be read.
    pub(super) fn start(
        session: &Shared,
        meter: Meter,
        hits: Hits,
        plan: &Plan,
        budget: f64,
    ) -> Result<Self> {
        let own = lock(session);
        let units = units(plan, &own.programs(), own.runs());
        drop(own);
        Self::over(session, meter, hits, units, budget)
    }

    /// Starts it for these units.
    ///
    /// # Errors
    ///
    /// As [`Watchdog::start`].
    pub(super) fn over(
        session: &Shared,
        meter: Meter,
        hits: Hits,
        units: Vec<Unit>,
        budget: f64,
    ) -> Result<Self> {
        let own = lock(session);
        let sensors = Sensors {
            hits,
            began: own.began(),
            meter,
        };
        drop(own);
        let first = sensors.read(false)?;
        let governor = Governor::new(budget, sensors.meter.trap_ns(), units, first);
        let report = Arc::new(Mutex::new(governor.report()));
        let (stop, stopped) = channel();
        let (tell, wild) = watch::channel(false);
        let mut keeper = Keeper {
            session: Arc::clone(session),
            sensors,
            governor,
            report: Arc::clone(&report),
            wild: tell,
        };
        let thread = Builder::new()
            .name("governor".to_owned())
            .spawn(move || keeper.run(&stopped))
            .context("failed to start the governor's thread")?;
        Ok(Self {
            thread: Some(thread),
            stop: Some(stop),
            report,
            wild,
        })
    }

    /// What it did so far.
    pub(super) fn report(&self) -> Report {
        let report = self.report.lock();
        report.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns when probing has gone wild.
    pub(super) async fn wild(&self) {
        let mut wild = self.wild.clone();
        // An error means that the thread is gone: it will say nothing any more.
        if wild.wait_for(|wild| *wild).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Ends it: nothing is turned down any more. Waits until what it is doing is done.
    pub(super) fn end(&mut self) {
        self.stop = None;
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            warn!("the governor has died: the budget was not kept from then on");
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.end();
    }
}

/// What is read each time.
struct Sensors {
    hits: Hits,
    meter: Meter,
    began: Instant,
}

impl Sensors {
    fn read(&self, wants_hits: bool) -> Result<Reading> {
        let used = |(runs, is_trapped): (Runs, bool)| Use {
            traps: if is_trapped {
                runs.runs + runs.misses
            } else {
                0
            },
            run_ns: runs.run_ns,
        };
        Ok(Reading {
            time_ns: nanoseconds(self.began.elapsed()),
            cpus: self.meter.cpus()?,
            programs: self.meter.read()?.into_iter().map(used).collect(),
            hits: wants_hits.then(|| self.hits.read()).transpose()?,
        })
    }
}

/// What runs on the thread.
struct Keeper {
    session: Shared,
    sensors: Sensors,
    governor: Governor,
    report: Arc<Mutex<Report>>,
    wild: watch::Sender<bool>,
}

impl Keeper {
    /// Until the other end of `stopped` is gone.
    fn run(&mut self, stopped: &Receiver<()>) {
        loop {
            let wait = Duration::from_nanos(self.governor.wait_ns());
            if stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            match self.step() {
                Ok(false) => {}
                Ok(true) => {
                    let _ = self.wild.send(true);
                    return;
                }
                Err(error) => {
                    warn!("the budget is kept no longer: {error:#}");
                    return;
                }
            }
        }
    }

    /// Whether probing has gone wild.
    fn step(&mut self) -> Result<bool> {
        let reading = self.sensors.read(self.governor.wants_hits())?;
        let verdict = self.governor.judge(reading);
        for order in &verdict.orders {
            self.obey(order);
        }
        if !verdict.orders.is_empty() {
            let reading = self.sensors.read(self.governor.wants_hits())?;
            self.governor.resume(reading);
        }
        let report = self.governor.report();
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = report;
        Ok(verdict.is_wild)
    }

    fn obey(&mut self, order: &Order) {
        let Order { unit, level } = *order;
        let since = Instant::now();
        let own = &self.governor.units()[unit];
        if let Err(error) = lock(&self.session).turn(own, level) {
            warn!("failed to turn a probe down or up: {error:#}");
            self.governor.give_up(unit);
        }
        info!("unit {unit} is {level:?} after {:?}", since.elapsed());
    }
}
