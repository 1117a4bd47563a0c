//! What was seen of the order of locks and seqcounts → a document, complete by itself.

use std::collections::BTreeMap;

use seqtrace_common::{
    loss,
    order::{EdgeKey, EdgeValue, context, deed},
};
use serde::{Deserialize, Serialize};

use super::{Symbolise, comm, frames::FrameNames};
use crate::{
    collect::order::Seen,
    governor::{Level, Report},
    plan::order::{Node, OrderPlan, OrderTarget},
};

mod cycles;
mod nodes;

pub use self::{
    cycles::{Merged, Verdict},
    nodes::{NodeRow, Probes},
};

/// The edges between the locks and seqcounts that were followed. Holds no kernel address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ordered {
    /// Version of this document's layout: 1.
    pub format: u32,
    /// Kernel release (`uname -r`).
    pub release: String,
    /// Whether it is a PREEMPT_RT kernel.
    pub realtime: bool,
    /// How long it was looked at, nanoseconds.
    pub elapsed_ns: u64,
    /// Whether interrupts were told from tasks; if not, all are tasks.
    pub contexts: bool,
    /// What was followed, by name.
    pub nodes: Vec<NodeRow>,
    /// What was done while something was held, most often first.
    pub edges: Vec<EdgeRow>,
    /// What the edges say of deadlocks.
    pub verdict: Verdict,
    /// Calls of functions that may fail to take a lock, under way still at the end.
    pub tries: u64,
    /// Where it was looked.
    pub probes: Probes,
    /// What was lost, by name; what was lost of a single lock or seqcount stands there.
    pub losses: BTreeMap<String, u64>,
    /// What the probes cost; `None` where there is no budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// What else has to be known.
    pub notes: Vec<String>,
}

/// One lock or seqcount was held while something was done to another.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct EdgeRow {
    /// What was held.
    pub held: String,
    /// What it was done to.
    pub node: String,
    /// What was done: `lock`, `write`, `read`, `block`.
    pub deed: String,
    /// `task`, `softirq` or `interrupt`.
    pub context: String,
    /// Whether both were the same object in memory.
    pub same: bool,
    /// How often.
    pub count: u64,
    /// By places in the code, most often first; `count` is their sum.
    pub places: Vec<PlaceRow>,
}

/// The two places of an edge.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct PlaceRow {
    /// Where the one was taken: `alloc_pid+0x1a3`.
    pub taken_at: String,
    /// Where the other was done.
    pub done_at: String,
    /// How often.
    pub count: u64,
    /// Command name of the first task with the stack below.
    pub comm: String,
    /// Its process id.
    pub tgid: u32,
    /// The stack that was met most often, outermost first; empty where the kernel gave none.
    pub stack: Vec<String>,
}

/// What the probes cost. Costs are parts of the time of all CPUs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// The cost that is allowed.
    pub budget: f64,
    /// The cost since the counting began.
    pub mean: f64,
    /// The highest cost in any second.
    pub peak: f64,
    /// Which lock or seqcount was turned off and on again, oldest first.
    pub changes: Vec<Change>,
}

/// One lock or seqcount that was turned off, or on again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Time since the counting began, nanoseconds.
    pub time_ns: u64,
    /// Which.
    pub node: String,
    /// Whether it is followed from then on.
    pub on: bool,
    /// What all probes cost before.
    pub cost: f64,
    /// What its own did.
    pub own: f64,
}

/// What does not come from the counting.
#[derive(Clone, Debug, Default)]
pub struct OrderFacts {
    /// Kernel release (`uname -r`).
    pub release: String,
    /// Whether it is a PREEMPT_RT kernel.
    pub realtime: bool,
    /// How long it was looked at, nanoseconds.
    pub elapsed_ns: u64,
    /// Whether interrupts are told from tasks.
    pub contexts: bool,
    /// Slots that the kernel refused, and why.
    pub refusals: Vec<(u32, String)>,
    /// What the governor did; `None` where there is no budget.
    pub report: Option<Report>,
    /// What else has to be known.
    pub notes: Vec<String>,
}

impl Ordered {
    /// The document.
    pub fn new(plan: &OrderPlan, seen: &Seen, facts: OrderFacts, symbolise: Symbolise) -> Self {
        let OrderFacts {
            release,
            realtime,
            elapsed_ns,
            contexts,
            refusals,
            report,
            notes,
        } = facts;
        let edges = edges(plan, seen, &FrameNames::new(symbolise));
        let losses = loss::NAMES.iter().zip(seen.losses);
        let losses = losses.filter(|(_, count)| *count > 0);
        Self {
            format: 1,
            release,
            realtime,
            elapsed_ns,
            contexts,
            nodes: nodes::rows(plan, seen),
            verdict: Verdict::of(&plan.nodes, &edges),
            edges,
            tries: seen.tries,
            probes: Probes::of(plan, &refusals),
            losses: losses
                .map(|(name, count)| ((*name).to_owned(), count))
                .collect(),
            budget: report.map(|report| budget(plan, &report)),
            notes,
        }
    }

    /// The sums that do not hold; one line each. For documents of a session that is over.
    pub fn check(&self) -> Vec<String> {
        let mut broken: Vec<String> = self.nodes.iter().flat_map(NodeRow::check).collect();
        for node in &self.nodes {
            let edges = self.edges.iter().filter(|edge| edge.node == node.name);
            let seen: u64 = edges.map(|edge| edge.count).sum();
            if seen + node.edges_full != node.links {
                let (name, links, full) = (&node.name, node.links, node.edges_full);
                broken.push(format!(
                    "{name}: {links} links, but {seen} in edges + {full} edges_full"
                ));
            }
        }
        for edge in &self.edges {
            let places: u64 = edge.places.iter().map(|place| place.count).sum();
            if places != edge.count {
                broken.push(format!(
                    "{} → {}: {places} at places, {}",
                    edge.held, edge.node, edge.count
                ));
            }
        }
        broken
    }
}

fn deed_word(number: u32) -> &'static str {
    match number {
        deed::LOCK => "lock",
        deed::WRITE => "write",
        deed::READ => "read",
        _ => "block",
    }
}

fn context_word(number: u32) -> &'static str {
    match number {
        context::INTERRUPT => "interrupt",
        context::SOFTIRQ => "softirq",
        _ => "task",
    }
}

/// Edges of one kind, by their places.
type Places<'a> = BTreeMap<(u32, u32), Vec<(&'a EdgeKey, &'a EdgeValue)>>;

fn edges(plan: &OrderPlan, seen: &Seen, names: &FrameNames) -> Vec<EdgeRow> {
    let mut kinds: BTreeMap<(u32, u32, u32, u32, u32), Places<'_>> = BTreeMap::new();
    for (key, value) in &seen.edges {
        let kind = (key.held, key.node, key.deed, key.context, key.same);
        let places = kinds.entry(kind).or_default();
        places
            .entry((key.held_slot, key.slot))
            .or_default()
            .push((key, value));
    }
    let name = |node: u32| {
        plan.nodes
            .get(node as usize)
            .map_or("?", |node: &Node| &node.name)
    };
    let label = |slot: u32| {
        plan.targets
            .get(slot as usize)
            .map_or_else(|| "?".to_owned(), OrderTarget::label)
    };
    let mut rows: Vec<EdgeRow> = Vec::new();
    for ((held, node, deed, context, same), places) in kinds {
        let mut places: Vec<PlaceRow> = places
            .into_iter()
            .filter_map(|((taken, done), mut stacks)| {
                // The same stack whatever the order in which the map is read.
                stacks.sort_by_key(|(key, value)| (std::cmp::Reverse(value.count), key.stack));
                let (key, first) = *stacks.first()?;
                let frames = seen.frames.get(&key.stack);
                Some(PlaceRow {
                    taken_at: label(taken),
                    done_at: label(done),
                    count: stacks.iter().map(|(_, value)| value.count).sum(),
                    comm: comm::text(&first.comm),
                    tgid: first.tgid,
                    stack: frames
                        .map(|frames| names.frames(frames))
                        .unwrap_or_default(),
                })
            })
            .collect();
        places.sort_by(|a, b| {
            b.count
                .cmp(&a.count)
                .then_with(|| a.done_at.cmp(&b.done_at))
        });
        rows.push(EdgeRow {
            held: name(held).to_owned(),
            node: name(node).to_owned(),
            deed: deed_word(deed).to_owned(),
            context: context_word(context).to_owned(),
            same: same != 0,
            count: places.iter().map(|place| place.count).sum(),
            places,
        });
    }
    rows.sort_by(|a, b| {
        b.count
            .cmp(&a.count)
            .then_with(|| (&a.held, &a.node).cmp(&(&b.held, &b.node)))
    });
    rows
}

fn budget(plan: &OrderPlan, report: &Report) -> Budget {
    let changes = report.decisions.iter().filter_map(|decision| {
        let target = plan.targets.get(*decision.slots.first()? as usize)?;
        Some(Change {
            time_ns: decision.time_ns,
            node: plan.nodes.get(target.node as usize)?.name.clone(),
            on: decision.level != Level::Off,
            cost: decision.cost,
            own: decision.own,
        })
    });
    Budget {
        budget: report.figures.budget,
        mean: report.figures.mean,
        peak: report.figures.peak,
        changes: changes.collect(),
    }
}

#[cfg(test)]
mod tests;
