//! A run's beginning: the session as it was asked for, and what adds up its numbers.

use anyhow::Result;
use log::info;

use crate::{
    aggregate::{Aggregate, Facts},
    attach::{self, AttachOptions, MapSizes, Session},
    command::{
        backends, filter,
        interrupt::Interrupt,
        notes,
        prepare::{self, Prepared},
        progress::Progress,
        trace::{Request, nanoseconds},
    },
    config::{Room, Trace},
    kernel::program,
};

/// How many processes of a command are followed, those that are over included: a large build has some 100,000. They
/// take memory as they come.
const PROCESSES: u32 = 1 << 18;

/// What the kernel side is to do for `request`; with `holds` those over the threshold are recorded one by one too.
///
/// # Errors
///
/// When a task, a CPU or a cgroup that was named is not there.
pub(super) fn options(request: &Request<'_>, holds: bool) -> Result<AttachOptions> {
    Ok(AttachOptions {
        filter: filter::tasks(&request.trace.filter)?,
        threshold_ns: Some(nanoseconds(request.trace.threshold)),
        converge_ns: Some(nanoseconds(request.trace.converge_within)),
        stacks: request.trace.stacks,
        notes_ns: notes::every_ns(),
        holds,
        command: (!request.span.run.is_empty()).then_some(PROCESSES),
        meter: request.trace.budget.is_some(),
        sizes: sizes(&request.trace.limits.room),
    })
}

/// Attaches what is planned.
///
/// # Errors
///
/// When no probe can be placed, or the user interrupts.
pub(super) fn attach(
    prepared: &Prepared,
    options: &AttachOptions,
    progress: bool,
    interrupt: &Interrupt,
) -> Result<Session> {
    let layout = prepare::task_layout(&prepared.running.btf)?;
    let notes_ns = options.notes_ns;
    let options = &AttachOptions {
        notes_ns: notes_ns.filter(|_| notes::are_taken(&prepared.running.release)),
        ..options.clone()
    };
    let progress = Progress::new(progress, "attaching probes");
    let session = Session::attach(
        &prepared.plan,
        &layout,
        options,
        &interrupt.flag(),
        |at: attach::Progress| progress.report(at.done as u64, at.total as u64),
    )?;
    info!(
        "{} sites probed, {} at tracepoints of locks, {} sampled; attached in {:?}",
        session.probed().len(),
        session.contended().len(),
        session.sampled().len(),
        session.attach_time()
    );
    Ok(session)
}

/// The sizes of the maps: those that were asked for, else those that suit most machines.
fn sizes(room: &Room) -> MapSizes {
    let Room {
        ring_bytes,
        map_entries,
        max_stacks,
    } = *room;
    let usual = MapSizes::default();
    MapSizes {
        blocks: map_entries.unwrap_or(usual.blocks),
        spins: map_entries.unwrap_or(usual.spins),
        runs: map_entries.unwrap_or(usual.runs),
        blames: map_entries.unwrap_or(usual.blames),
        edges: usual.edges,
        holds: map_entries.unwrap_or(usual.holds),
        tasks: map_entries.unwrap_or(usual.tasks),
        stacks: max_stacks.unwrap_or(usual.stacks),
        stack_counts: map_entries.unwrap_or(usual.stack_counts),
        ring_bytes: ring_bytes.unwrap_or(usual.ring_bytes),
    }
}

/// What adds up the numbers of `session`.
pub(super) fn aggregate(prepared: &Prepared, session: &Session, trace: &Trace) -> Aggregate {
    let Prepared {
        running,
        catalog: _,
        plan,
        backends: _,
        unknown_hazards: _,
        unnamed,
        costs,
    } = prepared;
    let mut costs = costs.clone();
    costs.attach_ns = nanoseconds(session.attach_time());
    costs.peak_rss_bytes = prepare::peak_rss_bytes();
    let mut notes = backends::blind_spots(prepared.backends);
    notes.extend(running.left_out());
    if !session.probed().is_empty() && program::counts_misses(&running.release) == Some(false) {
        notes.push(
            "kernels before 6.7 do not count the probes whose program they pass over: `missed` is not known"
                .to_owned(),
        );
    }
    notes.extend(unnamed_note(*unnamed));
    let facts = Facts {
        release: running.release.clone(),
        build_id: running.build_id.clone(),
        realtime: running.realtime,
        stacks: trace.stacks,
        threshold_ns: Some(nanoseconds(trace.threshold)),
        converge_ns: (!session.runs().is_empty()).then(|| nanoseconds(trace.converge_within)),
        notes,
        costs,
        filters: trace.filter.words(),
        narrowing: filter::of_run(&trace.filter),
    };
    let symbols = running.symbols.clone();
    let symbolise = Box::new(move |address| symbols.name_of(address));
    Aggregate::new(plan, &refusals(session), facts, symbolise)
}

/// What a filter by names cannot know.
fn unnamed_note(unnamed: u64) -> Option<String> {
    (unnamed > 0).then(|| {
        format!(
            "{unnamed} of the filtered read a seqcount whose name is not known, perhaps one that was asked for: \
             -l unknown adds them"
        )
    })
}

/// The sites that the kernel refused, and why, in words.
pub(super) fn refusals(session: &Session) -> Vec<(u32, String)> {
    let refusals = session.refusals().iter();
    refusals
        .map(|(slot, refusal)| (*slot, refusal.to_string()))
        .collect()
}
