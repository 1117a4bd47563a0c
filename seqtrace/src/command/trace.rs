//! One traced run: attach, collect while the time or the command lasts, detach, add up.

use std::{
    collections::BTreeSet,
    path::Path,
    process::ExitStatus,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Error, Result, anyhow, bail};
use log::info;
use tokio::{sync::watch, time::Instant};

use crate::{
    aggregate::snapshot::Snapshot,
    attach,
    collect::{Collector, Hits, batch::Arrivals},
    command::{
        backends, child, filter,
        govern::{self, Watchdog},
        inlined,
        interrupt::Interrupt,
        notes,
        observe::{Observer, OfSnapshots, Records},
        on_wait::Watchful,
        prepare, privilege,
        progress::Progress,
        run::{Ending, Run},
        start,
    },
    config::{Span, Trace},
    kernel::{feature, instance},
};

/// Time between two looks at what may need care when nobody watches.
const UNWATCHED: Duration = Duration::from_secs(1);

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
    /// Whether it was ended because probing cost too much and would not be turned down.
    pub is_wild: bool,
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
    let observer = &mut Watchful::new(observer, &request.trace.on_wait);
    let limits = &request.trace.limits;
    let program = child::find(&request.span.run)?;
    obey(limits.kill_file.as_deref(), interrupt)?;
    prepare::require(&feature::discover_checks())?;
    // Before discovery, which takes seconds.
    filter::tasks(&request.trace.filter)?;
    let backends = backends::resolve(request.trace.backends)?;
    let _instance = instance::claim()?;
    let mut prepared = prepare::prepare(
        &request.trace.sources,
        (&request.trace.request, request.trace.blame.is_some()),
        &filter::sites(&request.trace.filter),
        backends,
        request.progress,
    )?;
    let debuginfo = inlined::debuginfo(&prepared.running, request.trace)?;
    interrupt.begin_orderly();
    let options = start::options(request, observer.wants_holds())?;
    let mut session = start::attach(&prepared, &options, request.progress, interrupt)
        .map_err(|error| told_of_kill(error, limits.kill_file.as_deref(), interrupt))?;
    let hits = Hits::new(&session)?;
    let aggregate = start::aggregate(&prepared, &session, request.trace);
    prepared.shed();
    let mut run = Run::new(
        &prepared.plan,
        aggregate,
        Collector::new(&mut session, request.interval.unwrap_or(UNWATCHED))?,
        start::refusals(&session),
        session.command()?,
        request.trace,
    );
    if observer.wants_records() {
        run.collector.keep_each();
    }
    observer.begin(&run.aggregate.snapshot())?;
    let meter = session.take_meter();
    privilege::give_up(privilege::needed(
        &prepared.plan,
        matches!(meter, Some(Ok(_))),
    ))
    .await;
    let session = Arc::new(Mutex::new(session));
    let watchdog = meter
        .zip(request.trace.budget)
        .map(|(meter, budget)| Watchdog::start(&session, meter?, hits, &prepared.plan, budget));
    match watchdog {
        Some(Ok(watchdog)) => run.guard(watchdog),
        Some(Err(error)) => run.note(format!("the budget is not kept: {error:#}")),
        None => {}
    }
    let ending = run
        .watch(&session, request, program, (interrupt, observer))
        .await;
    observer.over();
    let ending = ending?;
    let is_wild = matches!(ending, Ending::Wild(_));
    run.unguard();
    let elapsed = govern::lock(&session).close_window()?;
    let killed = interrupt.killed();
    if killed && let Some(path) = &limits.kill_file {
        run.aggregate
            .end(format!("by the kill file `{}`", path.display()));
    }
    let status = match ending {
        Ending::ByItself(status) => Some(status),
        Ending::Nothing | Ending::Wild(None) => None,
        // The status of a command that we end says nothing about it.
        Ending::Running(mut child) | Ending::Wild(Some(mut child)) => {
            child.end().await?;
            None
        }
    };
    let since = Instant::now();
    let progress = Progress::new(request.progress, "detaching probes");
    govern::lock(&session)
        .detach(|at: attach::Progress| progress.report(at.done as u64, at.total as u64));
    drop(progress);
    info!("probes taken off in {:.1} s", since.elapsed().as_secs_f64());
    let mut batch = run.collector.final_batch(elapsed)?;
    notes::tell(&batch.notes);
    let mut rest = Arrivals {
        records: std::mem::take(&mut batch.records),
        frames: batch.frames.clone(),
    };
    run.aggregate.add(batch);
    run.name_cgroups();
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
        is_wild,
    })
}

/// Why nothing was attached. The kill file is not told as a signal is: nobody pressed a key.
fn told_of_kill(error: Error, kill_file: Option<&Path>, interrupt: &Interrupt) -> Error {
    match kill_file {
        Some(path) if interrupt.killed() => anyhow!(
            "`{}` has come to exist while attaching: nothing was counted, no probe is left",
            path.display()
        ),
        Some(_) | None => error,
    }
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

pub(super) fn nanoseconds(time: Duration) -> u64 {
    time.as_nanos().try_into().unwrap_or(u64::MAX)
}
