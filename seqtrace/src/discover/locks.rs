//! Where followed locks are taken and dropped: text in, calls of lock functions out, for the locks that
//! somebody names.
//!
//! A lock is followed by the address that the call is given: a variable's, or that of a member whose
//! object the types tell. Only functions in which such an address can stand are analysed. Locks that are
//! handed over as a parameter, and functions that take them on behalf of others, are not seen.

use std::ops::Range;

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use rustc_hash::FxHashMap;

pub use super::lock_function::{Action, Form};
use super::{
    btf::Btf,
    callee::{Callees, entry_points},
    evidence::{Call, Evidence},
    function::{Function, Functions},
    graph::Flow,
    identify::{Landmarks, Typing},
    image::Image,
    instruction,
    lock_function::{LOCK_FUNCTIONS, LockFunction},
    symbols::Symbols,
};

/// A variable is not larger: what lies further from a symbol is not its.
const LARGEST_VARIABLE_BYTES: u64 = 1 << 20;

/// One call of a lock function.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LockCall {
    /// Function the call lies in, as kallsyms names it.
    pub function: String,
    /// Distance of the call from the function's symbol, bytes.
    pub offset: u64,
    /// Distance of the call from the image's base, bytes.
    pub image_offset: u64,
    /// How far behind the call's first byte it returns to, bytes; `None` for a jump in place of a call.
    pub returns_behind: Option<u64>,
    /// The lock: `pidmap_lock`, `task_struct.alloc_lock`.
    pub lock: String,
    /// The function that is called.
    pub lock_function: &'static str,
    /// What it does.
    pub action: Action,
    /// What kind of lock it does that to.
    pub form: Form,
}

/// Which locks somebody names.
pub struct Wanted<'a> {
    /// Whether it is one of them, by its name.
    pub is_wanted: &'a (dyn Fn(&str) -> bool + Sync),
    /// Offsets at which they lie in their objects: code that has none of these need not be looked at.
    pub members: Vec<u64>,
    /// Those among the variables of vmlinux ([`variables`]), for its modules.
    pub imported: Vec<Range<u64>>,
}

/// The calls by which locks that are wanted are taken and dropped, by address, each once.
pub fn lock_calls(image: &Image, btf: Option<&Btf>, wanted: &Wanted<'_>) -> Vec<LockCall> {
    let functions = Functions::new(image);
    let callees = Callees::new(image, btf);
    let search = Search {
        image,
        btf,
        flow: Flow::new(image, &functions, &callees),
        landmarks: Landmarks::new(image, btf),
        locks: LOCK_FUNCTIONS
            .iter()
            .flat_map(|lock| entry_points(image, lock.name).map(move |address| (address, lock)))
            .collect(),
        variables: search_variables(image, wanted),
        wanted,
    };
    let whole = functions.as_slice().iter();
    let whole: Vec<Function<'_>> = whole
        .filter(|one| one.parent_name().is_none())
        .copied()
        .collect();
    let mut found: Vec<LockCall> = whole
        .par_iter()
        .filter(|function| search.may_have(function, &functions))
        .flat_map_iter(|function| search.calls(*function))
        .collect();
    found.sort_by_key(|call| call.image_offset);
    found.dedup_by_key(|call| call.image_offset);
    found
}

struct Search<'a> {
    image: &'a Image,
    btf: Option<&'a Btf>,
    flow: Flow<'a>,
    landmarks: Landmarks,
    /// By address.
    locks: FxHashMap<u64, &'static LockFunction>,
    /// Where wanted variables are, by address.
    variables: Vec<Range<u64>>,
    wanted: &'a Wanted<'a>,
}

/// Where the wanted variables are, of the image itself and of what it imports.
fn search_variables(image: &Image, wanted: &Wanted<'_>) -> Vec<Range<u64>> {
    let mut found = variables(&image.symbols, wanted.is_wanted);
    found.retain(|variable| image.segment_of(variable.start).is_none());
    if !image.imports.is_empty() {
        found.extend(wanted.imported.iter().cloned());
    }
    found.sort_unstable_by_key(|variable| variable.start);
    found
}

/// Where the things are whose name `is_wanted`, each up to the next symbol.
pub fn variables(symbols: &Symbols, is_wanted: &dyn Fn(&str) -> bool) -> Vec<Range<u64>> {
    let mut found = Vec::new();
    let mut open: Option<u64> = None;
    for symbol in symbols.iter() {
        if let Some(start) = open.filter(|start| symbol.address > *start) {
            found.push(start..symbol.address.min(start + LARGEST_VARIABLE_BYTES));
            open = None;
        }
        if is_wanted(symbol.name) {
            open = Some(symbol.address);
        }
    }
    found.extend(open.map(|start| start..start.saturating_add(LARGEST_VARIABLE_BYTES)));
    found
}

impl<'a> Search<'a> {
    /// Whether a wanted lock's address, or the offset of one in its object, stands in the function or in
    /// its cold part.
    fn may_have(&self, function: &Function<'a>, functions: &Functions<'a>) -> bool {
        let cold = self.image.resolve(&format!("{}.cold", function.name));
        let cold = cold.and_then(|start| functions.at(start));
        self.mentions(function) || cold.is_some_and(|cold| self.mentions(&cold))
    }

    fn mentions(&self, function: &Function<'_>) -> bool {
        let Some(bytes) = self.image.text_at(function.start, function.end) else {
            return false;
        };
        let mut decoder = Decoder::with_ip(64, bytes, function.start, DecoderOptions::NONE);
        let mut instruction = Instruction::default();
        let (mut locks, mut mentions) = (false, self.wanted.members.contains(&0));
        while decoder.can_decode() && !(locks && mentions) {
            decoder.decode_out(&mut instruction);
            let target = instruction::direct_target(&instruction);
            locks |= target.is_some_and(|target| self.locks.contains_key(&target));
            mentions |= self.is_mention(&instruction);
        }
        locks && mentions
    }

    fn is_mention(&self, instruction: &Instruction) -> bool {
        if instruction.is_ip_rel_memory_operand() {
            return self.is_variable(instruction.ip_rel_memory_address());
        }
        match instruction.mnemonic() {
            Mnemonic::Mov | Mnemonic::Add | Mnemonic::Sub => {
                let constant = instruction::constant_operand(instruction, 1);
                constant.is_some_and(|constant| {
                    self.is_variable(constant as u64)
                        || self.wanted.members.contains(&constant.unsigned_abs())
                })
            }
            Mnemonic::Lea => {
                let displacement = instruction.memory_displacement64();
                self.wanted.members.contains(&displacement) || self.is_variable(displacement)
            }
            _ => false,
        }
    }

    fn is_variable(&self, address: u64) -> bool {
        let behind = self
            .variables
            .partition_point(|variable| variable.start <= address);
        let last = self.variables[..behind].last();
        last.is_some_and(|variable| variable.contains(&address))
    }

    /// The calls in a function and its cold part.
    fn calls(&self, function: Function<'a>) -> Vec<LockCall> {
        let Some((evidence, values)) = Evidence::new(&self.flow, function) else {
            return Vec::new();
        };
        let (image, btf) = (self.image, self.btf);
        let mut typing = Typing::new(image, btf, &self.landmarks, function, &evidence, &values);
        let calls = evidence.calls.iter();
        calls
            .filter_map(|call| self.call(call, &mut typing))
            .collect()
    }

    fn call(&self, call: &Call, typing: &mut Typing<'_>) -> Option<LockCall> {
        let lock = self.locks.get(&call.callee)?;
        let argument = typing.on_every_way(call.arguments[0]);
        let name = typing.lock_name(argument)?;
        if !(self.wanted.is_wanted)(&name) {
            return None;
        }
        let (symbol, offset) = self.image.symbols.at(call.at)?;
        Some(LockCall {
            function: symbol.name.to_owned(),
            offset,
            image_offset: call.at.wrapping_sub(self.image.base),
            returns_behind: call.returns_to.map(|to| to.wrapping_sub(call.at)),
            lock: name,
            lock_function: lock.name,
            action: lock.action,
            form: lock.form,
        })
    }
}
