//! The graph of a running kernel's function → the same with the ways that were closed at boot.
//!
//! A test of a CPU feature (`_static_cpu_has` in `arch/x86/include/asm/cpufeature.h`) is a jump of
//! five bytes, which alternatives replace by one straight to the code for this machine. The other
//! code is still there, and is analysed as it was compiled: entered from in front of the jump.

use iced_x86::{FlowControl, Instruction, Mnemonic};

use super::graph::{Block, BlockIndex, Edge, EdgeKind, Graph};

/// Bytes that a test of a feature takes, what fills it up included.
const PATCHED_BYTES: u64 = 5;

impl Graph {
    /// Lets control go on behind jumps that were put in place at boot.
    pub(super) fn rejoin_patched(&mut self) {
        for index in 1..self.blocks.len() {
            let cut_off = self.blocks[index].predecessors.is_empty();
            if !cut_off || index == self.entry as usize {
                continue;
            }
            let mut own = self.blocks[index].instructions.clone();
            let first = own.find(|&at| !fills(&self.instructions[at]));
            let Some(jump) = first.and_then(|first| self.patched_before(first)) else {
                continue;
            };
            let holds_jump = |block: &Block| block.instructions.contains(&jump);
            let Some(from) = self.blocks[..index].iter().rposition(holds_jump) else {
                continue;
            };
            let edge = |block: usize| Edge {
                block: block as BlockIndex,
                kind: EdgeKind::Next,
            };
            self.blocks[from].successors.push(edge(index));
            self.blocks[index].predecessors.push(edge(from));
        }
    }

    /// The jump that alternatives wrote in front of an instruction: a short one, filled up with
    /// `int3` (`apply_relocation` in `arch/x86/kernel/alternative.c`) or nops, or a long one where
    /// a compiler has no need of its five bytes.
    fn patched_before(&self, start: usize) -> Option<usize> {
        let behind = self.instructions[..start]
            .iter()
            .rposition(|one| !fills(one))?;
        let jump = &self.instructions[behind];
        let way = jump.near_branch_target().wrapping_sub(jump.next_ip()) as i64;
        let is_patched = jump.flow_control() == FlowControl::UnconditionalBranch
            && self.instructions[start].ip().wrapping_sub(jump.ip()) == PATCHED_BYTES
            && i8::try_from(way).is_ok();
        is_patched.then_some(behind)
    }
}

fn fills(instruction: &Instruction) -> bool {
    matches!(instruction.mnemonic(), Mnemonic::Int3 | Mnemonic::Nop)
}
