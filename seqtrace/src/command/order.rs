//! `seqtrace order`: which locks and seqcounts are held when others are taken or read.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex},
};

use anyhow::{Result, bail};
use globset::{Glob, GlobMatcher};
use log::{info, warn};
use tokio::time::Instant;

use crate::{
    aggregate::order::{OrderFacts, Ordered},
    attach::{self, AttachOptions, ContextSource, Session},
    collect::{Hits, order::Seen},
    command::{
        backends, child,
        govern::{self, Watchdog},
        interrupt::Interrupt,
        prepare::{self, Prepared},
        privilege,
        progress::Progress,
        report::{WILD, print, size},
        run::{ended, passed, wild},
        start,
        trace::nanoseconds,
    },
    config::{Choice, Order, RequestWords},
    discover::{
        btf::Btf,
        locks::{self, LockCall, Wanted},
    },
    export, governor,
    kernel::{
        hazards, instance,
        running::{Running, VMLINUX},
    },
    plan::{
        OwnerOffsets, SeqcountNames, SiteFilter,
        order::{OrderPlan, OrderRequest, order_plan},
    },
};

/// Follows until the time is over or the command ends.
///
/// # Errors
///
/// When a name matches nothing, or anything stands in the way of the probes; none is left then.
pub async fn order(asked: &Order, progress: bool) -> Result<u8> {
    let program = child::find(&asked.span.run)?;
    let only_probes = Choice::Only {
        probe: true,
        contention: false,
        sample: false,
    };
    let backends = backends::resolve(only_probes)?;
    let _instance = instance::claim()?;
    let prepared = prepare::prepare(
        &asked.sources,
        (&RequestWords::default(), false),
        &SiteFilter::default(),
        backends,
        progress,
    )?;
    let plan = plan(&prepared, asked, progress)?;
    let interrupt = Interrupt::listen()?;
    interrupt.begin_orderly();
    let mut session = attach(&prepared, &plan, asked, &interrupt, progress)?;
    let missed = session.missed()?;
    let hits = Hits::new(&session)?;
    let refusals = start::refusals(&session);
    let meter = session.take_meter();
    privilege::give_up(privilege::needed(
        &prepared.plan,
        matches!(meter, Some(Ok(_))),
    ))
    .await;
    let units = governor::order_units(&plan, &session.programs());
    let session = Arc::new(Mutex::new(session));
    let mut notes: Vec<String> = prepared.running.left_out().into_iter().collect();
    let watchdog = meter.zip(asked.budget);
    let watchdog =
        watchdog.map(|(meter, budget)| Watchdog::over(&session, meter?, hits, units, budget));
    let mut watchdog = watchdog.and_then(|started| {
        let kept =
            started.map_err(|error| notes.push(format!("the budget is not kept: {error:#}")));
        kept.ok()
    });
    let deadline = asked
        .span
        .duration
        .map(|duration| Instant::now() + duration);
    let mut child = program.map(|program| program.start()).transpose()?;
    let mut is_wild = false;
    let status = tokio::select! {
        biased;
        () = interrupt.wait() => None,
        status = ended(child.as_mut()) => Some(status?),
        () = passed(deadline) => None,
        () = wild(watchdog.as_ref()) => {
            is_wild = true;
            None
        }
    };
    if let Some(watchdog) = &mut watchdog {
        watchdog.end();
    }
    let elapsed = govern::lock(&session).close_window()?;
    if let (Some(child), None) = (&mut child, status) {
        child.end().await?;
    }
    let detaching = Progress::new(progress, "detaching probes");
    let mut own = govern::lock(&session);
    own.detach(|at: attach::Progress| detaching.report(at.done as u64, at.total as u64));
    drop(detaching);
    let seen = Seen::take(&mut own, plan.nodes.len() as u32, &missed)?;
    let facts = OrderFacts {
        release: prepared.running.release.clone(),
        realtime: prepared.running.realtime,
        elapsed_ns: nanoseconds(elapsed),
        contexts: context_source(&prepared.running) != ContextSource::default(),
        refusals,
        report: watchdog.map(|watchdog| watchdog.report()),
        notes,
    };
    let symbols = prepared.running.symbols.clone();
    let symbolise = Box::new(move |address| symbols.name_of(address));
    let ordered = Ordered::new(&plan, &seen, facts, symbolise);
    print(&if asked.json {
        export::order::document(&ordered)
    } else {
        export::order::table(&ordered, asked.stacks, size().0)
    })?;
    if is_wild {
        warn!("ended early: the probes cost far more than `--budget` and could not be turned down");
        return Ok(WILD);
    }
    Ok(status.map_or(0, child::exit_code))
}

fn attach(
    prepared: &Prepared,
    plan: &OrderPlan,
    asked: &Order,
    interrupt: &Interrupt,
    progress: bool,
) -> Result<Session> {
    let running = &prepared.running;
    let options = AttachOptions {
        stacks: true,
        meter: asked.budget.is_some(),
        ..AttachOptions::default()
    };
    let layout = prepare::task_layout(&running.btf)?;
    let progress = Progress::new(progress, "attaching probes");
    let session = Session::attach_order(
        plan,
        running.base(VMLINUX)?,
        context_source(running),
        (&layout, &options),
        &interrupt.flag(),
        |at: attach::Progress| progress.report(at.done as u64, at.total as u64),
    )?;
    info!(
        "{} places probed in {:?}",
        session.probed().len(),
        session.attach_time()
    );
    Ok(session)
}

/// What is probed.
fn plan(prepared: &Prepared, asked: &Order, progress: bool) -> Result<OrderPlan> {
    let running = &prepared.running;
    let wanted = Asked::new(&asked.locks, running);
    let mut bases = BTreeMap::new();
    let mut calls = BTreeMap::new();
    let progress = Progress::new(progress, "looking for locks");
    let images = &prepared.catalog.images;
    for (done, image) in (0..).zip(images) {
        let name = &image.image;
        bases.insert(name.clone(), running.base(name)?);
        progress.report(done, images.len() as u64);
        if wanted.patterns.is_empty() {
            continue;
        }
        match lock_calls(running, name, &wanted) {
            Ok(found) => drop(calls.insert(name.clone(), found)),
            // It may have left meanwhile.
            Err(error) if name != VMLINUX => warn!("module `{name}` is left out: {error:#}"),
            Err(error) => return Err(error),
        }
    }
    drop(progress);
    let request = OrderRequest {
        seqcounts: SeqcountNames::new(&asked.seqcounts),
        owners: owner_offsets(&running.btf),
    };
    let hazards = hazards::read(running.init_text());
    let variable = |location: &_| running.address_of(location);
    let plan = order_plan(
        &prepared.catalog,
        &calls,
        &bases,
        &hazards,
        &request,
        &variable,
    )?;
    if let Some(lock) = plan.unmatched(&wanted.patterns) {
        bail!(
            "nowhere is a lock called `{lock}` seen to be taken: give the name of a variable as \
             `/proc/kallsyms` has it, or `STRUCTURE.MEMBER` as in the kernel's types"
        );
    }
    Ok(plan)
}

/// The calls of lock functions in an image.
fn lock_calls(running: &Running, name: &str, asked: &Asked<'_>) -> Result<Vec<LockCall>> {
    let image = running.image(name)?;
    let types = running.types(name);
    let members = asked
        .patterns
        .iter()
        .filter_map(|(text, _)| member(&types, text));
    let wanted = Wanted {
        is_wanted: &|lock: &str| asked.is_wanted(lock),
        members: members.collect(),
        imported: asked.imported.clone(),
    };
    Ok(locks::lock_calls(&image, Some(&types), &wanted))
}

/// The locks that were asked for.
struct Asked<'a> {
    patterns: Vec<(&'a str, GlobMatcher)>,
    /// Where those among the variables of vmlinux are.
    imported: Vec<Range<u64>>,
}

impl<'a> Asked<'a> {
    fn new(globs: &'a [Glob], running: &Running) -> Self {
        let pattern = |glob: &'a Glob| (glob.glob(), glob.compile_matcher());
        let mut asked = Self {
            patterns: globs.iter().map(pattern).collect(),
            imported: Vec::new(),
        };
        if !globs.is_empty() {
            let symbols = &running.symbols.vmlinux;
            asked.imported = locks::variables(symbols, &|name| asked.is_wanted(name));
        }
        asked
    }

    fn is_wanted(&self, lock: &str) -> bool {
        self.patterns.iter().any(|(_, glob)| glob.is_match(lock))
    }
}

/// Where a lock lies that is given as `STRUCTURE.MEMBER`.
fn member(types: &Btf, text: &str) -> Option<u64> {
    let (structure, path) = text.split_once('.')?;
    types.member_offset(structure, path)
}

/// As for blocks; a mutex has an owner on every kernel (`include/linux/mutex_types.h`).
fn owner_offsets(types: &Btf) -> OwnerOffsets {
    let own = || i32::try_from(types.member_offset("mutex", "owner")?).ok();
    let owners = prepare::owner_offsets(types);
    OwnerOffsets {
        mutex: owners.mutex.or_else(own),
        ..owners
    }
}

/// Where this kernel keeps what tells an interrupt from a task (`arch/x86/include/asm/preempt.h`); all zero
/// where it does not show that.
fn context_source(running: &Running) -> ContextSource {
    let find = |name| running.symbols.vmlinux.address_of(name);
    let member = |structure, path| running.btf.member_offset(structure, path);
    // Since 6.15 and before 6.2 a variable; between, a member of `pcpu_hot`.
    let counted = || find("__preempt_count");
    let among_hot = || Some(find("pcpu_hot")?.wrapping_add(member("pcpu_hot", "preempt_count")?));
    let place = || {
        Some(ContextSource {
            per_cpu_offsets: find("__per_cpu_offset")?,
            preempt_count: counted().or_else(among_hot)?,
            softirq_disable: member("task_struct", "softirq_disable_cnt").unwrap_or(0),
        })
    };
    place().unwrap_or_default()
}
