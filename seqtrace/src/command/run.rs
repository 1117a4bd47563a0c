//! A run between attaching and detaching: collects, and looks after what may change meanwhile.

use std::{
    collections::{BTreeSet, HashMap},
    process::ExitStatus,
    sync::Arc,
    time::Duration,
};

use anyhow::Result;
use seqtrace_common::event::Event;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{
    aggregate::{Aggregate, snapshot::Snapshot},
    attach::CommandTree,
    collect::{Collector, batch::News},
    command::{
        child::{Child, Program},
        demand::WritersOnDemand,
        govern::{self, Shared, Watchdog},
        interrupt::Interrupt,
        notes,
        observe::{Observer, Records},
        start,
        trace::Request,
    },
    config::{Blame, Trace},
    kernel::{
        cgroups::{self, Cgroups},
        modules,
        running::VMLINUX,
    },
    plan::{Plan, demand::Limits},
};

/// The longest time to the first numbers where somebody waits for them.
const SOON: Duration = Duration::from_millis(500);

/// What became of the command when the span was over.
pub(super) enum Ending {
    /// There was none.
    Nothing,
    /// It ended.
    ByItself(ExitStatus),
    /// It goes on.
    Running(Child),
    /// Probing has gone wild; the command, if there is one, goes on.
    Wild(Option<Child>),
}

/// What adds up, and what is looked after.
pub(super) struct Run<'a> {
    pub(super) aggregate: Aggregate,
    pub(super) collector: Collector,
    watchdog: Option<Watchdog>,
    plan: &'a Plan,
    refusals: Vec<(u32, String)>,
    modules: BTreeSet<String>,
    /// Modules that were unloaded while they were probed.
    pub(super) departed: BTreeSet<String>,
    writers: Option<WritersOnDemand>,
    cgroups: Option<Cgroups>,
    command: Option<CommandTree>,
    max_events: Option<u64>,
}

impl<'a> Run<'a> {
    /// A run that has not begun. `refusals` has what the kernel refused so far.
    pub(super) fn new(
        plan: &'a Plan,
        aggregate: Aggregate,
        collector: Collector,
        refusals: Vec<(u32, String)>,
        command: Option<CommandTree>,
        trace: &Trace,
    ) -> Self {
        let mut run = Self {
            aggregate,
            collector,
            watchdog: None,
            plan,
            refusals,
            modules: planned_modules(plan),
            departed: BTreeSet::new(),
            writers: writers(plan, trace),
            cgroups: None,
            command,
            max_events: trace.limits.max_events,
        };
        if cgroups::are_there() {
            match Cgroups::read() {
                Ok(cgroups) => run.cgroups = Some(cgroups),
                Err(error) => run.note(format!("cgroups are told by their ids: {error:#}")),
            }
        }
        run
    }

    /// Has the cost kept within the budget from now on.
    pub(super) fn guard(&mut self, watchdog: Watchdog) {
        self.watchdog = Some(watchdog);
    }

    /// Tells with the coverage what is not done.
    pub(super) fn note(&mut self, note: String) {
        self.aggregate.note(self.plan, note);
    }

    /// Nothing is turned down from now on; what was is in the aggregate.
    pub(super) fn unguard(&mut self) {
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.end();
        }
        self.take_report();
    }

    /// Collects until the span is over.
    pub(super) async fn watch(
        &mut self,
        session: &Shared,
        request: &Request<'_>,
        program: Option<Program>,
        (interrupt, observer): (&Interrupt, &mut impl Observer),
    ) -> Result<Ending> {
        let deadline = request
            .span
            .duration
            .map(|duration| Instant::now() + duration);
        // Also where nobody looks, if what comes may end the run, have writers probed or set something off.
        let is_read = request.interval.is_some()
            || self.max_events.is_some()
            || self.writers.is_some()
            || !request.trace.on_wait.is_empty();
        let mut since = Instant::now();
        let mut child = self.start(program.as_ref())?;
        let mut left = request.span.repeat;
        let mut chosen = request.chosen.clone();
        if let (Some(_), Some(interval)) = (&chosen, request.interval) {
            self.collector.pace(SOON.min(interval), interval);
        }
        loop {
            tokio::select! {
                biased;
                () = interrupt.wait() => break,
                status = ended(child.as_mut()) => {
                    let status = status?;
                    self.aggregate.lengthen_command(super::trace::nanoseconds(since.elapsed()));
                    if request.span.repeat > 1 {
                        self.end_run(since, observer)?;
                    }
                    left -= 1;
                    if left == 0 || !status.success() {
                        return Ok(Ending::ByItself(status));
                    }
                    since = Instant::now();
                    child = self.start(program.as_ref())?;
                }
                () = passed(deadline) => break,
                () = wild(self.watchdog.as_ref()) => {
                    self.aggregate.lengthen_command(super::trace::nanoseconds(since.elapsed()));
                    return Ok(Ending::Wild(child));
                }
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
                    self.name_cgroups();
                    self.look_for_departed()?;
                    if !is_read {
                        continue;
                    }
                    self.take_report();
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
        self.aggregate
            .lengthen_command(super::trace::nanoseconds(since.elapsed()));
        Ok(child.map_or(Ending::Nothing, Ending::Running))
    }

    /// Starts the command, if there is one, and has its tasks followed.
    fn start(&mut self, program: Option<&Program>) -> Result<Option<Child>> {
        let Some(program) = program else {
            return Ok(None);
        };
        let Some(command) = &mut self.command else {
            return program.start().map(Some);
        };
        let child = command.adopt(|| program.start())?;
        if command.is_followed() {
            self.aggregate.follow_command();
        } else {
            self.command = None;
            self.note(
                "what the command lost itself is not known: processes have other ids in this container"
                    .to_owned(),
            );
        }
        Ok(Some(child))
    }

    /// Tells what the run of the command that began at `since` brought.
    fn end_run(&mut self, since: Instant, observer: &mut impl Observer) -> Result<()> {
        let wall_ns = super::trace::nanoseconds(since.elapsed());
        let batch = self.collector.now()?;
        self.take_in(Some(News::Batch(Box::new(batch))), observer)?;
        self.aggregate.end_run(wall_ns);
        Ok(())
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
                notes::tell(&batch.notes);
                let records = Records {
                    aggregate: &self.aggregate,
                    records: &batch.records,
                    frames: &batch.frames,
                };
                observer.records(&records)?;
                self.aggregate.add(*batch);
                if observer.wants_open() {
                    let open: Vec<Event> = self.aggregate.open_spins().collect();
                    observer.open(&Records {
                        aggregate: &self.aggregate,
                        records: &open,
                        frames: &HashMap::new(),
                    })?;
                }
                Ok(true)
            }
        }
    }

    /// Keeps the paths of cgroups that may be gone when somebody asks, and names those that were counted in.
    pub(super) fn name_cgroups(&mut self) {
        let Some(cgroups) = &mut self.cgroups else {
            return;
        };
        cgroups.look();
        let paths = cgroups.paths(&self.aggregate.cgroups());
        self.aggregate.name_cgroups(paths);
    }

    fn take_report(&mut self) {
        if let Some(watchdog) = &self.watchdog {
            self.aggregate.govern(self.plan, watchdog.report());
        }
    }

    /// Probes writers while their readers lose time.
    fn look_for_demand(&mut self, session: &Shared, snapshot: &Snapshot) -> Result<()> {
        let Some(writers) = &mut self.writers else {
            return Ok(());
        };
        let mut session = govern::lock(session);
        if !writers.look(snapshot, &mut session, &mut self.collector)? {
            return Ok(());
        }
        self.aggregate.tell_demands(writers.rows());
        let known = self.refusals.iter().map(|(slot, _)| *slot);
        let known: BTreeSet<u32> = known.collect();
        let new = start::refusals(&session).into_iter();
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

/// The moment at which probing has gone wild; never without a budget.
pub(super) async fn wild(watchdog: Option<&Watchdog>) {
    match watchdog {
        Some(watchdog) => watchdog.wild().await,
        None => std::future::pending().await,
    }
}

/// The end of the time; never without one.
pub(super) async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
