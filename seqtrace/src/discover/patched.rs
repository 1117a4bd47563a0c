//! The graph of a running kernel's function → the same with the ways that were closed at boot.
//!
//! A test of a CPU feature (`_static_cpu_has` in `arch/x86/include/asm/cpufeature.h`) is a jump of
//! five bytes, which alternatives replace by one straight to the code for this machine. The other
//! code is still there, and is analysed as it was compiled: entered from in front of the jump.

use iced_x86::{FlowControl, Instruction, Mnemonic};

use super::graph::{Edge, EdgeKind, Graph};

/// Bytes that a test of a feature takes, the nops that fill it up included.
const PATCHED_BYTES: u64 = 5;

impl Graph {
    /// Lets control go on behind jumps that were put in place at boot.
    pub(super) fn rejoin_patched(&mut self) {
        for index in 1..self.blocks.len() {
            let cut_off = self.blocks[index].predecessors.is_empty();
            if !cut_off || index == self.entry as usize {
                continue;
            }
            let before = self.blocks[index - 1].instructions.end - 1;
            let behind = &self.instructions[self.blocks[index].instructions.clone()];
            if !is_patched(&self.instructions[before], behind) {
                continue;
            }
            let kind = EdgeKind::Next;
            let edge = |block: usize| Edge {
                block: block as u32,
                kind,
            };
            self.blocks[index - 1].successors.push(edge(index));
            self.blocks[index].predecessors.push(edge(index - 1));
        }
    }
}

/// Whether alternatives wrote the jump: a compiler has no need of five bytes for so short a way,
/// and fills up only in front of code that is jumped to.
fn is_patched(jump: &Instruction, behind: &[Instruction]) -> bool {
    let [next, ..] = behind else { return false };
    if jump.flow_control() != FlowControl::UnconditionalBranch || jump.next_ip() != next.ip() {
        return false;
    }
    let way = jump.near_branch_target().wrapping_sub(jump.next_ip()) as i64;
    let fills_up = next.mnemonic() == Mnemonic::Nop
        && jump.len() as u64 + next.len() as u64 == PATCHED_BYTES
        && behind.len() > 1;
    let is_needlessly_long = jump.len() as u64 == PATCHED_BYTES && i8::try_from(way).is_ok();
    fills_up || is_needlessly_long
}
