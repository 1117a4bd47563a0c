//! Edges → cycles, and what lockdep would take for one if it took two seqcounts for the same.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::EdgeRow;
use crate::plan::order::Node;

/// What the edges say of deadlocks. Locks and seqcounts go by their names, never by lockdep's classes.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Ways from a node back to itself, each beginning with the first of its names.
    pub cycles: Vec<Vec<String>>,
    /// Pairs of seqcounts of which one would be a way back to the other if they were one class.
    pub merged: Vec<Merged>,
}

/// Two seqcounts that are no cycle, and would be one under one lockdep class.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Merged {
    /// From the one to the other, what was held first.
    pub way: Vec<String>,
}

type Graph<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

impl Verdict {
    pub(super) fn of(nodes: &[Node], edges: &[EdgeRow]) -> Self {
        let mut graph = Graph::new();
        let mut cycles = BTreeSet::new();
        for edge in edges {
            if edge.held == edge.node {
                // Two objects of one name, one inside the other, are no way back.
                if edge.same {
                    cycles.insert(vec![edge.held.clone()]);
                }
                continue;
            }
            graph.entry(&edge.held).or_default().insert(&edge.node);
        }
        for (from, tos) in &graph {
            for to in tos {
                if let Some(way) = shortest(&graph, to, from) {
                    cycles.insert(first_first(&way));
                }
            }
        }
        let mut merged = BTreeSet::new();
        let seqcounts = || nodes.iter().filter(|node| node.is_seqcount);
        for from in seqcounts() {
            for to in seqcounts().filter(|to| to.name != from.name) {
                let on_cycle = |name: &str| {
                    cycles
                        .iter()
                        .any(|cycle| cycle.iter().any(|one| one == name))
                };
                if on_cycle(&from.name) && on_cycle(&to.name) {
                    continue;
                }
                if let Some(way) = shortest(&graph, &from.name, &to.name) {
                    let way = way.into_iter().map(str::to_owned).collect();
                    merged.insert(Merged { way });
                }
            }
        }
        Self {
            cycles: cycles.into_iter().collect(),
            merged: merged.into_iter().collect(),
        }
    }
}

/// The shortest way, both ends included.
fn shortest<'a>(graph: &Graph<'a>, from: &'a str, to: &str) -> Option<Vec<&'a str>> {
    let mut before: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([from]);
    while let Some(at) = queue.pop_front() {
        if at == to {
            let mut way = vec![at];
            while let Some(previous) = before
                .get(way[way.len() - 1])
                .filter(|_| way[way.len() - 1] != from)
            {
                way.push(*previous);
            }
            way.reverse();
            return Some(way);
        }
        for next in graph.get(at).into_iter().flatten() {
            if *next != from && !before.contains_key(next) {
                before.insert(next, at);
                queue.push_back(next);
            }
        }
    }
    None
}

/// The way around a cycle, beginning with the first of its names.
fn first_first(way: &[&str]) -> Vec<String> {
    let first = way.iter().enumerate().min_by_key(|(_, name)| **name);
    let start = first.map_or(0, |(index, _)| index);
    let around = way[start..].iter().chain(&way[..start]);
    around.map(|name| (*name).to_owned()).collect()
}
