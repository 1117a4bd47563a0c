//! Marked instructions → those worth showing with them: what makes their operands, and where a
//! cold block goes on.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, Register};
use rustc_hash::FxHashSet;

use super::Mark;
use crate::discover::{
    catalog::Role,
    graph::Graph,
    instruction::{self, RDI, RSP, RegisterNumber},
};

/// How far before an instruction the makers of its operands are looked for.
const BEFORE: usize = 8;

/// How many instructions behind the begin of a cold block are shown.
const BEHIND: usize = 3;

/// A block is short: call, argument, call, argument, load.
const LONGEST_BLOCK: usize = 12;

/// Indices of the instructions to show.
pub(super) fn shown(graph: &Graph, marks: &BTreeMap<usize, Vec<Mark>>) -> BTreeSet<usize> {
    let mut shown = BTreeSet::new();
    for (&at, marks) in marks {
        shown.insert(at);
        for mark in marks {
            around(graph, &mut shown, at, mark);
        }
    }
    shown
}

fn around(graph: &Graph, shown: &mut BTreeSet<usize>, at: usize, mark: &Mark) {
    match mark {
        Mark::Load { .. }
        | Mark::Reload { .. }
        | Mark::Recheck { .. }
        | Mark::Compare { .. }
        | Mark::BlockEnd
        | Mark::Write { .. } => makers(graph, shown, at, &operands(&graph.instructions[at])),
        Mark::Cold {
            role: Role::Block, ..
        } => {
            makers(graph, shown, at, &[RDI]);
            until_block_end(graph, shown, at);
        }
        Mark::Cold {
            role: Role::Spin | Role::Retry | Role::Fallback,
            ..
        } => straight_on(graph, shown, at),
        Mark::Test | Mark::Mask | Mark::Branch { .. } | Mark::Decide { .. } => {}
    }
}

/// Registers that make up the address of a memory operand, or that are compared.
fn operands(one: &Instruction) -> Vec<RegisterNumber> {
    let compared = (0..one.op_count())
        .filter(|_| {
            matches!(
                one.mnemonic(),
                Mnemonic::Cmp | Mnemonic::Sub | Mnemonic::Xor
            )
        })
        .filter_map(|operand| instruction::register_operand(one, operand));
    let address = [one.memory_base(), one.memory_index()];
    let address = address
        .into_iter()
        .filter(|&register| register != Register::None);
    let address = address.filter_map(instruction::number);
    address
        .chain(compared)
        .filter(|&register| register != RSP)
        .collect()
}

/// The instructions just before that make the registers, where they load them from memory.
fn makers(graph: &Graph, shown: &mut BTreeSet<usize>, at: usize, registers: &[RegisterNumber]) {
    let mut wanted: FxHashSet<RegisterNumber> = registers.iter().copied().collect();
    let mut factory = InstructionInfoFactory::new();
    let mut behind = at;
    for before in (at.saturating_sub(BEFORE)..at).rev() {
        let one = &graph.instructions[before];
        let runs_on = one.next_ip() == graph.instructions[behind].ip()
            && one.flow_control() == FlowControl::Next;
        if wanted.is_empty() || !runs_on {
            return;
        }
        behind = before;
        let written = factory.info(one).used_registers().iter().any(|used| {
            let writes = matches!(used.access(), OpAccess::Write | OpAccess::ReadWrite);
            let number = instruction::number(used.register());
            writes && number.is_some_and(|number| wanted.remove(&number))
        });
        if written && (instruction::is_memory_operand(one, 1) || one.mnemonic() == Mnemonic::Lea) {
            shown.insert(before);
            wanted.extend(operands(one));
        }
    }
}

/// From the call of the lock to the second call, and to the load behind it.
fn until_block_end(graph: &Graph, shown: &mut BTreeSet<usize>, at: usize) {
    let mut calls = 0;
    for (distance, one) in graph.instructions[at..]
        .iter()
        .take(LONGEST_BLOCK)
        .enumerate()
    {
        shown.insert(at + distance);
        calls += usize::from(one.flow_control() == FlowControl::Call);
        if calls == 2 || !matches!(one.flow_control(), FlowControl::Next | FlowControl::Call) {
            return;
        }
    }
}

/// Where a cold block goes on: a few instructions to its end.
fn straight_on(graph: &Graph, shown: &mut BTreeSet<usize>, at: usize) {
    let block = graph
        .blocks
        .iter()
        .find(|block| block.instructions.contains(&at));
    let end = block.map_or(at, |block| block.instructions.end);
    for further in at + 1..end.min(at + 1 + BEHIND) {
        shown.insert(further);
    }
}
