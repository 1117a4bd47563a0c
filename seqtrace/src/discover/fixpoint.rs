//! The state at the head of every block: rounds over the graph until nothing changes.
//!
//! Optimistic: a way that no round has walked yet has no say, so values that survive a loop are
//! seen to. Blocks that the entry does not reach have no say about those it does.

use super::{
    graph::{BlockIndex, Graph},
    state::State,
    transfer::Transfer,
    value::Values,
};

/// Real functions settle within six rounds; what has not settled by then is still right for the
/// ways walked.
const ROUNDS: usize = 10;

/// Computes the state at the head of each block.
pub(super) fn heads(
    graph: &Graph,
    transfer: &mut Transfer<'_>,
    values: &mut Values,
) -> Vec<Option<State>> {
    let (order, reached) = graph.order();
    let mut from_entry = vec![false; graph.blocks.len()];
    for &block in &order[..reached] {
        from_entry[block as usize] = true;
    }
    let mut rounds = Rounds {
        graph,
        entry: State::at_entry(values),
        from_entry,
        heads: vec![None; graph.blocks.len()],
        tails: vec![None; graph.blocks.len()],
        stale: vec![true; graph.blocks.len()],
    };
    for _ in 0..ROUNDS {
        if !rounds.stale.contains(&true) {
            break;
        }
        for &block in &order {
            rounds.visit(block, transfer, values);
        }
    }
    rounds.heads
}

struct Rounds<'a> {
    graph: &'a Graph,
    entry: State,
    from_entry: Vec<bool>,
    heads: Vec<Option<State>>,
    tails: Vec<Option<State>>,
    /// Blocks in front of which something has changed since they were walked.
    stale: Vec<bool>,
}

impl Rounds<'_> {
    /// Walks one block, unless that would find what it found before.
    fn visit(&mut self, block: BlockIndex, transfer: &mut Transfer<'_>, values: &mut Values) {
        let index = block as usize;
        if !std::mem::replace(&mut self.stale[index], false) {
            return;
        }
        let head = self.head(block, values);
        if self.heads[index].as_ref() == Some(&head) && self.tails[index].is_some() {
            return;
        }
        let mut state = head.clone();
        self.heads[index] = Some(head);
        for at in self.graph.blocks[index].instructions.clone() {
            transfer.apply(&self.graph.instructions[at], &mut state, values);
        }
        if self.tails[index].as_ref() != Some(&state) {
            for edge in &self.graph.blocks[index].successors {
                self.stale[edge.block as usize] = true;
            }
        }
        self.tails[index] = Some(state);
    }

    fn head(&self, block: BlockIndex, values: &mut Values) -> State {
        let index = block as usize;
        let start = self.graph.blocks[index].start;
        let is_entry = block == self.graph.entry;
        let mut from: Vec<&State> = self.graph.blocks[index]
            .predecessors
            .iter()
            .map(|edge| edge.block as usize)
            .filter(|&before| self.from_entry[before] || !self.from_entry[index])
            .filter_map(|before| self.tails[before].as_ref())
            .collect();
        if is_entry {
            from.push(&self.entry);
        }
        match from[..] {
            [] => State::unknown(start, values),
            [only] => only.clone(),
            _ => State::merge(start, &from, values),
        }
    }
}
