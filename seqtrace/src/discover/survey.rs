//! One quick look at every function: is it worth the full analysis?
//!
//! A linear decode, without control flow. A reader of a sequence loads a 32-bit word, tests or
//! masks its bit 0, and compares it or waits; one in fourteen functions does so anywhere.

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, MemorySize, Mnemonic, Register};
use rustc_hash::FxHashSet;

use super::{
    btf::Btf,
    callee::Callees,
    function::Function,
    image::Image,
    instruction::{self, RDI, RegisterNumber},
};

/// A re-load and the comparison it is for are seldom further apart than this many instructions.
const NEAR: u32 = 8;

/// What to look for.
#[derive(Debug)]
pub(super) struct Surveyor<'a> {
    image: &'a Image,
    callees: &'a Callees<'a>,
    /// Offsets at which structures have seqcounts.
    displacements: FxHashSet<u64>,
}

/// Signs of a read section, each a bit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Signs(u8);

impl Signs {
    /// Bit 0 of something is tested or masked.
    const PARITY: Self = Self(1);
    /// A 32-bit word of memory is read.
    const WORD: Self = Self(2);
    /// Something is compared.
    const COMPARE: Self = Self(4);
    /// There is a `pause`, or a lock is taken that readers wait for.
    const WAIT: Self = Self(8);
    /// A word is compared that lies where some structure has a seqcount.
    const MEMBER: Self = Self(16);

    fn add(&mut self, other: Self, seen: bool) {
        if seen {
            self.0 |= other.0;
        }
    }

    fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// What the look at a function showed.
#[derive(Debug, Default)]
pub(super) struct Survey {
    signs: Signs,
    /// Global 32-bit words that the function reads; empty unless it compares.
    pub(super) globals: Vec<u64>,
    /// Constant addresses of locks that the function takes.
    pub(super) locks: Vec<u64>,
}

impl<'a> Surveyor<'a> {
    pub(super) fn new(image: &'a Image, btf: Option<&Btf>, callees: &'a Callees<'a>) -> Self {
        let members = btf.map_or_else(Vec::new, Btf::seqcount_members);
        let displacements = members.into_iter().map(|member| member.offset).collect();
        Self {
            image,
            callees,
            displacements,
        }
    }

    /// Looks at the bytes of a function.
    pub(super) fn survey(&self, function: Function<'_>) -> Survey {
        let mut look = Look {
            surveyor: self,
            count: 0,
            argument: None,
            members: [None; 16],
            found: Survey::default(),
        };
        if let Some(bytes) = self.image.text_at(function.start, function.end) {
            let mut decoder = Decoder::with_ip(64, bytes, function.start, DecoderOptions::NONE);
            let mut instruction = Instruction::default();
            while decoder.can_decode() {
                decoder.decode_out(&mut instruction);
                look.at(&instruction);
            }
        }
        let mut found = look.found;
        if !found.signs.has(Signs::COMPARE) {
            found.globals.clear();
        }
        found.globals.shrink_to_fit();
        found
    }
}

impl Survey {
    /// Whether the function may hold a read section, or the end of one.
    pub(super) fn is_suspicious(&self) -> bool {
        let reads = self.signs.has(Signs::PARITY) && self.signs.has(Signs::WORD);
        let waits_or_compares = self.signs.has(Signs::COMPARE) || self.signs.has(Signs::WAIT);
        reads && waits_or_compares || self.signs.has(Signs::MEMBER)
    }

    /// A function and its cold part are looked at as one.
    pub(super) fn absorb(&mut self, part: Self) {
        let Self {
            signs,
            globals,
            locks,
        } = part;
        self.signs.add(signs, true);
        self.globals.extend(globals);
        self.locks.extend(locks);
    }
}

/// The look at one function, on its way through the instructions.
struct Look<'a> {
    surveyor: &'a Surveyor<'a>,
    /// Instructions so far.
    count: u32,
    /// The constant in rdi.
    argument: Option<u64>,
    /// For each register, at which instruction a word at a seqcount's displacement came into it.
    members: [Option<u32>; 16],
    found: Survey,
}

impl Look<'_> {
    fn at(&mut self, instruction: &Instruction) {
        self.count += 1;
        let has_mask = instruction::parity_mask(instruction).is_some();
        self.found.signs.add(Signs::PARITY, has_mask);
        match instruction.mnemonic() {
            Mnemonic::Cmp => self.compare(instruction),
            Mnemonic::Mov => {
                self.note_word(instruction, 1);
                self.note_member(instruction);
            }
            Mnemonic::Pause => self.found.signs.add(Signs::WAIT, true),
            _ => {}
        }
        self.follow_argument(instruction);
    }

    fn compare(&mut self, instruction: &Instruction) {
        self.found.signs.add(Signs::COMPARE, true);
        for operand in 0..2 {
            self.note_word(instruction, operand);
            let register = instruction::register_operand(instruction, operand);
            let loaded = register.and_then(|register| self.members[usize::from(register)]);
            let is_near = loaded.is_some_and(|at| self.count - at <= NEAR);
            let has_constant = instruction::constant_operand(instruction, 1).is_some();
            let is_word = instruction::width_bytes(instruction) == 4 && !has_constant;
            let is_member = is_word && (is_near || self.is_member(instruction, operand));
            self.found.signs.add(Signs::MEMBER, is_member);
        }
    }

    fn note_word(&mut self, instruction: &Instruction, operand: u32) {
        if !is_word_operand(instruction, operand) {
            return;
        }
        self.found.signs.add(Signs::WORD, true);
        if instruction.is_ip_rel_memory_operand() {
            self.found.globals.push(instruction.ip_rel_memory_address());
        }
    }

    fn note_member(&mut self, instruction: &Instruction) {
        if let Some(register) = instruction::register_operand(instruction, 0) {
            let is_member = self.is_member(instruction, 1);
            self.members[usize::from(register)] = is_member.then_some(self.count);
        }
    }

    /// Whether the operand is a word at a displacement at which structures have seqcounts.
    fn is_member(&self, instruction: &Instruction, operand: u32) -> bool {
        is_word_operand(instruction, operand)
            && !matches!(
                instruction.memory_base(),
                Register::None | Register::RIP | Register::RSP
            )
            && self
                .surveyor
                .displacements
                .contains(&instruction.memory_displacement64())
    }

    /// Follows a constant in rdi to the call it is the argument of.
    fn follow_argument(&mut self, instruction: &Instruction) {
        if instruction.flow_control() != FlowControl::Next {
            let argument = self.argument.take();
            let Some(target) = instruction::call_target(instruction) else {
                return;
            };
            let Some(lock) = self.surveyor.callees.lock(target) else {
                return;
            };
            let waits = lock.takes && !lock.waits_for.is_empty();
            self.found.signs.add(Signs::WAIT, waits);
            self.found.locks.extend(argument.filter(|_| lock.takes));
        } else if written_register(instruction) == Some(RDI) {
            self.argument = match instruction.mnemonic() {
                Mnemonic::Mov => {
                    instruction::constant_operand(instruction, 1).map(|value| value as u64)
                }
                Mnemonic::Lea if instruction.is_ip_rel_memory_operand() => {
                    Some(instruction.ip_rel_memory_address())
                }
                _ => None,
            };
        }
    }
}

fn is_word_operand(instruction: &Instruction, operand: u32) -> bool {
    instruction::is_memory_operand(instruction, operand)
        && matches!(
            instruction.memory_size(),
            MemorySize::UInt32 | MemorySize::Int32
        )
}

/// The first operand, where it is a register: nearly always the one that is written.
fn written_register(instruction: &Instruction) -> Option<RegisterNumber> {
    instruction::register_operand(instruction, 0)
}
