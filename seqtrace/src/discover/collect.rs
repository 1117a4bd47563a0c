//! Collects the evidence of one function: its instructions with the values they work on.

use iced_x86::{FlowControl, Instruction, MemorySize, Mnemonic, RflagsBits};
use rustc_hash::FxHashSet;

use super::{
    callee::{Callees, LockFunction},
    catalog::StartValue,
    evidence::{
        Call, Compare, Evidence, FlagsUse, Increment, Load, Lock, LockCall, Operand, Pause, Test,
        Write,
    },
    fixpoint,
    function::Function,
    graph::{BlockIndex, EdgeKind, Flow, Graph},
    increment,
    instruction::{self, ARGUMENTS, RAX, RDI},
    state::State,
    transfer::Transfer,
    value::{Address, Value, ValueId, Values},
};

impl Evidence {
    /// Analyses a function; `None` when its text is not there.
    pub(super) fn new(flow: &Flow<'_>, function: Function<'_>) -> Option<(Self, Values)> {
        let graph = flow.graph(function)?;
        let mut values = Values::new();
        let found = Self::of(flow, function, graph, &mut values);
        Some((found, values))
    }

    /// Analyses a function once more with each load of one of these words as a value of its own,
    /// which is the word in all that is found.
    ///
    /// The words are numbers of the first analysis; the second one begins by repeating it.
    pub(super) fn apart(
        flow: &Flow<'_>,
        function: Function<'_>,
        words: FxHashSet<ValueId>,
    ) -> Option<(Self, Values)> {
        let (_, mut values) = Self::new(flow, function)?;
        values.tell_apart(words);
        let graph = flow.graph(function)?;
        let found = Self::of(flow, function, graph, &mut values);
        Some((found, values))
    }

    fn of(flow: &Flow<'_>, function: Function<'_>, graph: Graph, values: &mut Values) -> Self {
        let mut transfer = Transfer::new(flow.callees, function.start);
        let heads = fixpoint::heads(&graph, &mut transfer, values);
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
            returned: Vec::new(),
            errors: Vec::new(),
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
                values,
            };
            for at in graph.blocks[index].instructions.clone() {
                let instruction = &graph.instructions[at];
                walk.collect(at, instruction, flow.callees, &mut found);
                transfer.apply(instruction, &mut walk.state, walk.values);
            }
        }
        found.returned = values.sources(&found.returned);
        // An error is handed on as a pointer to anything (`ERR_CAST`).
        let errors = values.sources(&found.errors);
        found
            .returned
            .retain(|id| errors.binary_search(id).is_err());
        found.blocks = graph.blocks;
        found
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
        // The last call of a function is a jump.
        let target = instruction::call_target(instruction);
        if let Some(target) = target.or_else(|| self.graph.leaves_to(instruction)) {
            found.calls.push(self.call(instruction, target));
            if let Some(function) = callees.lock(target) {
                found.locks.push(self.lock_call(instruction, function));
            }
        }
        found.errors.extend(self.tested_for_error(instruction));
        if returns(instruction, callees) {
            found.returned.push(self.state.register(RAX));
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

    /// The value that `IS_ERR` looks at.
    fn tested_for_error(&self, instruction: &Instruction) -> Option<ValueId> {
        let is_compare = instruction.mnemonic() == Mnemonic::Cmp;
        let limit = instruction::constant_operand(instruction, 1).filter(|_| is_compare)?;
        let register = instruction::register_operand(instruction, 0)?;
        FIRST_ERRORS
            .contains(&limit)
            .then(|| self.state.register(register))
    }

    fn call(&self, instruction: &Instruction, callee: u64) -> Call {
        Call {
            at: instruction.ip(),
            returns_to: instruction::call_target(instruction).map(|_| instruction.next_ip()),
            callee,
            arguments: ARGUMENTS.map(|number| self.state.register(number)),
        }
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
        let moves = instruction.mnemonic() == Mnemonic::Mov;
        let source = instruction::register_operand(instruction, 1).filter(|_| moves);
        let value = source.map(|source| {
            let value = self.values.untruncated(self.state.register(source));
            self.values.address(value)
        });
        Some(Write {
            at: instruction.ip(),
            block: self.block,
            address,
            value,
        })
    }

    fn increment(&mut self, instruction: &Instruction) -> Option<Increment> {
        let addition = increment::addition(instruction, &self.state, self.values)?;
        Some(Increment {
            at: instruction.ip(),
            next: instruction.next_ip(),
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
        let odd = self.flags_use(at).and_then(|flags| flags.nonzero);
        Some(Test {
            at: instruction.ip(),
            block: self.block,
            words,
            is_direct,
            mask,
            keeps_result: instruction.mnemonic() == Mnemonic::And,
            odd,
            register,
        })
    }

    fn compare(&mut self, at: usize, instruction: &Instruction) -> Option<Compare> {
        if instruction.mnemonic() != Mnemonic::Cmp || instruction::width_bytes(instruction) != 4 {
            return None;
        }
        let use_of_flags = self.flags_use(at)?;
        let operands = [self.operand(instruction, 0)?, self.operand(instruction, 1)?];
        let [left, right] = &operands;
        let sides: Vec<ValueId> = operands
            .iter()
            .map(|operand| operand.value)
            .filter(|&id| self.values.is_word(id))
            .collect();
        if sides.is_empty() {
            return None;
        }
        let common = left.words.iter().filter(|word| right.words.contains(word));
        let pairs = common.filter(|word| sides.contains(word)).copied();
        Some(Compare {
            at: instruction.ip(),
            block: self.block,
            pairs: pairs.collect(),
            operands,
            sides,
            use_of_flags,
        })
    }

    /// One side of a comparison, if it is no constant.
    fn operand(&mut self, instruction: &Instruction, index: u32) -> Option<Operand> {
        let (value, place) = if instruction::is_memory_operand(instruction, index) {
            (self.memory_word(instruction)?.0, memory_place(instruction))
        } else {
            let number = instruction::register_operand(instruction, index)?;
            (self.state.register(number), StartValue::Register(number))
        };
        let words = self.values.words(value);
        Some(Operand {
            value,
            words,
            place,
        })
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
            let mnemonic = instruction.mnemonic();
            if instruction::asks_for_equality(instruction) {
                let nonzero = match mnemonic {
                    Mnemonic::Jne => target(EdgeKind::Taken),
                    Mnemonic::Je => target(EdgeKind::Next),
                    _ => None,
                };
                return Some(FlagsUse {
                    at: instruction.ip(),
                    mnemonic,
                    nonzero,
                });
            }
            let flags = instruction.rflags_read() | instruction.rflags_modified();
            if flags & RflagsBits::ZF != 0 {
                return None;
            }
        }
        None
    }
}

/// What a pointer is compared with to see whether it is an error: `-MAX_ERRNO` of
/// `include/linux/err.h`, and one below.
const FIRST_ERRORS: [i64; 2] = [-4095, -4096];

/// Whether the instruction returns to the caller, or jumps to the thunk that does.
fn returns(instruction: &Instruction, callees: &Callees<'_>) -> bool {
    instruction.flow_control() == FlowControl::Return
        || instruction::branch_target(instruction).is_some_and(|target| callees.returns(target))
}

/// The place of an instruction's memory operand.
fn memory_place(instruction: &Instruction) -> StartValue {
    let is_indexed = instruction::number(instruction.memory_index()).is_some();
    match instruction::number(instruction.memory_base()) {
        Some(base) if !is_indexed => StartValue::Memory {
            base,
            displacement: instruction.memory_displacement64() as i64,
        },
        Some(_) | None => StartValue::Unknown,
    }
}
