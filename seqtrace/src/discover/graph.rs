//! The control flow of one function, with its cold parts: basic blocks and their edges.
//!
//! What the instructions alone do not show comes from tables: the second target of static
//! branches, and whether execution goes on behind a trap. Indirect jumps lead nowhere that is
//! known; blocks that only they reach count as entered from outside.

use std::ops::Range;

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic};
use rustc_hash::FxHashMap;

use super::{
    callee::Callees,
    function::{Function, Functions},
    image::Image,
    instruction, tables,
};

/// A detour is `testb`, `jne`, `jmp`.
const DETOUR_INSTRUCTIONS: usize = 3;

/// How long an instruction is, a little less than on the average.
const INSTRUCTION_BYTES: usize = 4;

/// Index of a block in its graph.
pub(super) type BlockIndex = u32;

/// What the graphs of an image are built from.
#[derive(Debug)]
pub(super) struct Flow<'a> {
    pub(super) image: &'a Image,
    pub(super) functions: &'a Functions<'a>,
    pub(super) callees: &'a Callees<'a>,
    static_branches: FxHashMap<u64, u64>,
    warnings: Vec<u64>,
    /// Addresses of instructions that may fault, ascending.
    exceptions: Vec<u64>,
}

/// Why control goes along an edge.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum EdgeKind {
    /// On to the next instruction.
    Next,
    /// A jump, or a branch that is taken.
    Taken,
    /// A static branch when it is switched.
    Switched,
}

/// One end of an edge, seen from the other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Edge {
    pub(super) block: BlockIndex,
    pub(super) kind: EdgeKind,
}

/// Instructions that run one after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    /// Address of the first instruction.
    pub(super) start: u64,
    /// Address behind the last one.
    pub(super) end: u64,
    /// Instructions, as indices into the graph's.
    pub(super) instructions: Range<usize>,
    pub(super) successors: Vec<Edge>,
    pub(super) predecessors: Vec<Edge>,
}

/// The blocks of a function by address.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) instructions: Vec<Instruction>,
    pub(super) blocks: Vec<Block>,
    /// The block at which the function is entered.
    pub(super) entry: BlockIndex,
}

impl<'a> Flow<'a> {
    pub(super) fn new(
        image: &'a Image,
        functions: &'a Functions<'a>,
        callees: &'a Callees<'a>,
    ) -> Self {
        Self {
            image,
            functions,
            callees,
            static_branches: tables::static_branches(image),
            warnings: tables::warnings(image),
            exceptions: tables::exceptions(image),
        }
    }

    /// Whether the exception table has an instruction of the function.
    pub(super) fn has_exceptions(&self, function: Function<'_>) -> bool {
        self.has_exceptions_in(function.start..function.end)
    }

    /// Whether the exception table has an instruction in the range.
    pub(super) fn has_exceptions_in(&self, range: Range<u64>) -> bool {
        let first = self
            .exceptions
            .partition_point(|&address| address < range.start);
        let next = self.exceptions.get(first);
        next.is_some_and(|&address| address < range.end)
    }

    /// Whether the instruction at the address is patched when a static branch is switched.
    pub(super) fn is_static_branch(&self, address: u64) -> bool {
        self.static_branches.contains_key(&address)
    }

    /// The graph of a function; `None` when its text is not there.
    pub(super) fn graph(&self, function: Function<'_>) -> Option<Graph> {
        let instructions = self.decode(function)?;
        let index: FxHashMap<u64, usize> = instructions
            .iter()
            .enumerate()
            .map(|(at, one)| (one.ip(), at))
            .collect();
        let leaders = self.leaders(&instructions, &index, function.start);
        let mut blocks = Vec::new();
        let mut block_of = vec![0; instructions.len()];
        for (at, instruction) in instructions.iter().enumerate() {
            if leaders[at] {
                let start = instruction.ip();
                blocks.push(Block {
                    start,
                    instructions: at..at,
                    ..Block::default()
                });
            }
            let last: &mut Block = blocks.last_mut()?;
            last.instructions.end = at + 1;
            last.end = instruction.next_ip();
            block_of[at] = (blocks.len() - 1) as BlockIndex;
        }
        let entry = block_of[*index.get(&function.start)?];
        let mut graph = Graph {
            instructions,
            blocks,
            entry,
        };
        self.connect(&mut graph, |address| Some(block_of[*index.get(&address)?]));
        graph.cut_padding();
        graph.rejoin_patched();
        Some(graph)
    }

    /// Instructions of the function and of the cold parts it branches to, by address.
    fn decode(&self, function: Function<'_>) -> Option<Vec<Instruction>> {
        let mut parts = vec![function];
        let mut instructions = Vec::new();
        let mut next = 0;
        while let Some(&part) = parts.get(next) {
            next += 1;
            let bytes = self.image.text_at(part.start, part.end)?;
            instructions.reserve(bytes.len() / INSTRUCTION_BYTES);
            let mut decoder = Decoder::with_ip(64, bytes, part.start, DecoderOptions::NONE);
            while decoder.can_decode() {
                let instruction = decoder.decode();
                if instruction.is_invalid() {
                    break;
                }
                for target in self.targets(&instruction) {
                    self.decode_detour(function, target, &mut instructions);
                    if let Some(part) = self.part_at(function, target)
                        && !parts.contains(&part)
                    {
                        parts.push(part);
                    }
                }
                instructions.push(instruction);
            }
        }
        instructions.sort_by_key(Instruction::ip);
        Some(instructions)
    }

    /// Adds the instructions at the target of a jump that leaves the function's segment: the test
    /// of a CPU feature that the kernel replaces when it boots (`_static_cpu_has` in
    /// `arch/x86/include/asm/cpufeature.h`).
    fn decode_detour(
        &self,
        function: Function<'_>,
        target: u64,
        instructions: &mut Vec<Instruction>,
    ) {
        let Some(segment) = self.image.segment_of(target) else {
            return;
        };
        // Nearly every target is near: the second question looks at each instruction.
        let is_near = segment.contains(function.start);
        if is_near || instructions.iter().any(|known| known.ip() == target) {
            return;
        }
        let bytes = segment.slice(target, segment.end()).unwrap_or_default();
        let decoder = Decoder::with_ip(64, bytes, target, DecoderOptions::NONE);
        for instruction in decoder.into_iter().take(DETOUR_INSTRUCTIONS) {
            instructions.push(instruction);
            if instruction.flow_control() == FlowControl::UnconditionalBranch {
                break;
            }
        }
    }

    /// The cold part of `function` at an address, or the function whose cold part it is.
    fn part_at(&self, function: Function<'_>, address: u64) -> Option<Function<'a>> {
        let part = self.functions.at(address)?;
        let is_part = part.parent_name().is_some() || function.parent_name() == Some(part.name);
        is_part.then_some(part)
    }

    fn targets(&self, instruction: &Instruction) -> impl Iterator<Item = u64> + use<> {
        let switched = self.static_branches.get(&instruction.ip()).copied();
        instruction::branch_target(instruction)
            .into_iter()
            .chain(switched)
    }

    /// For each instruction, whether a block starts there.
    fn leaders(
        &self,
        instructions: &[Instruction],
        index: &FxHashMap<u64, usize>,
        entry: u64,
    ) -> Vec<bool> {
        let mut leaders = vec![false; instructions.len()];
        let mut previous_ends = true;
        let mut previous_end = 0;
        for (at, instruction) in instructions.iter().enumerate() {
            let address = instruction.ip();
            leaders[at] |= previous_ends || previous_end != address || address == entry;
            let mut ends = self.ends_block(instruction);
            for target in self.targets(instruction) {
                if let Some(&target) = index.get(&target) {
                    leaders[target] = true;
                }
                ends = true;
            }
            previous_ends = ends;
            previous_end = instruction.next_ip();
        }
        leaders
    }

    fn ends_block(&self, instruction: &Instruction) -> bool {
        match instruction.flow_control() {
            FlowControl::Next | FlowControl::IndirectCall | FlowControl::XbeginXabortXend => false,
            FlowControl::Call => self.never_returns(instruction),
            FlowControl::UnconditionalBranch
            | FlowControl::IndirectBranch
            | FlowControl::ConditionalBranch
            | FlowControl::Return
            | FlowControl::Interrupt
            | FlowControl::Exception => true,
        }
    }

    fn never_returns(&self, instruction: &Instruction) -> bool {
        instruction::call_target(instruction)
            .is_some_and(|target| self.callees.never_returns(target))
    }

    /// Whether control may go on to the next instruction.
    fn falls_through(&self, instruction: &Instruction) -> bool {
        // A static branch that is a jump now may be a nop at another time.
        let is_static = self.static_branches.contains_key(&instruction.ip());
        match instruction.flow_control() {
            FlowControl::Next
            | FlowControl::IndirectCall
            | FlowControl::XbeginXabortXend
            | FlowControl::ConditionalBranch => true,
            FlowControl::Call => !self.never_returns(instruction),
            // Without the code it goes to, a test of a CPU feature (`_static_cpu_has` in
            // arch/x86/include/asm/cpufeature.h) at least goes on.
            FlowControl::UnconditionalBranch => is_static || self.leaves_text(instruction),
            FlowControl::Exception => self.is_warning(instruction),
            // `int3` is padding here; a probe of somebody else's would be the exception.
            FlowControl::Interrupt => instruction.code() != Code::Int3,
            FlowControl::IndirectBranch | FlowControl::Return => false,
        }
    }

    /// Whether a jump leaves the kernel's text, where a module's may go to vmlinux.
    fn leaves_text(&self, instruction: &Instruction) -> bool {
        let target = instruction::branch_target(instruction);
        self.image.imports.is_empty()
            && target.is_some_and(|target| self.image.segment_of(target).is_none())
    }

    fn is_warning(&self, instruction: &Instruction) -> bool {
        let traps = matches!(
            instruction.mnemonic(),
            Mnemonic::Ud0 | Mnemonic::Ud1 | Mnemonic::Ud2
        );
        traps && self.warnings.binary_search(&instruction.ip()).is_ok()
    }

    fn connect(&self, graph: &mut Graph, block_at: impl Fn(u64) -> Option<BlockIndex>) {
        for index in 0..graph.blocks.len() {
            let last = graph.instructions[graph.blocks[index].instructions.end - 1];
            let mut edges = Vec::new();
            let mut add = |target: Option<u64>, kind| {
                let Some(block) = target.and_then(&block_at) else {
                    return;
                };
                if !edges.contains(&Edge { block, kind }) {
                    edges.push(Edge { block, kind });
                }
            };
            add(instruction::branch_target(&last), EdgeKind::Taken);
            add(
                self.falls_through(&last).then(|| last.next_ip()),
                EdgeKind::Next,
            );
            add(
                self.static_branches.get(&last.ip()).copied(),
                EdgeKind::Switched,
            );
            for &Edge { block, kind } in &edges {
                let from = Edge {
                    block: index as BlockIndex,
                    kind,
                };
                graph.blocks[block as usize].predecessors.push(from);
            }
            graph.blocks[index].successors = edges;
        }
    }
}

impl Graph {
    /// Where a jump goes that leaves the function: it stands for a call in front of a return.
    pub(super) fn leaves_to(&self, jump: &Instruction) -> Option<u64> {
        let target = instruction::branch_target(jump)?;
        let inside = self
            .blocks
            .binary_search_by_key(&target, |block| block.start);
        inside.is_err().then_some(target)
    }

    /// Takes the edges from padding away. The nops by which gcc aligns a block run into it, but
    /// nothing runs into them.
    fn cut_padding(&mut self) {
        for index in 0..self.blocks.len() {
            let block = &self.blocks[index];
            let is_entered = !block.predecessors.is_empty() || index == self.entry as usize;
            let mut instructions = self.instructions[block.instructions.clone()].iter();
            let is_padding =
                |one: &Instruction| matches!(one.mnemonic(), Mnemonic::Nop | Mnemonic::Int3);
            if is_entered || !instructions.all(is_padding) {
                continue;
            }
            for edge in std::mem::take(&mut self.blocks[index].successors) {
                let behind = &mut self.blocks[edge.block as usize].predecessors;
                behind.retain(|from| from.block as usize != index);
            }
        }
    }

    /// Blocks in reverse postorder from the entry, then those only an indirect jump reaches; with
    /// the number of the former.
    pub(super) fn order(&self) -> (Vec<BlockIndex>, usize) {
        let mut seen = vec![false; self.blocks.len()];
        let mut order = self.postorder(self.entry, &mut seen);
        order.reverse();
        let from_entry = order.len();
        let (orphans, others): (Vec<_>, Vec<_>) = (0..self.blocks.len() as BlockIndex)
            .partition(|&block| self.blocks[block as usize].predecessors.is_empty());
        for root in orphans.into_iter().chain(others) {
            let mut part = self.postorder(root, &mut seen);
            part.reverse();
            order.append(&mut part);
        }
        (order, from_entry)
    }

    fn postorder(&self, root: BlockIndex, seen: &mut [bool]) -> Vec<BlockIndex> {
        let mut order = Vec::new();
        let mut path = Vec::new();
        if !std::mem::replace(&mut seen[root as usize], true) {
            path.push((root, 0));
        }
        while let Some((block, next)) = path.last_mut() {
            if let Some(edge) = self.blocks[*block as usize].successors.get(*next) {
                *next += 1;
                if !std::mem::replace(&mut seen[edge.block as usize], true) {
                    path.push((edge.block, 0));
                }
            } else {
                order.push(*block);
                path.pop();
            }
        }
        order
    }
}
