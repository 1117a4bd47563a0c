//! What was seen of each lock and seqcount, and where it was looked.

use std::collections::BTreeMap;

use seqtrace_common::order::{OrderCounters, deed};
use serde::{Deserialize, Serialize};

use crate::{collect::order::Seen, plan::order::OrderPlan};

/// One lock or seqcount.
///
/// `taken = released + held + retaken + not_held + full`.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct NodeRow {
    /// Its name.
    pub name: String,
    /// Whether it is a seqcount, which is held while its sequence is odd.
    pub is_seqcount: bool,
    /// Addresses at which it is followed.
    pub sites: u64,
    /// Of them those that were executed.
    pub sites_hit: u64,
    /// Times that it was taken; of a seqcount, write sections.
    pub taken: u64,
    /// Of them those that were dropped again.
    pub released: u64,
    /// Of them those that are held still.
    pub held: u64,
    /// Of them those that the same task took again, so that the drop was not seen.
    pub retaken: u64,
    /// Of them those that turned out not to be held, so that the drop was not seen.
    pub not_held: u64,
    /// Of them those that were not followed: there was no room.
    pub full: u64,
    /// Drops of what was not seen to be taken, as what was held when tracing began; not in `taken`.
    pub untaken: u64,
    /// Calls of functions that may fail to take it.
    pub tried: u64,
    /// Of them those that failed.
    pub failed: u64,
    /// Of them those whose end was not seen.
    pub try_lost: u64,
    /// Read sections begun.
    pub reads: u64,
    /// Of them those begun while something was held.
    pub reads_under: u64,
    /// Times that a reader took the writer's lock to drop it at once (PREEMPT_RT).
    pub blocks: u64,
    /// Of them those while something was held.
    pub blocks_under: u64,
    /// Of those taken, without those by functions that may fail: while something was held.
    pub taken_under: u64,
    /// Pairs of what was done to it and what was held then.
    pub links: u64,
    /// Of them those that are in no edge: there was no room.
    pub edges_full: u64,
}

impl NodeRow {
    /// The sums that do not hold.
    pub fn check(&self) -> Vec<String> {
        let Self {
            name,
            taken,
            released,
            held,
            retaken,
            not_held,
            full,
            tried,
            failed,
            ..
        } = self;
        let mut broken = Vec::new();
        let seen = released + held + retaken + not_held + full;
        if *taken != seen {
            broken.push(format!(
                "{name}: {taken} taken, but {seen} released, held and lost"
            ));
        }
        if failed > tried {
            broken.push(format!("{name}: {failed} of {tried} tries failed"));
        }
        broken
    }

    /// Whether something about it was not seen.
    pub fn has_losses(&self) -> bool {
        self.retaken + self.not_held + self.full + self.edges_full + self.try_lost > 0
    }
}

/// Where it was looked: `sites = probed + skipped + refused`.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Probes {
    /// Addresses at which something is done to what is followed.
    pub sites: u64,
    /// Of them those with a probe.
    pub probed: u64,
    /// Left out by us, by the reason.
    pub skipped: BTreeMap<String, u64>,
    /// Refused by the kernel, by the reason.
    pub refused: BTreeMap<String, u64>,
}

impl Probes {
    pub(super) fn of(plan: &OrderPlan, refusals: &[(u32, String)]) -> Self {
        let mut probes = Self {
            sites: plan.targets.len() as u64,
            ..Self::default()
        };
        for skip in plan.targets.iter().filter_map(|target| target.skip) {
            *probes.skipped.entry(skip.word().to_owned()).or_default() += 1;
        }
        for (_, reason) in refusals {
            *probes.refused.entry(reason.clone()).or_default() += 1;
        }
        let others = probes.skipped.values().chain(probes.refused.values());
        probes.probed = probes.sites - others.sum::<u64>();
        probes
    }
}

pub(super) fn rows(plan: &OrderPlan, seen: &Seen) -> Vec<NodeRow> {
    let nothing = OrderCounters::default();
    let mut rows: Vec<NodeRow> = Vec::new();
    for (index, node) in plan.nodes.iter().enumerate() {
        let counters = seen.nodes.get(index).unwrap_or(&nothing);
        let own = (0..).zip(&plan.targets).filter(|(_, target)| {
            let waits = target
                .waits_for
                .is_some_and(|other| other as usize == index);
            (target.node as usize == index || waits) && target.skip.is_none()
        });
        let hits: Vec<u64> = own
            .map(|(slot, _): (usize, _)| seen.hits.get(slot).copied().unwrap_or(0))
            .collect();
        let [_, _, reads, blocks] = counters.deeds;
        let [locks_under, writes_under, reads_under, blocks_under] = counters.under;
        rows.push(NodeRow {
            name: node.name.clone(),
            is_seqcount: node.is_seqcount,
            sites: hits.len() as u64,
            sites_hit: hits.iter().filter(|hits| **hits > 0).count() as u64,
            taken: counters.taken,
            released: counters.released,
            held: seen.held.get(index).copied().unwrap_or(0),
            retaken: counters.retaken,
            not_held: counters.not_held,
            full: counters.full,
            untaken: counters.untaken,
            tried: counters.tried,
            failed: counters.failed,
            try_lost: counters.try_lost,
            reads,
            reads_under,
            blocks,
            blocks_under,
            taken_under: locks_under + writes_under,
            links: counters.links,
            edges_full: counters.edges_full,
        });
    }
    rows.sort_by(|a, b| (a.is_seqcount, &a.name).cmp(&(b.is_seqcount, &b.name)));
    rows
}

const _: () = assert!(
    deed::LOCK == 0 && deed::WRITE == 1 && deed::READ == 2 && deed::BLOCK == 3 && deed::COUNT == 4
);
