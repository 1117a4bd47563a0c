//! The places in memory that a function uses: one function in, addresses and widths out.

use super::{
    evidence::Evidence,
    fixpoint,
    function::Function,
    graph::Flow,
    instruction,
    transfer::Transfer,
    value::{Address, Values},
};

/// A place in memory that an instruction reads or writes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Access {
    pub(super) address: Address,
    /// At most 8; wider ones are copies of whole objects.
    pub(super) bytes: u8,
}

/// The widest access that is one of a member.
const WIDEST_BYTES: usize = 8;

impl Access {
    /// Analyses a function and collects all its accesses to memory that is not the stack; `None`
    /// when its text is not there. The numbers of values are those of [`Evidence::new`].
    pub(super) fn all(
        flow: &Flow<'_>,
        function: Function<'_>,
    ) -> Option<(Evidence, Values, Vec<Self>)> {
        let (evidence, mut values) = Evidence::new(flow, function)?;
        let graph = flow.graph(function)?;
        let mut transfer = Transfer::new(flow.callees, function.start);
        let heads = fixpoint::heads(&graph, &mut transfer, &mut values);
        let mut found = Vec::new();
        for (block, head) in graph.blocks.iter().zip(heads) {
            let Some(mut state) = head else { continue };
            for instruction in &graph.instructions[block.instructions.clone()] {
                let mut operands = 0..instruction.op_count();
                let bytes = instruction.memory_size().size();
                let is_access = (1..=WIDEST_BYTES).contains(&bytes)
                    && operands.any(|index| instruction::is_memory_operand(instruction, index));
                if is_access {
                    let address = state.operand_address(instruction, &mut values);
                    found.extend((address.base != Values::STACK).then_some(Self {
                        address,
                        bytes: bytes as u8,
                    }));
                }
                transfer.apply(instruction, &mut state, &mut values);
            }
        }
        Some((evidence, values, found))
    }
}
