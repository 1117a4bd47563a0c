//! Stacks → a flame graph of boxes: which calls the time was lost in, the outermost at the top.

use std::collections::BTreeMap;

use crate::{
    aggregate::snapshot::{Row, Snapshot, StackRow},
    export::folded::Weight,
    plan::Kind,
    tui::{key::Seqcount, text::safe},
};

mod boxes;

pub(super) use boxes::{Box, Step, boxes, next};

/// Which stacks are drawn.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Scope {
    /// Of one seqcount.
    pub(super) seqcount: Option<Seqcount>,
    /// Of one site, by its index in the plan.
    pub(super) slot: Option<u32>,
    /// Of readers of this name.
    pub(super) comm: Option<String>,
}

impl Scope {
    fn has(&self, row: &Row) -> bool {
        let of = |id: &Seqcount| row.seqcount == id.name && row.lockname == id.lockname;
        // Writers lose nothing by holding.
        row.kind != Kind::Write
            && self.seqcount.as_ref().is_none_or(of)
            && self.slot.is_none_or(|slot| slot == row.slot)
    }
}

/// One call, with those that it made.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Node {
    /// What it weighs with all its calls.
    pub(super) weight: u64,
    pub(super) calls: BTreeMap<String, Node>,
}

/// Stands for a stack that was lost, or could not be counted.
const LOST: &str = "[stack lost]";

/// Stands for a reader that is not known.
const UNKNOWN: &str = "[unknown]";

/// The calls of all stacks in `scope`: the reader's name, its frames, and the seqcount at the end. What
/// it weighs is what the tables say, stacks that were lost included.
pub(super) fn tree(snapshot: &Snapshot, scope: &Scope, weight: Weight) -> Node {
    let of_row = |row: &Row| match weight {
        Weight::Time => row.total_ns,
        Weight::Events => row.count,
        Weight::Retries => weight.of_row(row),
    };
    let of_stack = |row: &Row, stack: &StackRow| match weight {
        Weight::Time => stack.total_ns,
        Weight::Events => stack.count,
        Weight::Retries => weight.of_stack(row, stack),
    };
    let mut root = Node::default();
    let mut uncredited: Vec<u64> = snapshot.rows.iter().map(of_row).collect();
    for stack in &snapshot.stacks {
        let Some(row) = snapshot.rows.get(stack.row) else {
            continue;
        };
        uncredited[stack.row] = uncredited[stack.row].saturating_sub(of_stack(row, stack));
        if !scope.has(row) || scope.comm.as_ref().is_some_and(|comm| *comm != stack.comm) {
            continue;
        }
        let lost = [LOST.to_owned()];
        let frames = if stack.frames.is_empty() {
            &lost[..]
        } else {
            &stack.frames
        };
        root.add(&path(&stack.comm, frames, row), of_stack(row, stack));
    }
    let rows = snapshot.rows.iter().zip(uncredited);
    for (row, weight) in rows.filter(|(row, _)| scope.comm.is_none() && scope.has(row)) {
        root.add(&path(UNKNOWN, &[LOST.to_owned()], row), weight);
    }
    root
}

fn path(comm: &str, frames: &[String], row: &Row) -> Vec<String> {
    let mut path = vec![safe(comm)];
    path.extend(frames.iter().map(|frame| safe(frame)));
    path.push(format!("{} [{}]", safe(&row.seqcount), row.kind.word()));
    path
}

impl Node {
    fn add(&mut self, path: &[String], weight: u64) {
        if weight == 0 {
            return;
        }
        self.weight = self.weight.saturating_add(weight);
        if let Some((name, rest)) = path.split_first() {
            self.calls
                .entry(name.clone())
                .or_default()
                .add(rest, weight);
        }
    }

    /// The call at the end of `path`.
    pub(super) fn at(&self, path: &[String]) -> Option<&Self> {
        path.iter()
            .try_fold(self, |node, name| node.calls.get(name))
    }

    /// The calls that it made, the heaviest first.
    fn by_weight(&self) -> Vec<(&String, &Self)> {
        let mut calls: Vec<_> = self.calls.iter().collect();
        calls.sort_by_key(|(_, node)| std::cmp::Reverse(node.weight));
        calls
    }
}
