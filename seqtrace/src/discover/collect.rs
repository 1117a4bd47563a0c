//! Collects the evidence of one function: its instructions with the values they work on.

use iced_x86::{Instruction, MemorySize, Mnemonic, RflagsBits};

use super::{
    callee::{Callees, LockFunction},
    evidence::{Compare, Evidence, Increment, Load, Lock, LockCall, Pause, Test, Write},
    fixpoint,
    function::Function,
    graph::{BlockIndex, EdgeKind, Flow, Graph},
    increment,
    instruction::{self, RDI},
    state::State,
    transfer::Transfer,
    value::{Address, Value, ValueId, Values},
};

impl Evidence {
    /// Analyses a function; `None` when its text is not there.
    pub(super) fn new(flow: &Flow<'_>, function: Function<'_>) -> Option<(Self, Values)> {
        let graph = flow.graph(function)?;
        let mut values = Values::new();
        let mut transfer = Transfer::new(flow.callees, function.start);
        let heads = fixpoint::heads(&graph, &mut transfer, &mut values);
        let mut found = Self {
            entry: graph.entry,
            blocks: Vec::new(),
            loads: Vec::new(),
            writes: Vec::new(),
            increments: Vec::new(),
            tests: Vec::new(),
            compares: Vec::new(),
            locks: Vec::new(),
            pauses: Vec::new(),
            stores: Vec::new(),
            calls: Vec::new(),
        };
        for (index, head) in heads.into_iter().enumerate() {
            let Some(state) = head else { continue };
            let block = index as BlockIndex;
            let mut walk = Walk {
                graph: &graph,
                block,
                state,
                values: &mut values,
            };
            for at in graph.blocks[index].instructions.clone() {
                let instruction = &graph.instructions[at];
                walk.collect(at, instruction, flow.callees, &mut found);
                transfer.apply(instruction, &mut walk.state, walk.values);
            }
        }
        found.blocks = graph.blocks;
        Some((found, values))
    }
}

/// One block on the way through it.
struct Walk<'a> {
    graph: &'a Graph,
    block: BlockIndex,
    state: State,
    values: &'a mut Values,
}

impl Walk<'_> {
    fn collect(
        &mut self,
        at: usize,
        instruction: &Instruction,
        callees: &Callees<'_>,
        found: &mut Evidence,
    ) {
        if instruction.mnemonic() == Mnemonic::Pause {
            let registers = std::array::from_fn(|number| self.state.register(number as u8));
            found.pauses.push(Pause {
                at: instruction.ip(),
                block: self.block,
                registers,
            });
        }
        if let Some(target) = instruction::call_target(instruction) {
            found.calls.push((instruction.ip(), target));
            if let Some(function) = callees.lock(target) {
                found.locks.push(self.lock_call(instruction, function));
            }
        }
        found.stores.extend(self.store(instruction));
        found.writes.extend(self.write(instruction));
        found.increments.extend(self.increment(instruction));
        if let Some(load) = self.load(instruction) {
            found.loads.push(load);
        }
        found.tests.extend(self.test(at, instruction));
        found.compares.extend(self.compare(at, instruction));
    }

    fn lock_call(&self, instruction: &Instruction, function: LockFunction) -> LockCall {
        let argument = self.state.register(RDI);
        let lock = match self.values.get(argument) {
            Value::Load { address, bytes: 8 } => Lock::PointedToBy(address),
            _ => Lock::At(self.values.address(argument)),
        };
        let (at, returns_to) = (instruction.ip(), instruction.next_ip());
        LockCall {
            at,
            returns_to,
            block: self.block,
            function,
            lock,
        }
    }

    /// The pointer, or what may be one, that the instruction stores, and where to.
    fn store(&mut self, instruction: &Instruction) -> Option<(ValueId, Address)> {
        let source = instruction::register_operand(instruction, 1)?;
        let address = self.written(instruction, 8)?;
        Some((self.state.register(source), address))
    }

    fn write(&mut self, instruction: &Instruction) -> Option<Write> {
        let address = self.written(instruction, 4)?;
        Some(Write {
            at: instruction.ip(),
            block: self.block,
            address,
        })
    }

    fn increment(&mut self, instruction: &Instruction) -> Option<Increment> {
        let addition = increment::addition(instruction, &self.state, self.values)?;
        Some(Increment {
            at: instruction.ip(),
            block: self.block,
            addition,
        })
    }

    /// Where in memory, but not in the stack, the instruction writes a word of this width.
    fn written(&mut self, instruction: &Instruction, bytes: usize) -> Option<Address> {
        let writes = matches!(
            instruction.mnemonic(),
            Mnemonic::Mov | Mnemonic::Add | Mnemonic::Inc
        ) && instruction::is_memory_operand(instruction, 0)
            && instruction::width_bytes(instruction) == bytes;
        if !writes {
            return None;
        }
        let address = self.state.operand_address(instruction, self.values);
        (address.base != Values::STACK).then_some(address)
    }

    /// The 32-bit word of memory, not of the stack, that the instruction reads.
    fn load(&mut self, instruction: &Instruction) -> Option<Load> {
        let (word, address) = self.memory_word(instruction)?;
        let is_stack = address.base == Values::STACK;
        (!is_stack).then_some(Load {
            at: instruction.ip(),
            block: self.block,
            word,
            address,
        })
    }

    fn memory_word(&mut self, instruction: &Instruction) -> Option<(ValueId, Address)> {
        let is_word = matches!(
            instruction.memory_size(),
            MemorySize::UInt32 | MemorySize::Int32
        );
        let reads = match instruction.mnemonic() {
            Mnemonic::Mov => instruction::is_memory_operand(instruction, 1),
            Mnemonic::Cmp
            | Mnemonic::Test
            | Mnemonic::And
            | Mnemonic::Movsxd
            | Mnemonic::Sub
            | Mnemonic::Xor => {
                (0..2).any(|index| instruction::is_memory_operand(instruction, index))
            }
            _ => false,
        };
        if !is_word || !reads {
            return None;
        }
        let address = self.state.operand_address(instruction, self.values);
        let word = self.state.load(address, 4, instruction.ip(), self.values);
        Some((word, address))
    }

    fn test(&mut self, at: usize, instruction: &Instruction) -> Option<Test> {
        let mask = instruction::parity_mask(instruction)?;
        let number = instruction::register_operand(instruction, 0);
        let register = number.map(|number| (number, self.state.register(number)));
        let tested = match register {
            Some((_, value)) => value,
            None => self.memory_word(instruction)?.0,
        };
        let words = self.values.words(tested);
        if words.is_empty() {
            return None;
        }
        let is_direct = words.contains(&tested);
        let odd = match self.flags_use(at) {
            Some(FlagsUse::Branch { nonzero }) => nonzero,
            Some(FlagsUse::Value) | None => None,
        };
        Some(Test {
            block: self.block,
            words,
            is_direct,
            mask,
            odd,
            register,
        })
    }

    fn compare(&mut self, at: usize, instruction: &Instruction) -> Option<Compare> {
        if instruction.mnemonic() != Mnemonic::Cmp || instruction::width_bytes(instruction) != 4 {
            return None;
        }
        let flags_use = self.flags_use(at)?;
        let (left, right) = (self.side(instruction, 0)?, self.side(instruction, 1)?);
        let (left_words, right_words) = (self.values.words(left), self.values.words(right));
        let is_word = |id: &ValueId| matches!(self.values.get(*id), Value::Load { bytes: 4, .. });
        let sides: Vec<ValueId> = [left, right].into_iter().filter(is_word).collect();
        if sides.is_empty() {
            return None;
        }
        let common = left_words
            .into_iter()
            .filter(|word| right_words.contains(word));
        let pairs = common.filter(|word| sides.contains(word)).collect();
        let unequal = match flags_use {
            FlagsUse::Branch { nonzero } => nonzero,
            FlagsUse::Value => None,
        };
        Some(Compare {
            at: instruction.ip(),
            block: self.block,
            pairs,
            sides,
            unequal,
        })
    }

    /// The value of one side of a comparison, if it is no constant.
    fn side(&mut self, instruction: &Instruction, index: u32) -> Option<ValueId> {
        if instruction::is_memory_operand(instruction, index) {
            return Some(self.memory_word(instruction)?.0);
        }
        let number = instruction::register_operand(instruction, index)?;
        Some(self.state.register(number))
    }

    /// What depends on the zero flag that an instruction of this block sets; `None` when nothing
    /// but equality would explain it.
    fn flags_use(&self, at: usize) -> Option<FlagsUse> {
        let block = &self.graph.blocks[self.block as usize];
        let target = |kind| {
            let edge = block.successors.iter().find(|edge| edge.kind == kind);
            edge.map(|edge| edge.block)
        };
        for instruction in &self.graph.instructions[at + 1..block.instructions.end] {
            match instruction.mnemonic() {
                Mnemonic::Jne => {
                    return Some(FlagsUse::Branch {
                        nonzero: target(EdgeKind::Taken),
                    });
                }
                Mnemonic::Je => {
                    return Some(FlagsUse::Branch {
                        nonzero: target(EdgeKind::Next),
                    });
                }
                Mnemonic::Sete | Mnemonic::Setne | Mnemonic::Cmove | Mnemonic::Cmovne => {
                    return Some(FlagsUse::Value);
                }
                _ => {}
            }
            let flags = instruction.rflags_read() | instruction.rflags_modified();
            if flags & RflagsBits::ZF != 0 {
                return None;
            }
        }
        None
    }
}

/// What is done with the zero flag.
#[derive(Clone, Copy, Debug)]
enum FlagsUse {
    /// A branch, which goes to this block if the flag is clear.
    Branch { nonzero: Option<BlockIndex> },
    /// It becomes a value.
    Value,
}
