//! What one instruction does to the state.
//!
//! Instructions that compute addresses and move words are followed exactly; of all others only
//! what they overwrite matters.

use iced_x86::{Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind};

use super::{
    callee::Callees,
    instruction::{self, ARGUMENTS, CALL_CLOBBERED, RBP, RSP, RegisterNumber},
    state::{MEMORY_PART, State, Stored},
    value::{Address, Merged, Value, ValueId, Values},
};

/// How much a call is taken to write of an object of unknown type: a word.
const UNKNOWN_OBJECT_BYTES: u64 = 8;

/// Carries states over instructions.
pub(super) struct Transfer<'a> {
    callees: &'a Callees<'a>,
    factory: InstructionInfoFactory,
    /// Address of the function, at which only the call for tracing stands.
    entry: u64,
}

impl<'a> Transfer<'a> {
    pub(super) fn new(callees: &'a Callees<'a>, entry: u64) -> Self {
        Self {
            callees,
            factory: InstructionInfoFactory::new(),
            entry,
        }
    }

    /// Applies one instruction to the state.
    pub(super) fn apply(
        &mut self,
        instruction: &Instruction,
        state: &mut State,
        values: &mut Values,
    ) {
        let mut step = Step {
            instruction,
            at: instruction.ip(),
            state,
            values,
        };
        let done = match instruction.mnemonic() {
            Mnemonic::Nop
            | Mnemonic::Endbr64
            | Mnemonic::Pause
            | Mnemonic::Test
            | Mnemonic::Cmp
            | Mnemonic::Lfence
            | Mnemonic::Sfence
            | Mnemonic::Mfence
            | Mnemonic::Ud2
            | Mnemonic::Int3
            | Mnemonic::Bt => Some(()),
            Mnemonic::Mov => step.mov(),
            Mnemonic::Movzx | Mnemonic::Movsx | Mnemonic::Movsxd => step.extend(),
            Mnemonic::Lea => step.lea(),
            Mnemonic::Add | Mnemonic::Sub => step.add(),
            Mnemonic::Inc => step.add_constant(1),
            Mnemonic::Dec => step.add_constant(-1),
            Mnemonic::And => step.and(),
            Mnemonic::Xor => step.clear(),
            Mnemonic::Push | Mnemonic::Pushfq => {
                step.push();
                Some(())
            }
            Mnemonic::Popfq => {
                step.drop_pushed();
                Some(())
            }
            Mnemonic::Leave => {
                step.leave();
                Some(())
            }
            Mnemonic::Pop => step.pop(),
            Mnemonic::Call => {
                if !self.is_tracing(instruction) {
                    step.call(self.callees);
                }
                Some(())
            }
            _ => None,
        };
        if done.is_none() {
            self.overwrite(instruction, state, values);
        }
    }

    /// Whether the call is the one gcc puts at the start of a function for tracing, as it was
    /// compiled or as the kernel has patched it.
    fn is_tracing(&self, instruction: &Instruction) -> bool {
        let Some(target) = instruction::call_target(instruction) else {
            return false;
        };
        // `endbr64` may stand in front of it.
        let is_first = matches!(instruction.ip().wrapping_sub(self.entry), 0 | 4);
        self.callees.changes_nothing(target) || is_first && !self.callees.is_known(target)
    }

    /// Forgets what the instruction writes.
    fn overwrite(&mut self, instruction: &Instruction, state: &mut State, values: &mut Values) {
        let at = instruction.ip();
        let info = self.factory.info(instruction);
        for used in info.used_registers() {
            let Some(number) = instruction::number(used.register()) else {
                continue;
            };
            let overwritten = values.number(Value::Opaque(at, number));
            match used.access() {
                OpAccess::Write | OpAccess::ReadWrite if is_conditional_move(instruction) => {
                    let value = conditional(instruction, number, state, values);
                    state.set_register(number, value.unwrap_or(overwritten));
                }
                OpAccess::Write | OpAccess::ReadWrite => state.set_register(number, overwritten),
                OpAccess::CondWrite | OpAccess::ReadCondWrite => {
                    let value = conditional(instruction, number, state, values);
                    state.set_register(number, value.unwrap_or(overwritten));
                }
                OpAccess::None | OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess => {}
            }
        }
        let writes = info.used_memory().iter().any(|used| {
            matches!(
                used.access(),
                OpAccess::Write
                    | OpAccess::ReadWrite
                    | OpAccess::CondWrite
                    | OpAccess::ReadCondWrite
            )
        });
        let has_operand = (0..instruction.op_count())
            .any(|index| instruction::is_memory_operand(instruction, index));
        if writes && has_operand {
            let address = state.operand_address(instruction, values);
            let value = values.number(Value::Opaque(at, MEMORY_PART));
            let bytes = instruction.memory_size().size() as u8;
            state.store(address, Stored { value, bytes });
        }
    }
}

fn is_conditional_move(instruction: &Instruction) -> bool {
    (Mnemonic::Cmova..=Mnemonic::Cmovs).contains(&instruction.mnemonic())
}

/// A register that is written or not: either value.
fn conditional(
    instruction: &Instruction,
    number: RegisterNumber,
    state: &State,
    values: &mut Values,
) -> Option<ValueId> {
    let source = instruction::register_operand(instruction, 1)?;
    let merge = values.number(Value::Merge(Merged::Move(instruction.ip(), number)));
    values.set_inputs(
        merge,
        [number, source]
            .map(|number| state.register(number))
            .into_iter(),
    );
    Some(merge)
}

/// One instruction on its way through the state. Methods return `None` for forms they do not
/// follow, having changed nothing.
struct Step<'a> {
    instruction: &'a Instruction,
    at: u64,
    state: &'a mut State,
    values: &'a mut Values,
}

impl Step<'_> {
    fn mov(&mut self) -> Option<()> {
        let bytes = instruction::width_bytes(self.instruction) as u8;
        if instruction::is_memory_operand(self.instruction, 0) {
            let address = self.state.operand_address(self.instruction, self.values);
            let value = self.stored_value(bytes);
            self.state.store(address, Stored { value, bytes });
            return Some(());
        }
        let target = instruction::register_operand(self.instruction, 0)?;
        let value = if bytes < 4 { None } else { self.source(bytes) };
        let value = value.unwrap_or_else(|| self.values.number(Value::Opaque(self.at, target)));
        self.set(target, value);
        Some(())
    }

    fn stored_value(&mut self, bytes: u8) -> ValueId {
        if let Some(constant) = instruction::constant_operand(self.instruction, 1) {
            return self.values.constant(constant);
        }
        let source = instruction::register_operand(self.instruction, 1);
        match (source.map(|source| self.state.register(source)), bytes) {
            (Some(value), 8) => value,
            (Some(value), 4) => self.values.truncated(value),
            _ => self.values.number(Value::Opaque(self.at, MEMORY_PART)),
        }
    }

    /// The value of the second operand.
    fn source(&mut self, bytes: u8) -> Option<ValueId> {
        if let Some(constant) = instruction::constant_operand(self.instruction, 1) {
            return Some(self.values.constant(constant));
        }
        if instruction::is_memory_operand(self.instruction, 1) {
            let address = self.state.operand_address(self.instruction, self.values);
            return Some(self.state.load(address, bytes, self.at, self.values));
        }
        let source = instruction::register_operand(self.instruction, 1)?;
        Some(self.state.register(source))
    }

    fn extend(&mut self) -> Option<()> {
        let target = instruction::register_operand(self.instruction, 0)?;
        let value = if instruction::is_memory_operand(self.instruction, 1) {
            let bytes = self.instruction.memory_size().size() as u8;
            self.source(bytes)?
        } else if self.instruction.mnemonic() == Mnemonic::Movsxd {
            let source = instruction::register_operand(self.instruction, 1)?;
            self.values.truncated(self.state.register(source))
        } else {
            self.values.number(Value::Opaque(self.at, target))
        };
        self.set(target, value);
        Some(())
    }

    fn lea(&mut self) -> Option<()> {
        let target = instruction::register_operand(self.instruction, 0)?;
        let address = self.state.operand_address(self.instruction, self.values);
        let value = self.values.pointer(address);
        self.set(target, value);
        Some(())
    }

    fn add(&mut self) -> Option<()> {
        let target = instruction::register_operand(self.instruction, 0)?;
        let bytes = instruction::width_bytes(self.instruction) as u8;
        if bytes < 4 {
            return None;
        }
        let subtracts = self.instruction.mnemonic() == Mnemonic::Sub;
        if let Some(constant) = instruction::constant_operand(self.instruction, 1) {
            return self.add_constant(if subtracts {
                constant.wrapping_neg()
            } else {
                constant
            });
        }
        if subtracts {
            return None;
        }
        let added = self.source(bytes)?;
        let Address { base, displacement } = self.values.address(self.state.register(target));
        let Address {
            base: index,
            displacement: more,
        } = self.values.address(added);
        let displacement = displacement.wrapping_add(more);
        let base = match (base, index) {
            (base, Values::ZERO) => base,
            (Values::ZERO, index) => index,
            (base, index) => self.values.number(Value::Indexed {
                base,
                index,
                scale: 1,
            }),
        };
        let value = self.values.pointer(Address { base, displacement });
        self.set(target, value);
        Some(())
    }

    fn add_constant(&mut self, constant: i64) -> Option<()> {
        let target = instruction::register_operand(self.instruction, 0)?;
        let value = self.values.offset(self.state.register(target), constant);
        self.set(target, value);
        Some(())
    }

    fn and(&mut self) -> Option<()> {
        let target = instruction::register_operand(self.instruction, 0)?;
        let constant = instruction::constant_operand(self.instruction, 1)?;
        let mask = match instruction::width_bytes(self.instruction) {
            4 => u64::from(constant as u32),
            8 => constant as u64,
            _ => return None,
        };
        let of = self.state.register(target);
        let value = self.values.number(Value::Masked { of, mask });
        self.set(target, value);
        Some(())
    }

    /// `xor %eax,%eax`.
    fn clear(&mut self) -> Option<()> {
        let target = instruction::register_operand(self.instruction, 0)?;
        let same = self.instruction.op1_kind() == OpKind::Register
            && self.instruction.op0_register() == self.instruction.op1_register();
        if !same {
            return None;
        }
        let value = self.values.constant(0);
        self.set(target, value);
        Some(())
    }

    fn push(&mut self) {
        let pushed = match instruction::register_operand(self.instruction, 0) {
            Some(source) => self.state.register(source),
            None if instruction::is_memory_operand(self.instruction, 0) => {
                let address = self.state.operand_address(self.instruction, self.values);
                self.state.load(address, 8, self.at, self.values)
            }
            None => self.values.number(Value::Opaque(self.at, MEMORY_PART)),
        };
        let top = self.values.offset(self.state.register(RSP), -8);
        self.state.set_register(RSP, top);
        let address = self.values.address(top);
        self.state.store(
            address,
            Stored {
                value: pushed,
                bytes: 8,
            },
        );
    }

    fn pop(&mut self) -> Option<()> {
        let target = instruction::register_operand(self.instruction, 0)?;
        let value = self.drop_pushed();
        self.state.set_register(target, value);
        Some(())
    }

    /// Takes a word from the stack.
    fn drop_pushed(&mut self) -> ValueId {
        let top = self.state.register(RSP);
        let address = self.values.address(top);
        let value = self.state.load(address, 8, self.at, self.values);
        let top = self.values.offset(top, 8);
        self.state.set_register(RSP, top);
        value
    }

    /// Gives the frame back.
    fn leave(&mut self) {
        self.state.set_register(RSP, self.state.register(RBP));
        let frame = self.drop_pushed();
        self.state.set_register(RBP, frame);
    }

    /// A call changes rax, the registers that are the caller's to save, and the objects on the
    /// stack whose address it is given.
    fn call(&mut self, callees: &Callees<'_>) {
        for argument in ARGUMENTS {
            let address = self.values.address(self.state.register(argument));
            if address.base == Values::STACK {
                let callee = instruction::call_target(self.instruction);
                let bytes = callee.and_then(|callee| callees.written_bytes(callee, argument));
                let bytes = bytes.unwrap_or(UNKNOWN_OBJECT_BYTES);
                self.state.fill(address, bytes, self.at, self.values);
            }
        }
        for number in CALL_CLOBBERED {
            let value = self.values.number(Value::Opaque(self.at, number));
            self.state.set_register(number, value);
        }
        let returned = self.values.number(Value::Returned(self.at));
        self.state.set_register(0, returned);
    }

    /// Writes a register; 32-bit writes clear the upper half.
    fn set(&mut self, target: RegisterNumber, value: ValueId) {
        let bytes = instruction::width_bytes(self.instruction);
        let value = if bytes == 4 {
            self.values.truncated(value)
        } else {
            value
        };
        self.state.set_register(target, value);
    }
}
