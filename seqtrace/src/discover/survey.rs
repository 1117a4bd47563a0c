//! One quick look at every function: is it worth the full analysis?
//!
//! A linear decode, without control flow. A reader of a sequence loads a 32-bit word and soon
//! tests or masks its bit 0, and it compares a word that it has just loaded, or waits. One in
//! thirty functions does so. (6.1-rt, 6.12, 6.12-rt, 7.3-rt: analysing every function finds no
//! site more.)

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, MemorySize, Mnemonic, Register};
use rustc_hash::FxHashSet;

use super::{
    btf::Btf,
    callee::Callees,
    function::Function,
    image::Image,
    increment,
    instruction::{self, ParityMask, RDI, RegisterNumber},
};

/// A load and the test or comparison it is for are not further apart than this many instructions.
const NEAR: u32 = 16;

/// Flags that a comparison sets are used within this many instructions.
const FLAGS_LIVE: u32 = 3;

/// What to look for.
#[derive(Debug)]
pub(super) struct Surveyor<'a> {
    image: &'a Image,
    callees: &'a Callees<'a>,
    /// Offsets at which structures have seqcounts.
    displacements: FxHashSet<u64>,
}

/// Signs of a read section, or of a write section, each a bit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Signs(u8);

impl Signs {
    /// Bit 0 of a word is tested or masked soon after it was loaded.
    const PARITY: Self = Self(1);
    /// A word is compared with something that is no constant, for equality.
    const COMPARE: Self = Self(2);
    /// There is a `pause`, or a lock is taken that readers wait for.
    const WAIT: Self = Self(4);
    /// As `COMPARE`, with a word that lies where some structure has a seqcount.
    const MEMBER: Self = Self(8);
    /// Bit 0 of a word is masked away, however long after it was loaded.
    const MASK: Self = Self(32);
    /// A word that is no global is incremented.
    const INCREMENT: Self = Self(16);

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
    /// Global 32-bit words that the function reads; empty unless it compares or waits.
    pub(super) globals: Vec<u64>,
    /// Global 32-bit words that the function increments.
    pub(super) increments: Vec<u64>,
    /// Constant addresses of locks that the function takes.
    pub(super) locks: Vec<u64>,
}

impl<'a> Surveyor<'a> {
    pub(super) fn new(image: &'a Image, btf: Option<&Btf>, callees: &'a Callees<'a>) -> Self {
        let members = btf.into_iter().flat_map(Btf::seqcount_members);
        let displacements = members.map(|member| member.offset).collect();
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
            words: [None; 16],
            compared: None,
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
        if !found.signs.has(Signs::COMPARE) && !found.signs.has(Signs::WAIT) {
            found.globals.clear();
        }
        found.globals.shrink_to_fit();
        found.increments.shrink_to_fit();
        found
    }
}

impl Survey {
    /// Whether the function may hold a read section, the end of one, or a write section.
    pub(super) fn is_suspicious(&self) -> bool {
        let waits_or_compares = self.signs.has(Signs::COMPARE) || self.signs.has(Signs::WAIT);
        let alone = [Signs::MEMBER, Signs::INCREMENT, Signs::MASK];
        self.signs.has(Signs::PARITY) && waits_or_compares
            || alone.into_iter().any(|sign| self.signs.has(sign))
    }

    /// A function and its cold part are looked at as one.
    pub(super) fn absorb(&mut self, part: Self) {
        let Self {
            signs,
            globals,
            increments,
            locks,
        } = part;
        self.signs.add(signs, true);
        self.globals.extend(globals);
        self.increments.extend(increments);
        self.locks.extend(locks);
    }
}

/// A 32-bit word of memory in a register.
#[derive(Clone, Copy, Debug)]
struct Word {
    /// At which instruction it was loaded.
    at: u32,
    /// Whether it lies at a displacement at which structures have seqcounts.
    is_member: bool,
    /// Its address, where that is constant.
    global: Option<u64>,
}

/// The look at one function, on its way through the instructions.
struct Look<'a> {
    surveyor: &'a Surveyor<'a>,
    /// Instructions so far.
    count: u32,
    /// The constant in rdi.
    argument: Option<u64>,
    /// For each register, the word of memory that was loaded into it.
    words: [Option<Word>; 16],
    /// The word that was compared last, and at which instruction.
    compared: Option<(u32, Word)>,
    found: Survey,
}

impl Look<'_> {
    fn at(&mut self, instruction: &Instruction) {
        self.count += 1;
        if let Some((at, word)) = self.compared
            && self.count - at <= FLAGS_LIVE
            && instruction::asks_for_equality(instruction)
        {
            self.found.signs.add(Signs::COMPARE, true);
            self.found.signs.add(Signs::MEMBER, word.is_member);
        }
        if let Some(mask) = instruction::parity_mask(instruction) {
            let word = self.word(instruction, 0);
            let is_member = word.is_some_and(|word| word.is_member);
            self.found.signs.add(Signs::PARITY, word.is_some());
            self.found.signs.add(Signs::MEMBER, is_member);
            let is_kept = !instruction::is_memory_operand(instruction, 0);
            let masks = mask == ParityMask::Even && is_kept;
            self.found.signs.add(Signs::MASK, masks);
        }
        self.note_increment(instruction);
        match instruction.mnemonic() {
            Mnemonic::Cmp => self.compare(instruction),
            Mnemonic::Pause => self.found.signs.add(Signs::WAIT, true),
            Mnemonic::Test => {}
            _ => self.note_word(instruction),
        }
        self.follow_argument(instruction);
    }

    fn compare(&mut self, instruction: &Instruction) {
        let has_constant = instruction::constant_operand(instruction, 1).is_some();
        if has_constant || instruction::width_bytes(instruction) != 4 {
            return;
        }
        self.note_global(instruction, 0);
        self.note_global(instruction, 1);
        let words = [self.word(instruction, 0), self.word(instruction, 1)];
        let words = words.into_iter().flatten();
        self.compared = words
            .max_by_key(|word| word.is_member)
            .map(|word| (self.count, word));
    }

    /// The word that an operand is or was loaded from a short while ago.
    fn word(&self, instruction: &Instruction, operand: u32) -> Option<Word> {
        if is_word_operand(instruction, operand) {
            return Some(Word {
                at: self.count,
                is_member: self.is_member(instruction, operand),
                global: global(instruction),
            });
        }
        let register = instruction::register_operand(instruction, operand)?;
        self.words[usize::from(register)].filter(|word| self.count - word.at <= NEAR)
    }

    /// Notes which word, if any, the instruction leaves in the register that it writes.
    fn note_word(&mut self, instruction: &Instruction) {
        let Some(target) = instruction::register_operand(instruction, 0) else {
            return;
        };
        let moves = matches!(instruction.mnemonic(), Mnemonic::Mov | Mnemonic::Movsxd);
        let word = if moves {
            self.word(instruction, 1)
        } else {
            None
        };
        if moves {
            self.note_global(instruction, 1);
        }
        // `and $1,%eax` leaves a part of the word.
        if instruction.mnemonic() != Mnemonic::And {
            self.words[usize::from(target)] = word;
        }
    }

    fn note_global(&mut self, instruction: &Instruction, operand: u32) {
        if is_word_operand(instruction, operand) {
            self.found.globals.extend(global(instruction));
        }
    }

    /// Notes a word of memory that the instruction increments, there or in a register.
    fn note_increment(&mut self, instruction: &Instruction) {
        if increment::step(instruction).is_none() {
            return;
        }
        let word = if increment::writes_word(instruction) {
            self.word(instruction, 0)
        } else {
            let added_to = match instruction.mnemonic() {
                Mnemonic::Lea => instruction::number(instruction.memory_base()),
                _ => instruction::register_operand(instruction, 0),
            };
            let loaded = added_to.and_then(|register| self.words[usize::from(register)]);
            loaded.filter(|word| self.count - word.at <= NEAR)
        };
        if let Some(word) = word {
            self.found
                .signs
                .add(Signs::INCREMENT, word.global.is_none());
            self.found.increments.extend(word.global);
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

/// The constant address of the memory operand, if it has one.
fn global(instruction: &Instruction) -> Option<u64> {
    let is_constant = instruction.is_ip_rel_memory_operand();
    is_constant.then(|| instruction.ip_rel_memory_address())
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
