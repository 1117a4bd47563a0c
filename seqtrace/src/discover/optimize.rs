//! Whether the kernel could turn a kprobe into a jump: the rules of `can_optimize` and `can_boost`
//! (`arch/x86/kernel/kprobes/opt.c`, `core.c`) as far as the image tells. It does not tell what
//! alternatives are patched.

use std::ops::RangeInclusive;

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction};

use super::{function::Function, graph::Flow, instruction};

/// Bytes of a jump with a 32-bit displacement.
const JUMP_BYTES: u64 = 5;

/// Whether a kprobe at an address could become a jump.
pub(super) fn may_become_jump(flow: &Flow<'_>, at: u64) -> bool {
    flow.functions
        .at(at)
        .is_some_and(|function| fits(flow, function, at).unwrap_or(false))
}

fn fits(flow: &Flow<'_>, function: Function<'_>, at: u64) -> Option<bool> {
    // Fixups may jump anywhere into a function that has an entry in the table.
    if flow.has_exceptions(function) {
        return Some(false);
    }
    let bytes = flow.image.text_at(function.start, function.end)?;
    let mut decoder = Decoder::with_ip(64, bytes, function.start, DecoderOptions::NONE);
    // The last byte of the range is the first one behind the jump: `insn_jump_into_range` counts
    // it in.
    let inside = at + 1..=at + JUMP_BYTES;
    let mut copied_to = at;
    while decoder.can_decode() {
        let one = decoder.decode();
        let is_padding = one.code() == Code::Int3;
        if is_padding {
            continue;
        }
        if one.is_invalid() || is_indirect_jump(flow, &one) || jumps_into(&one, &inside) {
            return Some(false);
        }
        if one.ip() == copied_to && copied_to < at + JUMP_BYTES {
            if !is_movable(&one) || flow.is_static_branch(one.ip()) {
                return Some(false);
            }
            copied_to = one.next_ip();
        }
    }
    Some(copied_to >= at + JUMP_BYTES)
}

/// Whether the instruction does the same elsewhere and goes on to the next one (`can_boost`).
fn is_movable(instruction: &Instruction) -> bool {
    instruction.flow_control() == FlowControl::Next && !instruction.is_privileged()
}

fn is_indirect_jump(flow: &Flow<'_>, instruction: &Instruction) -> bool {
    let is_thunk = instruction::branch_target(instruction)
        .is_some_and(|target| flow.callees.jumps_anywhere(target));
    instruction.flow_control() == FlowControl::IndirectBranch || is_thunk
}

fn jumps_into(instruction: &Instruction, range: &RangeInclusive<u64>) -> bool {
    instruction::branch_target(instruction).is_some_and(|target| range.contains(&target))
}
