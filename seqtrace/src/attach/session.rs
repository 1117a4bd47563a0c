//! Live attachments. Ends of blocks are attached before and detached after everything else, so that
//! a block whose start was seen is followed to its end.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use aya::{
    Ebpf,
    maps::{Array, Map},
};

use seqtrace_common::site::SiteEntry;

use super::{
    command::{CommandTree, Follower},
    contention::Contention,
    meter::Meter,
    missed::Missed,
    object::{self, AttachOptions, MapSizes, TaskLayout},
    probes::Probes,
    progress::{Interrupted, Progress},
    refusal::{Refusal, nothing_attached},
    sample::Sampler,
    table::{LOCK_END, ORDER_TRIED, Places, Probe, SlotProbes, SlotWord, Table},
};
use crate::plan::Plan;

/// The live attachments of one plan, and the maps they write to. Dropping it detaches all.
#[derive(Debug)]
pub struct Session {
    // Before the object whose programs they run.
    kprobes: Option<Probes>,
    contention: Option<Contention>,
    sampler: Option<Sampler>,
    follower: Option<Follower>,
    pub(super) ebpf: Ebpf,
    pub(super) words: Vec<SlotWord>,
    slots: u32,
    pub(super) probes: BTreeMap<u32, SlotProbes>,
    probed: BTreeSet<u32>,
    runs: Vec<u32>,
    entries: Vec<SiteEntry>,
    places: Places,
    sampled: BTreeSet<u32>,
    contended: BTreeSet<u32>,
    refusals: Vec<(u32, Refusal)>,
    pub(super) meter: Option<Result<Meter>>,
    options: AttachOptions,
    attach_time: Duration,
    began: Instant,
}

impl Session {
    /// Loads the object and attaches every target that the plan does not skip, those that wait for
    /// [`Session::add`] left out.
    ///
    /// # Errors
    ///
    /// When the object does not load, when every probe is refused, or when one fails for a reason
    /// that is not the site's; [`Interrupted`] when `stop` was set. Nothing stays attached then.
    pub fn attach(
        plan: &Plan,
        layout: &TaskLayout,
        options: &AttachOptions,
        stop: &AtomicBool,
        mut progress: impl FnMut(Progress),
    ) -> Result<Self> {
        let table = Table::new(plan);
        Self::begin(
            &table,
            plan.targets.len(),
            (layout, options),
            stop,
            &mut progress,
        )
    }

    /// Attaches what a table has for `slots` slots.
    pub(super) fn begin(
        table: &Table,
        slots: usize,
        (layout, options): (&TaskLayout, &AttachOptions),
        stop: &AtomicBool,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Self> {
        let since = Instant::now();
        // Before the object is loaded: the guard must not hold on to it.
        let kprobes = table.has_probes().then(Probes::open).transpose()?;
        let places = table.places();
        let ebpf = object::load(slots, table, &places, layout, options)?;
        let mut session = Self {
            kprobes,
            contention: None,
            sampler: None,
            follower: None,
            ebpf,
            words: table.words.clone(),
            slots: slots.try_into().context("failed to number the sites")?,
            probes: table.probes.clone(),
            probed: BTreeSet::new(),
            runs: table.runs.clone(),
            entries: table.entries.clone(),
            places,
            sampled: BTreeSet::new(),
            contended: BTreeSet::new(),
            refusals: table.refusals.clone(),
            meter: None,
            options: options.clone(),
            attach_time: Duration::ZERO,
            began: since,
        };
        if let Err(error) = session.attach_all(table, stop, progress) {
            session.detach(progress);
            return Err(error);
        }
        if options.meter {
            let kprobes = session.kprobes.as_mut();
            session.meter = Some(Meter::start(&mut session.ebpf, kprobes));
        }
        session.attach_time = since.elapsed();
        session.set_window(true)?;
        session.began = Instant::now();
        Ok(session)
    }

    fn attach_all(
        &mut self,
        table: &Table,
        stop: &AtomicBool,
        progress: &mut impl FnMut(Progress),
    ) -> Result<()> {
        let total = table.initial().count();
        for (done, probe) in (1..).zip(table.initial()) {
            if stop.load(Ordering::Relaxed) {
                bail!(Interrupted);
            }
            self.place(probe)?;
            progress(Progress {
                detaching: false,
                done,
                total,
            });
        }
        let slots = table.initial().map(|probe| probe.slot);
        self.probed = slots.filter(|slot| !self.is_refused(*slot)).collect();
        self.sampled = table.sampled();
        self.contended = table.contended();
        if [&self.probed, &self.sampled, &self.contended]
            .iter()
            .all(|slots| slots.is_empty())
        {
            bail!(nothing_attached(&self.refusals));
        }
        if !self.contended.is_empty() {
            self.contention = Some(Contention::start(&mut self.ebpf)?);
        }
        if !table.cold.is_empty() {
            self.sampler = Some(Sampler::start(&mut self.ebpf)?);
        }
        if self.options.command.is_some() {
            self.follower = Some(Follower::start(&mut self.ebpf)?);
        }
        match &mut self.kprobes {
            Some(kprobes) => kprobes.start(&mut self.ebpf),
            None => Ok(()),
        }
    }

    pub(super) fn is_refused(&self, slot: u32) -> bool {
        self.refusals.iter().any(|(other, _)| *other == slot)
    }

    /// A block one of whose ends is refused is refused as a whole.
    fn place(&mut self, probe: &Probe) -> Result<()> {
        if self.is_refused(probe.slot) {
            return Ok(());
        }
        if let Err(refusal) = kprobes(&mut self.kprobes)?.place(probe)? {
            for end in [LOCK_END, ORDER_TRIED] {
                kprobes(&mut self.kprobes)?.withdraw(end, probe.slot)?;
            }
            self.refusals.push((probe.slot, refusal));
            self.refusals.sort_unstable();
        }
        Ok(())
    }

    /// Attaches the target at `slot`, which was taken off or waits for this; the others go on.
    /// Whether it has its probe: if not, it is among the [`Session::refusals`].
    ///
    /// It fires when this returns. Nothing happens when it has its probe already.
    ///
    /// # Errors
    ///
    /// When the plan wants no probe there, or for a reason that is not the site's.
    pub fn add(&mut self, slot: u32) -> Result<bool> {
        if self.probed.contains(&slot) {
            return Ok(true);
        }
        let probes = self
            .probes
            .get(&slot)
            .with_context(|| format!("no probe is planned for slot {slot}"))?;
        let SlotProbes { start, end, .. } = probes.clone();
        self.renew(slot)?;
        for probe in end.iter().chain([&start]) {
            self.place(probe)?;
        }
        let attached = !self.is_refused(slot);
        if attached {
            kprobes(&mut self.kprobes)?.start(&mut self.ebpf)?;
            self.probed.insert(slot);
        }
        Ok(attached)
    }

    /// Makes the kernel side forget the runs that were under way when the probe was taken off: they
    /// stay in flight.
    fn renew(&mut self, slot: u32) -> Result<()> {
        self.describe(slot, |entry| entry.generation += 1)
    }

    /// Changes what the kernel side knows about the probed instructions of a slot.
    pub(super) fn describe(&mut self, slot: u32, change: impl Fn(&mut SiteEntry)) -> Result<()> {
        let mut own = Vec::new();
        for entry in self.entries.iter_mut().filter(|entry| entry.slot == slot) {
            change(entry);
            own.push(*entry);
        }
        object::describe(&mut self.ebpf, &self.places, &own)
    }

    /// Takes the probes at `slot` off; the others go on. What they counted stays. A block that is under
    /// way stays in flight in the numbers. Nothing happens when there is no probe.
    ///
    /// # Errors
    ///
    /// When the kernel keeps a probe; it counts as attached still.
    pub fn remove(&mut self, slot: u32) -> Result<()> {
        if !self.probed.contains(&slot) {
            return Ok(());
        }
        let SlotProbes { start, end, .. } = self.probes[&slot].clone();
        for probe in [&start].into_iter().chain(&end) {
            kprobes(&mut self.kprobes)?.withdraw(probe.program, slot)?;
        }
        self.probed.remove(&slot);
        Ok(())
    }

    /// Ends the counting, so that all sites were counted for the same time: detaching takes long.
    /// A block that began in time is still counted when it ends. Returns the time since attaching.
    ///
    /// # Errors
    ///
    /// When the kernel side cannot be told.
    pub fn close_window(&mut self) -> Result<Duration> {
        self.set_window(false)?;
        Ok(self.began.elapsed())
    }

    fn set_window(&mut self, open: bool) -> Result<()> {
        let window = self
            .ebpf
            .map_mut(".data.window")
            .context("failed to find the map `.data.window`")?;
        let mut window: Array<_, u32> = window.try_into()?;
        window
            .set(0, u32::from(open), 0)
            .context("failed to begin or end the counting")
    }

    /// Takes all probes off. The maps stay, for the last reading. May be called twice.
    pub fn detach(&mut self, mut progress: impl FnMut(Progress)) {
        self.sampler = None;
        self.contention = None;
        self.follower = None;
        let Some(kprobes) = &mut self.kprobes else {
            return;
        };
        let total = kprobes.probes();
        let mut done = 0;
        kprobes.stop(|| {
            done += 1;
            progress(Progress {
                detaching: true,
                done,
                total,
            });
        });
    }

    /// The slots that are sampled.
    pub fn sampled(&self) -> &BTreeSet<u32> {
        &self.sampled
    }

    /// The slots that the tracepoints of contended locks tell of.
    pub fn contended(&self) -> &BTreeSet<u32> {
        &self.contended
    }

    /// The slots with a live probe.
    pub fn probed(&self) -> &BTreeSet<u32> {
        &self.probed
    }

    /// The slots of the checks whose runs are followed, in the order of their counters.
    pub fn runs(&self) -> &[u32] {
        &self.runs
    }

    /// The slots whose probe was refused, ascending, with the reason.
    pub fn refusals(&self) -> &[(u32, Refusal)] {
        &self.refusals
    }

    /// Number of slots, those without a probe included.
    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// Sizes of the maps.
    pub fn sizes(&self) -> MapSizes {
        self.options.sizes
    }

    /// Events that last at least this long are written to the ring; `None`: none.
    pub fn threshold_ns(&self) -> Option<u64> {
        self.options.threshold_ns
    }

    /// Blocks, spins and holds that lasted for less, in nanoseconds, are not counted.
    pub fn min_ns(&self) -> u64 {
        self.options.filter.min_ns
    }

    /// Whether the readers' stacks are walked.
    pub fn stacks(&self) -> bool {
        self.options.stacks
    }

    /// Whether the clocks of the CPUs are sampled.
    pub fn samples(&self) -> bool {
        self.sampler.is_some()
    }

    /// How long it took to load the object and attach the probes.
    pub fn attach_time(&self) -> Duration {
        self.attach_time
    }

    /// When the counting began: right after the last probe was attached.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// What tells the kernel side where the command begins that is followed; `None`: none is
    /// ([`AttachOptions::command`]).
    ///
    /// # Errors
    ///
    /// When it was taken before.
    pub fn command(&mut self) -> Result<Option<CommandTree>> {
        let is_followed = self.follower.is_some();
        is_followed
            .then(|| CommandTree::take(&mut self.ebpf))
            .transpose()
    }

    /// What asks the kernel for the events that no program saw.
    pub(crate) fn missed(&self) -> Result<Missed> {
        let firings = self.kprobes.as_ref().and_then(Probes::firings);
        Missed::new(&self.ebpf, firings)
    }

    /// Takes a map of the object away from the session.
    pub(crate) fn take_map(&mut self, name: &str) -> Result<Map> {
        self.ebpf
            .take_map(name)
            .with_context(|| format!("failed to find the map `{name}`"))
    }
}

fn kprobes(kprobes: &mut Option<Probes>) -> Result<&mut Probes> {
    let kprobes = kprobes.as_mut();
    kprobes.context("a probe cannot be placed: this session has no kprobes")
}
