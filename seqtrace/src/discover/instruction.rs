//! What discovery asks of one x86 instruction, on top of the decoder.

use iced_x86::{FlowControl, Instruction, Mnemonic, OpKind, Register};

/// Number of a general-purpose register as in the instruction encoding: 0 rax, 1 rcx, 2 rdx,
/// 3 rbx, 4 rsp, 5 rbp, 6 rsi, 7 rdi, 8 … 15.
pub(super) type RegisterNumber = u8;

/// The stack pointer.
pub(super) const RSP: RegisterNumber = 4;
/// The frame pointer, where there is one.
pub(super) const RBP: RegisterNumber = 5;
/// The register of the first argument.
pub(super) const RDI: RegisterNumber = 7;
/// Registers of the integer arguments, in order.
pub(super) const ARGUMENTS: [RegisterNumber; 6] = [RDI, 6, 2, 1, 8, 9];
/// Which argument a register holds, from 0.
pub(super) fn argument_index(register: RegisterNumber) -> Option<usize> {
    ARGUMENTS.iter().position(|&argument| argument == register)
}

/// Registers that a called function may change, without rax, which holds its result.
pub(super) const CALL_CLOBBERED: [RegisterNumber; 8] = [1, 2, 6, 7, 8, 9, 10, 11];

/// The number of a general-purpose register of any width; `None` for other registers.
pub(super) fn number(register: Register) -> Option<RegisterNumber> {
    let full = register.full_register();
    let is_general = (Register::RAX..=Register::R15).contains(&full);
    is_general.then(|| (full as usize - Register::RAX as usize) as RegisterNumber)
}

/// The register operand at an index, if it is a general-purpose one.
pub(super) fn register_operand(instruction: &Instruction, index: u32) -> Option<RegisterNumber> {
    let is_register =
        index < instruction.op_count() && instruction.op_kind(index) == OpKind::Register;
    if is_register {
        number(instruction.op_register(index))
    } else {
        None
    }
}

/// The constant operand at an index, sign-extended as the instruction does.
pub(super) fn constant_operand(instruction: &Instruction, index: u32) -> Option<i64> {
    if index >= instruction.op_count() {
        return None;
    }
    match instruction.op_kind(index) {
        OpKind::Immediate8
        | OpKind::Immediate16
        | OpKind::Immediate32
        | OpKind::Immediate64
        | OpKind::Immediate8to16
        | OpKind::Immediate8to32
        | OpKind::Immediate8to64
        | OpKind::Immediate32to64 => Some(instruction.immediate(index) as i64),
        _ => None,
    }
}

/// Whether the operand at an index is in memory.
pub(super) fn is_memory_operand(instruction: &Instruction, index: u32) -> bool {
    index < instruction.op_count() && instruction.op_kind(index) == OpKind::Memory
}

/// Width of the first operand in bytes.
pub(super) fn width_bytes(instruction: &Instruction) -> usize {
    if instruction.op0_kind() == OpKind::Register {
        instruction.op0_register().size()
    } else {
        instruction.memory_size().size()
    }
}

/// The target of a direct jump, branch or call.
pub(super) fn direct_target(instruction: &Instruction) -> Option<u64> {
    let is_direct = instruction.op_count() > 0 && instruction.op0_kind() == OpKind::NearBranch64;
    is_direct.then(|| instruction.near_branch_target())
}

/// The target of a direct call.
pub(super) fn call_target(instruction: &Instruction) -> Option<u64> {
    let is_call = instruction.flow_control() == FlowControl::Call;
    if is_call {
        direct_target(instruction)
    } else {
        None
    }
}

/// The target of a direct jump or conditional branch.
pub(super) fn branch_target(instruction: &Instruction) -> Option<u64> {
    let branches = matches!(
        instruction.flow_control(),
        FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch
    );
    if branches {
        direct_target(instruction)
    } else {
        None
    }
}

/// Whether the instruction depends on two values being equal.
pub(super) fn asks_for_equality(instruction: &Instruction) -> bool {
    use Mnemonic::{Cmove, Cmovne, Je, Jne, Sete, Setne};
    matches!(
        instruction.mnemonic(),
        Je | Jne | Sete | Setne | Cmove | Cmovne
    )
}

/// Which bits of a sequence a `test` or `and` looks at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ParityMask {
    /// Bit 0: whether a writer is inside.
    Odd,
    /// All bits but bit 0: the sequence as it was before the writer (`raw_seqcount_begin`).
    Even,
}

/// Whether the instruction tests or masks with 1 or ~1, as readers of sequences do.
pub(super) fn parity_mask(instruction: &Instruction) -> Option<ParityMask> {
    if !matches!(instruction.mnemonic(), Mnemonic::Test | Mnemonic::And) {
        return None;
    }
    let mask = constant_operand(instruction, 1)?;
    // `and $0xfe,%al` masks a flag byte, not a sequence.
    let is_byte = width_bytes(instruction) == 1;
    match mask as u32 {
        1 if mask == 1 => Some(ParityMask::Odd),
        0xffff_fffe if !is_byte => Some(ParityMask::Even),
        _ => None,
    }
}
