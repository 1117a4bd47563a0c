//! One traced run: attach, collect while the time or the command lasts, detach, add up.

use std::{collections::BTreeSet, path::Path, process::ExitStatus, sync::Arc, time::Duration};

use anyhow::{Result, anyhow, bail};
use log::info;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{
    aggregate::{Aggregate, snapshot::Snapshot},
    attach::{self, Session},
    collect::{
        Collector,
        batch::{Arrivals, News},
    },
    command::{
        backends,
        child::{self, Child, Program},
        demand::WritersOnDemand,
        inlined,
        interrupt::Interrupt,
        observe::{Observer, OfSnapshots, Records},
        prepare, privilege,
        progress::Progress,
        start,
    },
    config::{Blame, Span, Trace},
    kernel::{feature, instance, modules, running::VMLINUX},
    plan::{Plan, demand::Limits},
};

/// Time between two looks at what may need care when nobody watches.
const UNWATCHED: Duration = Duration::from_secs(1);

/// The longest time to the first numbers where somebody waits for them.
const SOON: Duration = Duration::from_millis(500);

/// What a run left.
#[derive(Debug)]
pub struct Outcome {
    /// The complete numbers.
    pub snapshot: Snapshot,
    /// How the command ended, where there was one that ended by itself.
    pub status: Option<ExitStatus>,
    /// Modules that were unloaded while they were probed.
    pub departed: BTreeSet<String>,
    /// Whether the kill file ended the run.
    pub killed: bool,
}

/// How a run is to go.
#[derive(Debug)]
pub struct Request<'a> {
    /// What to trace.
    pub trace: &'a Trace,
    /// When to stop.
    pub span: &'a Span,
    /// Time between two calls of the observer, or `None` if it is never called.
    pub interval: Option<Duration>,
    /// Other times between two calls, as the user chooses them; where there may be some, the first call
    /// comes soon.
    pub chosen: Option<watch::Receiver<Duration>>,
    /// Show progress on stderr.
    pub progress: bool,
}

/// Traces the system from discovery to the complete numbers; `observe` sees a snapshot each
/// interval.
///
/// # Errors
///
/// When anything stands in the way, in one line; no probe is left then. An error of `observe`
/// ends the run.
pub async fn trace(
    request: &Request<'_>,
    interrupt: &Interrupt,
    observe: impl FnMut(&Arc<Snapshot>) -> Result<()>,
) -> Result<Outcome> {
    observed(request, interrupt, &mut OfSnapshots(Some(observe))).await
}

/// As [`trace`], with an observer that may want more than snapshots.
///
/// # Errors
///
/// As for [`trace`].
pub async fn observed(
    request: &Request<'_>,
    interrupt: &Interrupt,
    observer: &mut impl Observer,
) -> Result<Outcome> {
    let limits = &request.trace.limits;
    let program = child::find(&request.span.run)?;
    obey(limits.kill_file.as_deref(), interrupt)?;
    prepare::require(&feature::discover_checks())?;
    let backends = backends::resolve(request.trace.backends)?;
    let _instance = instance::claim()?;
    let prepared = prepare::prepare(
        &request.trace.sources,
        (&request.trace.request, request.trace.blame.is_some()),
        backends,
        request.progress,
    )?;
    let debuginfo = inlined::debuginfo(&prepared.running, request.trace)?;
    interrupt.begin_orderly();
    let mut session = start::attach(&prepared, request, interrupt).map_err(|error| {
        match &limits.kill_file {
            // Not as a signal is told: nobody pressed a key.
            Some(path) if interrupt.killed() => anyhow!(
                "`{}` has come to exist while attaching: nothing was counted, no probe is left",
                path.display()
            ),
            Some(_) | None => error,
        }
    })?;
    let mut run = Run {
        aggregate: start::aggregate(&prepared, &session, request.trace),
        collector: Collector::new(&mut session, request.interval.unwrap_or(UNWATCHED))?,
        plan: &prepared.plan,
        refusals: start::refusals(&session),
        modules: planned_modules(&prepared.plan),
        departed: BTreeSet::new(),
        writers: writers(&prepared.plan, request.trace),
        max_events: limits.max_events,
    };
    if observer.wants_records() {
        run.collector.keep_each();
    }
    observer.begin(&run.aggregate.snapshot())?;
    // Probes that come later need them.
    if run.writers.is_none() {
        privilege::give_up(&prepared.plan).await;
    }
    let ending = run
        .watch(&mut session, request, program, (interrupt, observer))
        .await;
    observer.over();
    let ending = ending?;
    let elapsed = session.close_window()?;
    let killed = interrupt.killed();
    if killed && let Some(path) = &limits.kill_file {
        run.aggregate
            .end(format!("by the kill file `{}`", path.display()));
    }
    let status = match ending {
        Ending::ByItself(status) => Some(status),
        Ending::Nothing => None,
        // The status of a command that we end says nothing about it.
        Ending::Running(mut child) => {
            child.end().await?;
            None
        }
    };
    let since = Instant::now();
    let progress = Progress::new(request.progress, "detaching probes");
    session.detach(|at: attach::Progress| progress.report(at.done as u64, at.total as u64));
    drop(progress);
    info!("probes taken off in {:?}", since.elapsed());
    let mut batch = run.collector.final_batch(elapsed)?;
    let mut rest = Arrivals {
        records: std::mem::take(&mut batch.records),
        frames: batch.frames.clone(),
    };
    run.aggregate.add(batch);
    rest.records.extend(run.aggregate.open_spins());
    observer.records(&Records::of(&run.aggregate, &rest))?;
    if let Some(debuginfo) = debuginfo {
        inlined::inline(&mut run.aggregate, &debuginfo, &prepared.running);
    }
    Ok(Outcome {
        snapshot: run.aggregate.snapshot(),
        status,
        departed: run.departed,
        killed,
    })
}

/// Lets the kill file, if there is to be one, end the run from now on.
fn obey(kill_file: Option<&Path>, interrupt: &Interrupt) -> Result<()> {
    let Some(path) = kill_file else {
        return Ok(());
    };
    if path.exists() {
        bail!(
            "`{}` exists: nothing is attached; remove it to trace",
            path.display()
        );
    }
    interrupt.watch_file(path.to_owned());
    Ok(())
}

fn writers(plan: &Plan, trace: &Trace) -> Option<WritersOnDemand> {
    let Blame { above, lasting } = trace.blame?;
    Some(WritersOnDemand::new(plan, Limits { above, lasting }))
}

/// Modules that have a probe.
fn planned_modules(plan: &Plan) -> BTreeSet<String> {
    plan.targets
        .iter()
        .filter(|target| target.image != VMLINUX && target.skip.is_none())
        .map(|target| target.image.clone())
        .collect()
}

/// What became of the command when the span was over.
enum Ending {
    /// There was none.
    Nothing,
    /// It ended.
    ByItself(ExitStatus),
    /// It goes on.
    Running(Child),
}

/// A run between attaching and detaching.
struct Run<'a> {
    aggregate: Aggregate,
    collector: Collector,
    plan: &'a Plan,
    refusals: Vec<(u32, String)>,
    modules: BTreeSet<String>,
    departed: BTreeSet<String>,
    writers: Option<WritersOnDemand>,
    max_events: Option<u64>,
}

impl Run<'_> {
    /// Collects until the span is over.
    async fn watch(
        &mut self,
        session: &mut Session,
        request: &Request<'_>,
        program: Option<Program>,
        (interrupt, observer): (&Interrupt, &mut impl Observer),
    ) -> Result<Ending> {
        let deadline = request
            .span
            .duration
            .map(|duration| Instant::now() + duration);
        // Also where nobody looks, if the numbers may end the run or have writers probed.
        let is_read =
            request.interval.is_some() || self.max_events.is_some() || self.writers.is_some();
        let mut child = program.map(|program| program.start()).transpose()?;
        let mut chosen = request.chosen.clone();
        if let (Some(_), Some(interval)) = (&chosen, request.interval) {
            self.collector.pace(SOON.min(interval), interval);
        }
        loop {
            tokio::select! {
                biased;
                () = interrupt.wait() => break,
                status = ended(child.as_mut()) => return status.map(Ending::ByItself),
                () = passed(deadline) => break,
                interval = choice(&mut chosen) => self.collector.pace(interval, interval),
                news = next(&mut self.collector, is_read) => {
                    let is_tick = self.take_in(news?, observer)?;
                    if let Some(why) = observer.wants_end() {
                        self.aggregate.end(why);
                        break;
                    }
                    if !is_tick {
                        continue;
                    }
                    self.look_for_departed()?;
                    if !is_read {
                        continue;
                    }
                    let snapshot = Arc::new(self.aggregate.snapshot());
                    self.look_for_demand(session, &snapshot)?;
                    if request.interval.is_some() {
                        observer.snapshot(&snapshot)?;
                    }
                    if let Some(most) = self.max_events
                        && snapshot.events_counted() >= most
                    {
                        self.aggregate.end(format!("by --max-events {most}"));
                        break;
                    }
                }
            }
        }
        Ok(child.map_or(Ending::Nothing, Ending::Running))
    }

    /// Takes over what the collector tells; whether an interval is over.
    fn take_in(&mut self, news: Option<News>, observer: &mut impl Observer) -> Result<bool> {
        match news {
            None => Ok(true),
            Some(News::Arrivals(arrivals)) => {
                observer.records(&Records::of(&self.aggregate, &arrivals))?;
                Ok(false)
            }
            Some(News::Batch(batch)) => {
                let records = Records {
                    aggregate: &self.aggregate,
                    records: &batch.records,
                    frames: &batch.frames,
                };
                observer.records(&records)?;
                self.aggregate.add(*batch);
                Ok(true)
            }
        }
    }

    /// Probes writers while their readers lose time.
    fn look_for_demand(&mut self, session: &mut Session, snapshot: &Snapshot) -> Result<()> {
        let Some(writers) = &mut self.writers else {
            return Ok(());
        };
        if !writers.look(snapshot, session, &mut self.collector)? {
            return Ok(());
        }
        self.aggregate.tell_demands(writers.rows());
        let known = self.refusals.iter().map(|(slot, _)| *slot);
        let known: BTreeSet<u32> = known.collect();
        let new = start::refusals(session).into_iter();
        self.refusals
            .extend(new.filter(|(slot, _)| !known.contains(slot)));
        self.aggregate.refuse(self.plan, &self.refusals);
        Ok(())
    }

    /// The kernel takes the probes of a module off when it leaves (`kernel/kprobes.c`,
    /// `kprobes_module_callback`): its sites are covered no longer.
    fn look_for_departed(&mut self) -> Result<()> {
        if self.modules.is_empty() {
            return Ok(());
        }
        let loaded: BTreeSet<String> = modules::names()?.into_iter().collect();
        let gone: Vec<String> = self.modules.difference(&loaded).cloned().collect();
        for module in gone {
            self.modules.remove(&module);
            for (slot, target) in (0..).zip(&self.plan.targets) {
                let refused = self.refusals.iter().any(|(other, _)| *other == slot);
                if target.image == module && target.skip.is_none() && !refused {
                    self.refusals
                        .push((slot, "its module was unloaded".to_owned()));
                }
            }
            self.departed.insert(module);
            self.aggregate.refuse(self.plan, &self.refusals);
        }
        Ok(())
    }
}

/// The next batch; where none is looked at, only if there has to be one.
async fn next(collector: &mut Collector, is_read: bool) -> Result<Option<News>> {
    if is_read {
        collector.next().await.map(Some)
    } else {
        let batch = collector.tend().await?;
        Ok(batch.map(|batch| News::Batch(Box::new(batch))))
    }
}

/// The end of the command; never without one.
pub(super) async fn ended(child: Option<&mut Child>) -> Result<ExitStatus> {
    match child {
        Some(child) => child.wait().await,
        None => std::future::pending().await,
    }
}

/// The next time between two calls that the user chooses; never where nobody can.
async fn choice(chosen: &mut Option<watch::Receiver<Duration>>) -> Duration {
    if let Some(chosen) = chosen
        && chosen.changed().await.is_ok()
    {
        return *chosen.borrow_and_update();
    }
    std::future::pending().await
}

/// The end of the time; never without one.
pub(super) async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

pub(super) fn nanoseconds(time: Duration) -> u64 {
    time.as_nanos().try_into().unwrap_or(u64::MAX)
}
