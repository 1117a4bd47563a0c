//! What the registers and the memory of a function hold at one point, and what they hold where
//! several ways meet.

use std::rc::Rc;

use iced_x86::{Instruction, Register};

use super::{
    instruction::{self, RSP, RegisterNumber},
    value::{Address, Merged, Value, ValueId, Values},
};

/// Words of memory that are remembered at a time.
const MEMORY_LIMIT: usize = 256;

/// A word that was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Stored {
    pub(super) value: ValueId,
    pub(super) bytes: u8,
}

/// Registers and written memory at one point.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct State {
    registers: [ValueId; 16],
    /// By address; what is not here holds what it held when the function was entered. Shared: most blocks leave it as it is.
    memory: Rc<Vec<(Address, Stored)>>,
}

impl State {
    /// The state in which a function is entered.
    pub(super) fn at_entry(values: &mut Values) -> Self {
        let registers =
            std::array::from_fn(|number| values.number(Value::Initial(number as RegisterNumber)));
        Self {
            registers,
            memory: Rc::default(),
        }
    }

    /// The state at the head of a block that is entered from nowhere known: nothing but the
    /// stack pointer.
    pub(super) fn unknown(block: u64, values: &mut Values) -> Self {
        let registers = std::array::from_fn(|number| {
            let number = number as RegisterNumber;
            if number == RSP {
                return Values::STACK;
            }
            values.number(Value::Merge(Merged::Register(block, number)))
        });
        Self {
            registers,
            memory: Rc::default(),
        }
    }

    pub(super) fn register(&self, number: RegisterNumber) -> ValueId {
        self.registers[usize::from(number)]
    }

    pub(super) fn set_register(&mut self, number: RegisterNumber, value: ValueId) {
        self.registers[usize::from(number)] = value;
    }

    /// Remembers a word that is written.
    pub(super) fn store(&mut self, address: Address, stored: Stored) {
        match self
            .memory
            .binary_search_by_key(&address, |&(address, _)| address)
        {
            Ok(at) if self.memory[at].1 == stored => {}
            Ok(at) => Rc::make_mut(&mut self.memory)[at].1 = stored,
            Err(at) if self.memory.len() < MEMORY_LIMIT => {
                Rc::make_mut(&mut self.memory).insert(at, (address, stored));
            }
            Err(_) => {}
        }
    }

    /// Forgets what `bytes` bytes at an address of the stack hold, which the call at `call` may
    /// have written.
    pub(super) fn fill(&mut self, address: Address, bytes: u64, call: u64, values: &mut Values) {
        let Address { base, displacement } = address;
        let end = displacement.saturating_add_unsigned(bytes);
        let mut filled = |address| values.number(Value::Merge(Merged::Filled(call, address)));
        let start = self.memory.partition_point(|&(at, _)| at < address);
        let inside = |(at, _): &&(Address, Stored)| at.base == base && at.displacement < end;
        let count = self.memory[start..].iter().take_while(inside).count();
        if count > 0 {
            let memory = Rc::make_mut(&mut self.memory);
            for (at, stored) in &mut memory[start..start + count] {
                stored.value = filled(*at);
            }
        }
        if bytes >= 4 && self.stored(address).is_none() {
            let value = filled(address);
            let bytes = bytes.min(8) as u8;
            self.store(address, Stored { value, bytes });
        }
    }

    fn stored(&self, address: Address) -> Option<Stored> {
        let at = self
            .memory
            .binary_search_by_key(&address, |&(address, _)| address)
            .ok()?;
        Some(self.memory[at].1)
    }

    /// The value that a load yields. `at` is the address of the instruction.
    pub(super) fn load(
        &self,
        address: Address,
        bytes: u8,
        at: u64,
        values: &mut Values,
    ) -> ValueId {
        if let Some(read) = values.read(address, bytes, at) {
            return read;
        }
        match self.stored(address) {
            None => values.number(Value::Load { address, bytes }),
            Some(stored) if stored.bytes == bytes => stored.value,
            Some(Stored { value, bytes: 8 }) if bytes == 4 => values.truncated(value),
            Some(_) => values.number(Value::Opaque(at, MEMORY_PART)),
        }
    }

    /// The address of the memory operand of an instruction.
    pub(super) fn operand_address(
        &self,
        instruction: &Instruction,
        values: &mut Values,
    ) -> Address {
        let per_cpu = instruction.segment_prefix() == Register::GS;
        let origin = if per_cpu {
            Values::PER_CPU
        } else {
            Values::ZERO
        };
        if instruction.is_ip_rel_memory_operand() {
            let displacement = instruction.ip_rel_memory_address() as i64;
            return Address {
                base: origin,
                displacement,
            };
        }
        let base = instruction::number(instruction.memory_base());
        let mut address = values.address(base.map_or(Values::ZERO, |base| self.register(base)));
        address.displacement = address
            .displacement
            .wrapping_add(instruction.memory_displacement64() as i64);
        if let Some(index) = instruction::number(instruction.memory_index()) {
            let scale = instruction.memory_index_scale() as u8;
            address = index_address(address, self.register(index), scale, values);
        }
        if per_cpu && address.base == Values::ZERO {
            address.base = Values::PER_CPU;
        } else if per_cpu {
            let (base, index) = (Values::PER_CPU, address.base);
            address.base = values.number(Value::Indexed {
                base,
                index,
                scale: 1,
            });
        }
        address
    }

    /// The state where the ways `from` meet, at the head of a block.
    pub(super) fn merge(block: u64, from: &[&Self], values: &mut Values) -> Self {
        let registers = std::array::from_fn(|number| {
            let place = Merged::Register(block, number as RegisterNumber);
            meet(
                place,
                from.iter().map(|state| state.registers[number]),
                values,
            )
        });
        let first = &from[0].memory;
        if from[1..].iter().all(|state| state.memory == *first) {
            let memory = Rc::clone(first);
            return Self { registers, memory };
        }
        let mut memory = Vec::with_capacity(first.len());
        let mut words = Words {
            from,
            next: vec![0; from.len()],
            found: Vec::with_capacity(from.len()),
        };
        let mut held = Vec::with_capacity(from.len());
        while let Some(address) = words.advance() {
            let place = Merged::Memory(block, address);
            let Some(bytes) = words.common_width(address) else {
                continue;
            };
            let value = if let Some(value) = words.common_value() {
                value
            } else {
                words.values(address, bytes, values, &mut held);
                meet(place, held.iter().copied(), values)
            };
            memory.push((address, Stored { value, bytes }));
        }
        memory.truncate(MEMORY_LIMIT);
        let memory = Rc::new(memory);
        Self { registers, memory }
    }
}

/// Walks the words that several states remember, in the order of addresses.
struct Words<'a> {
    from: &'a [&'a State],
    /// For each state, how many of its words are done.
    next: Vec<usize>,
    /// For each state, what it remembers at the address the walk is at.
    found: Vec<Option<Stored>>,
}

impl Words<'_> {
    /// Goes to the next address that any state remembers.
    fn advance(&mut self) -> Option<Address> {
        let heads = self
            .from
            .iter()
            .zip(&self.next)
            .map(|(state, &at)| state.memory.get(at));
        let address = heads.flatten().map(|&(address, _)| address).min()?;
        self.found.clear();
        for (state, at) in self.from.iter().zip(&mut self.next) {
            let head = state.memory.get(*at).filter(|&&(head, _)| head == address);
            *at += usize::from(head.is_some());
            self.found.push(head.map(|&(_, stored)| stored));
        }
        Some(address)
    }

    /// The width in which all ways wrote the word. A stack slot that one way did not write holds
    /// there what it held at the entry; other words must be written on every way.
    fn common_width(&self, address: Address) -> Option<u8> {
        let is_slot = address.base == Values::STACK;
        if !is_slot && self.found.contains(&None) {
            return None;
        }
        let mut widths = self.found.iter().flatten().map(|stored| stored.bytes);
        let first = widths.next()?;
        widths.all(|width| width == first).then_some(first)
    }

    /// The value that every way wrote.
    fn common_value(&self) -> Option<ValueId> {
        let first = self.found.first().copied()??;
        let is_common = self.found.iter().all(|stored| *stored == Some(first));
        is_common.then_some(first.value)
    }

    /// Puts into `held` what the word holds on each way.
    fn values(&self, address: Address, bytes: u8, values: &mut Values, held: &mut Vec<ValueId>) {
        held.clear();
        held.extend(self.found.iter().map(|stored| match stored {
            Some(stored) => stored.value,
            None => values.number(Value::Load { address, bytes }),
        }));
    }
}

/// Tells the results of one instruction apart: registers by their number, memory by this.
pub(super) const MEMORY_PART: u8 = 16;

fn index_address(address: Address, index: ValueId, scale: u8, values: &mut Values) -> Address {
    let Address { base, displacement } = address;
    let Address {
        base: index,
        displacement: moved,
    } = values.address(index);
    let moved = moved.wrapping_mul(scale.into());
    let displacement = displacement.wrapping_add(moved);
    match (base, index) {
        (base, Values::ZERO) => Address { base, displacement },
        (Values::ZERO, index) if scale == 1 => Address {
            base: index,
            displacement,
        },
        (base, index) => {
            let base = values.number(Value::Indexed { base, index, scale });
            Address { base, displacement }
        }
    }
}

/// One value where several meet: itself, if all are equal, else a merge of them. A merge that
/// comes back to its own head along a loop is no value besides the others.
fn meet(
    place: Merged,
    held: impl Iterator<Item = ValueId> + Clone,
    values: &mut Values,
) -> ValueId {
    let mut all = held.clone();
    let first = all.next();
    if let Some(first) = first
        && all.all(|value| value == first)
    {
        return first;
    }
    let merge = values.number(Value::Merge(place));
    let mut others = held.clone().filter(|&value| value != merge);
    if let Some(other) = others.next()
        && others.all(|value| value == other)
    {
        return other;
    }
    values.set_inputs(merge, held);
    merge
}
