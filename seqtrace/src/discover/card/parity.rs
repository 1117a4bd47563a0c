//! A loaded sequence → the instructions that look at its bit 0.
//!
//! Follows the value through registers over a few instructions; what does not come soon is not
//! shown.

use iced_x86::{
    FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register,
};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::discover::{
    graph::Graph,
    instruction::{self, ParityMask, RegisterNumber},
};

/// No further from the load than this, instructions.
const REACH: usize = 32;

/// What an instruction does to bit 0 of a sequence.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Look {
    /// Tests it.
    Test,
    /// Takes it away.
    Mask,
}

/// A condition, as far as it is about one flag.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Flag {
    /// The last result was not zero.
    NotZero,
    /// The last bit tested was set.
    Carry,
}

/// What becomes of a loaded sequence, as indices of instructions.
#[derive(Debug, Default)]
pub(super) struct Followed {
    /// Looks at bit 0.
    pub(super) looked_at: Option<(usize, Look)>,
    /// Branches on it, and the address to which an odd value goes.
    pub(super) branch: Option<(usize, u64)>,
    /// Carry the value elsewhere in between.
    pub(super) kept: Vec<usize>,
}

/// Follows the value that the instruction at `load` loads.
pub(super) fn follow(graph: &Graph, index: &FxHashMap<u64, usize>, load: usize) -> Followed {
    let mut followed = Followed::default();
    let first = &graph.instructions[load];
    let mut flag = look(first, None).map(|(look, flag)| {
        followed.looked_at = Some((load, look));
        flag
    });
    let mut held: FxHashSet<RegisterNumber> = instruction::register_operand(first, 0)
        .into_iter()
        .collect();
    let mut factory = InstructionInfoFactory::new();
    let mut at = if followed.looked_at.is_some() || !held.is_empty() {
        next(graph, index, load)
    } else {
        None
    };
    for _ in 0..REACH {
        let Some(now) = at else { break };
        let one = &graph.instructions[now];
        if let Some(flag) = flag {
            if let Some(odd_to) = goes_to(one, flag) {
                followed.branch = Some((now, odd_to));
                break;
            }
            if one.rflags_modified() != 0 {
                break;
            }
        } else if let Some((look, tested)) = look(one, Some(&held)) {
            followed.looked_at = Some((now, look));
            flag = Some(tested);
            if look == Look::Mask {
                break;
            }
        } else if one.flow_control() == FlowControl::Call {
            break;
        } else if carries(one, &held) {
            followed.kept.push(now);
            held.extend(instruction::register_operand(one, 0));
        } else {
            for used in factory.info(one).used_registers() {
                let written = matches!(
                    used.access(),
                    OpAccess::Write | OpAccess::ReadWrite | OpAccess::CondWrite
                );
                if let Some(number) = instruction::number(used.register()).filter(|_| written) {
                    held.remove(&number);
                }
            }
        }
        at = next(graph, index, now);
    }
    if followed.looked_at.is_none() {
        followed.kept.clear();
    }
    followed
}

/// The address control goes to when the flag is set; `None` for what is no branch on it.
pub(super) fn goes_to(branch: &Instruction, flag: Flag) -> Option<u64> {
    let target = instruction::branch_target(branch)?;
    match (branch.mnemonic(), flag) {
        (Mnemonic::Jne, Flag::NotZero) | (Mnemonic::Jb, Flag::Carry) => Some(target),
        (Mnemonic::Je, Flag::NotZero) | (Mnemonic::Jae, Flag::Carry) => Some(branch.next_ip()),
        _ => None,
    }
}

/// The address behind, where there is only one way on.
pub(super) fn only_successor(one: &Instruction) -> Option<u64> {
    match one.flow_control() {
        FlowControl::Next | FlowControl::Call | FlowControl::IndirectCall => Some(one.next_ip()),
        FlowControl::UnconditionalBranch => instruction::branch_target(one),
        FlowControl::ConditionalBranch
        | FlowControl::IndirectBranch
        | FlowControl::Return
        | FlowControl::Interrupt
        | FlowControl::XbeginXabortXend
        | FlowControl::Exception => None,
    }
}

/// The next instruction: behind, or where an unconditional jump leads. Behind a branch the way
/// straight on is as good as the other.
fn next(graph: &Graph, index: &FxHashMap<u64, usize>, at: usize) -> Option<usize> {
    let one = &graph.instructions[at];
    let address = match one.flow_control() {
        FlowControl::ConditionalBranch => one.next_ip(),
        _ => only_successor(one)?,
    };
    index.get(&address).copied()
}

/// What the instruction does to bit 0, and the flag that has it then. `held` are the registers
/// with the sequence; `None`: the instruction loads it itself.
fn look(one: &Instruction, held: Option<&FxHashSet<RegisterNumber>>) -> Option<(Look, Flag)> {
    let is_sequence = match held {
        Some(held) => {
            instruction::register_operand(one, 0).is_some_and(|register| held.contains(&register))
        }
        None => instruction::is_memory_operand(one, 0),
    };
    if !is_sequence {
        return None;
    }
    if one.mnemonic() == Mnemonic::Bt {
        let bit = instruction::constant_operand(one, 1)?;
        return (bit == 0).then_some((Look::Test, Flag::Carry));
    }
    match instruction::parity_mask(one)? {
        ParityMask::Odd => Some((Look::Test, Flag::NotZero)),
        ParityMask::Even => Some((Look::Mask, Flag::NotZero)),
    }
}

/// Whether the instruction copies a register that holds the sequence.
fn carries(one: &Instruction, held: &FxHashSet<RegisterNumber>) -> bool {
    one.mnemonic() == Mnemonic::Mov
        && one.op1_kind() == OpKind::Register
        && one.op1_register() != Register::None
        && instruction::register_operand(one, 1).is_some_and(|register| held.contains(&register))
}
