//! Plan and probes → the units that are turned down as one.

use std::collections::BTreeMap;

use crate::plan::{Kind, Plan, order::OrderPlan};

/// Slots that are turned down together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unit {
    /// Slots, ascending.
    pub slots: Vec<u32>,
    /// For each hit the programs that run, by their place in [`super::Reading::programs`].
    pub programs: Vec<usize>,
    /// Whether it may count one hit of several. Only where each hit stands for itself: the two ends of
    /// a block or of a hold, the pauses of a spin and the checks of a run need each other.
    pub can_thin: bool,
    /// Whether these are increments, whose holds are seen whole or not at all.
    pub writes: bool,
    /// Whether the probes are there for a while only, when others want them.
    pub on_demand: bool,
}

/// The units of the slots that have a probe, or may get one: `programs` has, by slot, the programs at its
/// probes.
///
/// Increments of one seqcount are one unit, since a hold begins at one and ends at another. A hit is a
/// hold there, and runs the program twice.
pub fn units(plan: &Plan, programs: &BTreeMap<u32, Vec<usize>>, followed: &[u32]) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let mut writers: BTreeMap<String, usize> = BTreeMap::new();
    for (&slot, programs) in programs {
        let Some(target) = plan.targets.get(slot as usize) else {
            continue;
        };
        let mut unit = Unit {
            slots: vec![slot],
            programs: programs.clone(),
            can_thin: false,
            writes: target.kind == Kind::Write,
            on_demand: target.on_demand,
        };
        match target.kind {
            Kind::Block | Kind::Spin => {}
            Kind::Retry | Kind::Fallback => unit.can_thin = true,
            Kind::Check => unit.can_thin = !followed.contains(&slot),
            Kind::Write => {
                let seqcount = target.place.seqcount().label();
                if let Some(&first) = writers.get(&seqcount) {
                    units[first].slots.push(slot);
                    continue;
                }
                writers.insert(seqcount, units.len());
                unit.programs.extend(programs);
            }
        }
        units.push(unit);
    }
    units
}

/// The units of an order plan: all that is probed of a lock or a seqcount is one, since what is taken at
/// one place is dropped at another.
pub fn order_units(plan: &OrderPlan, programs: &BTreeMap<u32, Vec<usize>>) -> Vec<Unit> {
    let mut units: BTreeMap<u32, Unit> = BTreeMap::new();
    for (&slot, programs) in programs {
        let Some(target) = plan.targets.get(slot as usize) else {
            continue;
        };
        let unit = units.entry(target.node).or_insert_with(|| Unit {
            slots: Vec::new(),
            programs: programs.iter().take(1).copied().collect(),
            can_thin: false,
            writes: false,
            on_demand: false,
        });
        unit.slots.push(slot);
    }
    units.into_values().collect()
}
