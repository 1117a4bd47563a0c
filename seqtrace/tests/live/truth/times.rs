//! How long it lasted: sums of nanoseconds beside those of the module, within five percent and the price of
//! the traps, which is told. A budget is there for that price; nothing can be above this one.

use std::{collections::BTreeMap, fmt::Write as _, iter};

use ::seqtrace::aggregate::snapshot::Snapshot;

use super::{
    module::{Kind, Module, Wait, readers},
    rows::{holds, holds_ns, told},
};
use crate::guest::Guest;

const OPTIONS: [&str; 4] = ["--threshold", "1s", "--budget", "100"];

/// How long a writer stays inside for whom readers wait, or who makes them retry. A spin is told up to its
/// last `pause`, and emulated processors take turns: the loop may go on for a turn after it.
const WAITED_FOR_NS: u64 = 20_000_000;
/// Waits of each reader.
const WAITS: u64 = 20;
/// Runs of two retries of each reader, each run as long as two holds.
const RUNS: u64 = 15;

/// How long a writer whom nobody waits for stays inside.
const HELD_NS: u64 = 2_000_000;
/// Write sections of each kind in each context.
const HOLDS: u64 = 100;

/// Kinds whose readers spin, PREEMPT_RT or not.
const SPIN: [&str; 2] = ["plain", "raw_spinlock"];

/// Traps that lie within what the one measures and outside of what the other does: where it begins,
/// and where it ends.
const TRAPS: u64 = 2;

/// A host that lets the guest stand still between the two looks at the clock spoils a sum, but makes no
/// wrong one right: one of so many measurements has to agree.
const MEASUREMENTS: u32 = 4;

/// Blocks, spins, and the runs of those retries that are followed.
pub(crate) fn a_wait_lasts_as_long_as_it_was(_: &Guest) -> String {
    let module = Module::load_with(&[&format!("hold_ns={WAITED_FOR_NS}")]);
    let kinds = module.truth();
    let mut options = OPTIONS.to_vec();
    for kind in &kinds {
        options.extend(["--retries", &*kind.seqcount]);
    }
    let commands = [format!("odd all {WAITS}"), format!("runs all 2 {RUNS}")];
    agreed(|sums| {
        let (snapshot, truth) = module.trace(&options, &commands.each_ref().map(String::as_str));
        let trap_ns = trap_ns(&snapshot);
        for (kind, reader) in readers(&truth) {
            let told = told(&snapshot, kind, reader);
            let what = match reader.wait {
                Wait::Blocks => "blocks",
                Wait::Spins => "spins",
                Wait::Never => "waits",
            };
            let waits_ns = (reader.wait_ns, told.blocks_ns + told.spins_ns);
            sums.near(&reader.function, what, waits_ns, reader.waits * trap_ns);
            if told.runs.is_some() && reader.fallbacks == 0 {
                let runs: u64 = reader.runs.iter().sum();
                let runs_ns = (reader.run_ns, told.runs_ns);
                sums.near(&reader.function, "runs", runs_ns, runs * trap_ns);
            }
        }
        trap_ns
    })
}

/// Holds of a task, of one that is preempted while it is inside, and of an interrupt; and how many.
pub(crate) fn a_hold_lasts_as_long_as_it_was(guest: &Guest) -> String {
    let module = Module::load_with(&[&format!("hold_ns={HELD_NS}")]);
    let kinds = module.truth();
    let mut options = OPTIONS.to_vec();
    let mut commands = Vec::new();
    for kind in held(&kinds) {
        options.extend(["--writers", &*kind.seqcount]);
        commands.extend(
            contexts(kind, guest).map(|context| format!("hold {} {context} {HOLDS}", kind.name)),
        );
    }
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    agreed(|sums| {
        let (snapshot, truth) = module.trace(&options, &commands);
        let trap_ns = trap_ns(&snapshot);
        for kind in held(&truth) {
            let wanted = HOLDS * contexts(kind, guest).count() as u64;
            assert_eq!(holds(&snapshot, kind), (wanted, wanted), "{kind:?}");
            let holds_ns = holds_ns(&snapshot, kind);
            sums.near(&kind.seqcount, "holds", holds_ns, wanted * trap_ns);
        }
        trap_ns
    })
}

/// All kinds but the latch: its readers never wait for a writer.
fn held(kinds: &[Kind]) -> impl Iterator<Item = &Kind> {
    kinds.iter().filter(|kind| kind.name != "latch")
}

/// Who holds. Where a writer can be preempted inside, it sleeps on its lock, and no interrupt can take that.
fn contexts(kind: &Kind, guest: &Guest) -> impl Iterator<Item = &'static str> {
    let other = if SPIN.contains(&&*kind.name) {
        Some("interrupt")
    } else {
        guest.realtime.then_some("preempted")
    };
    iter::once("task").chain(other)
}

fn trap_ns(snapshot: &Snapshot) -> u64 {
    let governor = snapshot.governor.as_ref();
    let trap_ns = governor.and_then(|governor| governor.figures.trap_ns);
    trap_ns.expect("the price of a trap is measured")
}

/// For each sum its nearest measurement: truth, what seqtrace told, and whether they agree.
#[derive(Default)]
struct Sums(BTreeMap<String, (u64, u64, bool)>);

impl Sums {
    /// Takes a measurement, truth first; `traps_ns` is the price of one trap for each event.
    fn near(&mut self, whose: &str, what: &str, (truth, told): (u64, u64), traps_ns: u64) {
        if truth == 0 && told == 0 {
            return;
        }
        let agrees = truth.abs_diff(told) <= truth / 20 + TRAPS * traps_ns;
        let kept = self.0.entry(format!("{whose}: {what}_ns"));
        let kept = kept.or_insert((truth, told, agrees));
        if !kept.2 {
            *kept = (truth, told, agrees);
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (name, (truth, told, agrees)) in &self.0 {
            let verdict = if *agrees { "" } else { " WRONG" };
            write!(text, "\n  {name} truth {truth} seqtrace {told}{verdict}")
                .expect("a string takes any text");
        }
        text
    }
}

/// Measures, which tells the price of a trap, until each sum has agreed.
fn agreed(mut measure: impl FnMut(&mut Sums) -> u64) -> String {
    let mut sums = Sums::default();
    for measurement in 1..=MEASUREMENTS {
        let trap_ns = measure(&mut sums);
        assert!(!sums.0.is_empty(), "nothing was compared");
        if sums.0.values().all(|(.., agrees)| *agrees) {
            let text = sums.text();
            return format!("a trap takes {trap_ns} ns, {measurement} measurements{text}");
        }
    }
    panic!("after {MEASUREMENTS} measurements{}", sums.text());
}
