//! What was counted of the order in which locks and seqcounts are taken.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use aya::maps::{HashMap as KernelMap, MapData, PerCpuArray, StackTraceMap};
use seqtrace_common::{
    counters::SiteCounters,
    loss,
    order::{EdgeKey, EdgeValue, HeldNodes, OrderCounters},
};

use super::{
    maps::{contents, take},
    stacks::Stacks,
};
use crate::attach::{Missed, Session};

/// Totals of one session.
#[derive(Debug, Default)]
pub struct Seen {
    /// By node.
    pub nodes: Vec<OrderCounters>,
    /// By node, how many are held still.
    pub held: Vec<u64>,
    /// Calls of functions that may fail, under way still.
    pub tries: u64,
    /// What was done while something was held.
    pub edges: HashMap<EdgeKey, EdgeValue>,
    /// Return addresses by stack id, innermost first.
    pub frames: HashMap<i32, Vec<u64>>,
    /// By slot, how often its address was executed.
    pub hits: Vec<u64>,
    /// What was lost, by [`loss`].
    pub losses: [u64; loss::COUNT as usize],
}

impl Seen {
    /// Reads the maps, once, when the probes are off. `nodes` is their number.
    ///
    /// # Errors
    ///
    /// When a map cannot be read.
    pub fn take(session: &mut Session, nodes: u32, missed: &Missed) -> Result<Self> {
        let entries = session.sizes().edges;
        let held: KernelMap<MapData, u32, HeldNodes> = take(session, "HELD")?;
        let tries: KernelMap<MapData, u32, u64> = take(session, "TRIES")?;
        let edges: KernelMap<MapData, EdgeKey, EdgeValue> = take(session, "EDGES")?;
        let edges = contents(&edges, entries, "EDGES")?;
        let stacks: StackTraceMap<MapData> = take(session, "STACKS")?;
        let mut seen = Self {
            nodes: order_counters(session, nodes)?,
            held: vec![0; nodes as usize],
            tries: contents(&tries, entries, "TRIES")?.len() as u64,
            frames: Stacks::new(stacks).frames(edges.keys().map(|edge| edge.stack)),
            edges,
            hits: hits(session)?,
            losses: losses(session)?,
        };
        for nodes in contents(&held, entries, "HELD")?.values() {
            for held in nodes.nodes.iter().filter(|held| held.address != 0) {
                if let Some(count) = seen.held.get_mut(held.node as usize) {
                    *count += 1;
                }
            }
        }
        seen.losses[loss::MISSED as usize] += missed.passed_over()?;
        let fired = missed.fired()?.unwrap_or_default();
        seen.losses[loss::NESTED as usize] += fired.nested;
        Ok(seen)
    }
}

fn order_counters(session: &mut Session, nodes: u32) -> Result<Vec<OrderCounters>> {
    let map: PerCpuArray<MapData, OrderCounters> = take(session, "ORDER_COUNTERS")?;
    let sum = |node| {
        let cpus = map.get(&node, 0);
        let cpus = cpus.context("failed to read the map `ORDER_COUNTERS`")?;
        let mut sum = OrderCounters::default();
        cpus.iter().for_each(|cpu| sum.add(cpu));
        Ok(sum)
    };
    (0..nodes).map(sum).collect()
}

fn hits(session: &mut Session) -> Result<Vec<u64>> {
    let slots = session.slots();
    let map: PerCpuArray<MapData, SiteCounters> = take(session, "COUNTERS")?;
    let sum = |slot| {
        let cpus = map.get(&slot, 0);
        let cpus = cpus.context("failed to read the map `COUNTERS`")?;
        Ok(cpus.iter().map(|cpu| cpu.hits).sum())
    };
    (0..slots).map(sum).collect()
}

fn losses(session: &mut Session) -> Result<[u64; loss::COUNT as usize]> {
    let map: PerCpuArray<MapData, u64> = take(session, "LOSSES")?;
    let mut sums = [0; loss::COUNT as usize];
    for (index, sum) in (0..).zip(&mut sums) {
        let cpus = map.get(&index, 0);
        *sum = cpus
            .context("failed to read the map `LOSSES`")?
            .iter()
            .sum();
    }
    Ok(sums)
}
