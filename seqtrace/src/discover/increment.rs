//! One instruction in, what it adds to a 32-bit word of memory out: one as writers of sequences
//! do, or two.
//!
//! Atomic additions are none: a sequence has one writer at a time.

use iced_x86::{Instruction, MemorySize, Mnemonic};

use super::{
    instruction,
    state::State,
    value::{Address, Value, ValueId, Values},
};

/// A 32-bit word of memory and what is added to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Addition {
    pub(super) address: Address,
    /// The word as a load of it would yield it, had nothing been written.
    pub(super) word: ValueId,
    /// One or two.
    pub(super) step: Step,
}

/// How much is added.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    One,
    Two,
}

impl Step {
    fn new(distance: i64) -> Option<Self> {
        match distance {
            1 => Some(Self::One),
            2 => Some(Self::Two),
            _ => None,
        }
    }
}

/// What the instruction adds to the register or the 32-bit word of memory that it writes, by its
/// form alone: `add $1,…`, `inc …`, `lea 1(…),…`.
pub(super) fn step(instruction: &Instruction) -> Option<Step> {
    if instruction.has_lock_prefix() {
        return None;
    }
    match instruction.mnemonic() {
        Mnemonic::Inc => Some(Step::One),
        Mnemonic::Add => Step::new(instruction::constant_operand(instruction, 1)?),
        Mnemonic::Sub => Step::new(instruction::constant_operand(instruction, 1)?.wrapping_neg()),
        Mnemonic::Lea => Step::new(instruction.memory_displacement64() as i64),
        _ => None,
    }
}

/// Whether the first operand is a 32-bit word of memory.
pub(super) fn writes_word(instruction: &Instruction) -> bool {
    let is_word = matches!(
        instruction.memory_size(),
        MemorySize::UInt32 | MemorySize::Int32
    );
    is_word && instruction::is_memory_operand(instruction, 0)
}

/// What the instruction adds to a word of memory, but not of the stack: in place, or by storing
/// what was loaded from there and added to since. `state` is the one before the instruction.
pub(super) fn addition(
    instruction: &Instruction,
    state: &State,
    values: &mut Values,
) -> Option<Addition> {
    if !writes_word(instruction) {
        return None;
    }
    let in_place = step(instruction);
    let stored = match instruction.mnemonic() {
        Mnemonic::Mov => instruction::register_operand(instruction, 1),
        _ => None,
    };
    if in_place.is_none() && stored.is_none() {
        return None;
    }
    let address = state.operand_address(instruction, values);
    if address.base == Values::STACK {
        return None;
    }
    let step = match stored {
        Some(register) => {
            let before = state.load(address, 4, instruction.ip(), values);
            let (origin, distance) = sum(before, values);
            let (from, new_distance) = sum(state.register(register), values);
            Step::new(new_distance.wrapping_sub(distance)).filter(|_| from == origin)?
        }
        None => in_place?,
    };
    let word = values.number(Value::Load { address, bytes: 4 });
    Some(Addition {
        address,
        word,
        step,
    })
}

/// A value as another and a constant that was added to it.
fn sum(id: ValueId, values: &Values) -> (ValueId, i64) {
    let (mut at, mut distance) = (id, 0_i64);
    loop {
        match values.get(at) {
            Value::Truncated(of) => at = of,
            Value::Offset(Address { base, displacement }) => {
                at = base;
                distance = distance.wrapping_add(displacement);
            }
            _ => return (at, distance),
        }
    }
}
