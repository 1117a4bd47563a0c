//! An instruction → its text in AT&T syntax, addresses as symbols.

use std::sync::Arc;

use iced_x86::{
    Formatter as _, GasFormatter, Instruction, OpKind, Register, SymbolResolver, SymbolResult,
};

use crate::discover::{
    image::Image,
    symbols::{SymbolKind, Symbols},
};

/// Kernel addresses are sign-extended from 32 bits; smaller ones are distances in a structure.
const LOWEST_ADDRESS: u64 = 0xffff_ffff_8000_0000;

/// Farther behind a symbol than this lies something that has none.
const LARGEST_OBJECT_BYTES: u64 = 64 << 10;

/// Column of the operands.
const OPERANDS: u32 = 7;

/// Writes instructions of one image.
pub(super) struct Formatter {
    gas: GasFormatter,
    /// Reused for each instruction.
    text: String,
}

/// The decoder's crate wants to own it, hence no borrow of the image.
struct Resolver {
    own: Arc<Symbols>,
    imports: Vec<Arc<Symbols>>,
}

impl Formatter {
    pub(super) fn new(image: &Image) -> Self {
        let resolver = Resolver {
            own: Arc::clone(&image.symbols),
            imports: image.imports.clone(),
        };
        let mut gas = GasFormatter::with_options(Some(Box::new(resolver)), None);
        let options = gas.options_mut();
        options.set_uppercase_hex(false);
        options.set_small_hex_numbers_in_decimal(false);
        options.set_first_operand_char_index(OPERANDS);
        Self {
            gas,
            text: String::new(),
        }
    }

    pub(super) fn format(&mut self, instruction: &Instruction) -> String {
        self.text.clear();
        self.gas.format(instruction, &mut self.text);
        self.text.trim_end().to_owned()
    }
}

impl SymbolResolver for Resolver {
    fn symbol(
        &mut self,
        instruction: &Instruction,
        _operand: u32,
        instruction_operand: Option<u32>,
        address: u64,
        _address_size: u32,
    ) -> Option<SymbolResult<'_>> {
        let kind = instruction.op_kind(instruction_operand?);
        let name = match kind {
            OpKind::NearBranch64 => self.name(address, u64::MAX),
            OpKind::Memory if is_per_cpu(instruction) => self.variable(address),
            _ if address >= LOWEST_ADDRESS => self.name(address, LARGEST_OBJECT_BYTES),
            _ => None,
        }?;
        Some(SymbolResult::with_string(address, name))
    }
}

/// Whether the operand is a per-CPU variable at a fixed place: `%gs:` and no register.
fn is_per_cpu(instruction: &Instruction) -> bool {
    instruction.segment_prefix() == Register::GS
        && matches!(instruction.memory_base(), Register::None | Register::RIP)
}

impl Resolver {
    fn tables(&self) -> impl Iterator<Item = &Arc<Symbols>> {
        std::iter::once(&self.own).chain(&self.imports)
    }

    /// `<d_lookup+0x15>`, if the symbol is at most so far before.
    fn name(&self, address: u64, farthest: u64) -> Option<String> {
        let found = self.tables().filter_map(|table| table.at(address));
        let (symbol, distance) = found.min_by_key(|&(_, distance)| distance)?;
        (distance < farthest).then(|| bracketed(symbol.name, distance))
    }

    /// As `name`, of a per-CPU variable, where functions may have the same address.
    fn variable(&self, address: u64) -> Option<String> {
        let found = self.tables().filter_map(|table| table.at(address));
        let found = found.filter(|(symbol, _)| symbol.kind == SymbolKind::Data);
        let (symbol, distance) = found.min_by_key(|&(_, distance)| distance)?;
        (distance < LARGEST_OBJECT_BYTES).then(|| bracketed(symbol.name, distance))
    }
}

fn bracketed(name: &str, distance: u64) -> String {
    match distance {
        0 => format!("<{name}>"),
        _ => format!("<{name}+{distance:#x}>"),
    }
}
