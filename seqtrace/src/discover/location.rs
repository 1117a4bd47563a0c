//! Where a sequence word lies, in terms of what the probed instruction has at hand.
//!
//! An instance's own operand tells. At a site it is the operand of the load that the reader comes to
//! next, provided that no register of it changes on the way there. Nothing is said where the way
//! branches.

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, OpAccess, OpKind,
    Register,
};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::{
    catalog::{Half, Instance, Role, Site},
    image::Image,
    instruction::{self, CALL_CLOBBERED, RAX, RegisterNumber},
};

/// The name of the kernel's own image.
const VMLINUX: &str = "vmlinux";

/// Instructions from a site to the load behind it: a call, the loop's jump and some moves.
const LONGEST_WAY: usize = 32;

/// No instruction is longer.
const LONGEST_INSTRUCTION: u64 = 15;

/// Where a sequence word lies.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Location {
    /// A variable of vmlinux, at this distance from `_text`, bytes. It moves with the text.
    Vmlinux(u64),
    /// A variable that a module refers to. A module's data is not loaded beside its text, so only
    /// the symbol leads there.
    Variable {
        /// `vmlinux`, or the name of the module that has the variable.
        image: String,
        /// The symbol.
        symbol: String,
        /// Distance from the symbol, bytes.
        offset: u64,
    },
    /// Memory that registers point to when the instruction is about to execute.
    Memory(Operand),
}

/// A memory operand: `base + index * scale + displacement`, for per-CPU memory plus the offset of the
/// executing CPU. Registers are numbered as in the instruction encoding.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct Operand {
    /// The base register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<u8>,
    /// The index register and its factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<(u8, u8)>,
    /// Bytes.
    pub displacement: i64,
    /// Whether it is relative to the executing CPU's per-CPU area (`gs`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub per_cpu: bool,
}

impl Operand {
    fn registers(self) -> impl Iterator<Item = RegisterNumber> {
        self.base
            .into_iter()
            .chain(self.index.map(|(number, _)| number))
    }
}

/// The location that the instruction at `at` names; `None` where it is no operand in memory, or lies
/// where nothing leads to.
pub(super) fn of(image: &Image, at: u64) -> Option<Location> {
    let instruction = decode(image, at)?;
    let operands = 0..instruction.op_count();
    let in_memory = operands
        .filter(|&index| instruction.op_kind(index) == OpKind::Memory)
        .count();
    (in_memory == 1).then(|| operand(image, &instruction))?
}

/// Fills in the location at spins and blocks whose next load is one of their instance.
pub(super) fn of_sites(image: &Image, sites: &mut [Site], instances: &[Instance]) {
    let mut loads: FxHashMap<u64, Vec<u64>> = FxHashMap::default();
    for instance in instances {
        let Half::Begin { reloads, .. } = &instance.half else {
            continue;
        };
        for site in &instance.sites {
            let known = loads.entry(*site).or_default();
            known.push(instance.image_offset);
            known.extend(reloads);
        }
    }
    for site in sites {
        site.location = match site.role {
            Role::Spin | Role::Block => {
                let known = loads.get(&site.image_offset);
                known.and_then(|loads| behind(image, site.image_offset, loads))
            }
            Role::Retry | Role::Fallback => None,
        };
    }
}

/// The location at the instruction at `site`, from the first of `loads` that comes behind it.
fn behind(image: &Image, site: u64, loads: &[u64]) -> Option<Location> {
    let mut factory = InstructionInfoFactory::new();
    let mut changed: Vec<RegisterNumber> = Vec::new();
    let mut at = image.base.wrapping_add(site);
    for _ in 0..LONGEST_WAY {
        let instruction = decode(image, at)?;
        if loads.contains(&at.wrapping_sub(image.base)) {
            let location = operand(image, &instruction)?;
            return match &location {
                Location::Memory(operand)
                    if operand.registers().any(|number| changed.contains(&number)) =>
                {
                    None
                }
                Location::Memory(_) | Location::Vmlinux(_) | Location::Variable { .. } => {
                    Some(location)
                }
            };
        }
        at = match instruction.flow_control() {
            FlowControl::Next => instruction.next_ip(),
            FlowControl::UnconditionalBranch => instruction::branch_target(&instruction)?,
            FlowControl::Call | FlowControl::IndirectCall => {
                changed.push(RAX);
                changed.extend(CALL_CLOBBERED);
                instruction.next_ip()
            }
            _ => return None,
        };
        let used = factory.info(&instruction).used_registers().iter();
        let written = used.filter(|used| {
            !matches!(
                used.access(),
                OpAccess::Read | OpAccess::CondRead | OpAccess::None | OpAccess::NoMemAccess
            )
        });
        // A call leaves the stack pointer as it was.
        let is_call = instruction.flow_control() != FlowControl::Next;
        changed.extend(
            written
                .filter_map(|used| instruction::number(used.register()))
                .filter(|number| !is_call || *number != instruction::RSP),
        );
    }
    None
}

fn decode(image: &Image, at: u64) -> Option<Instruction> {
    let segment = image.segment_of(at)?;
    let end = segment.end().min(at.saturating_add(LONGEST_INSTRUCTION));
    let bytes = segment.slice(at, end)?;
    let instruction = Decoder::with_ip(64, bytes, at, DecoderOptions::NONE).decode();
    (!instruction.is_invalid()).then_some(instruction)
}

fn operand(image: &Image, instruction: &Instruction) -> Option<Location> {
    let per_cpu = match instruction.segment_prefix() {
        Register::GS => true,
        Register::FS => return None,
        _ => false,
    };
    let relative = instruction.is_ip_rel_memory_operand();
    let base = match instruction.memory_base() {
        Register::None => None,
        _ if relative => None,
        register => Some(instruction::number(register)?),
    };
    let index = match instruction.memory_index() {
        Register::None => None,
        register => Some((
            instruction::number(register)?,
            instruction.memory_index_scale() as u8,
        )),
    };
    let displacement = instruction.memory_displacement64();
    match (base, index) {
        (None, None) if !per_cpu => variable(image, displacement),
        // A table in memory that moves with the kernel.
        (None, Some(_)) if !per_cpu => None,
        _ => Some(Location::Memory(Operand {
            base,
            index,
            displacement: displacement as i64,
            per_cpu,
        })),
    }
}

fn variable(image: &Image, address: u64) -> Option<Location> {
    if image.name == VMLINUX {
        return Some(Location::Vmlinux(address.wrapping_sub(image.base)));
    }
    let tables = [(image.name.as_str(), &image.symbols)]
        .into_iter()
        .chain(image.imports.first().map(|imports| (VMLINUX, imports)));
    let found = tables.filter_map(|(name, symbols)| {
        let (symbol, offset) = symbols.at(address)?;
        (!symbol.name.is_empty()).then_some((offset, name, symbol.name))
    });
    let (offset, image, symbol) = found.min_by_key(|(offset, ..)| *offset)?;
    Some(Location::Variable {
        image: image.to_owned(),
        symbol: symbol.to_owned(),
        offset,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::discover::{
        image::Segment,
        symbols::{Symbol, SymbolKind, Symbols},
    };

    const BASE: u64 = 0xffff_ffff_8100_0000;

    fn image(name: &str, bytes: &[u8]) -> Image {
        let data = Symbol {
            address: BASE + 0x2000,
            name: "sequences",
            kind: SymbolKind::Data,
        };
        Image {
            name: name.to_owned(),
            base: BASE,
            text: vec![Segment {
                address: BASE,
                bytes: bytes.to_vec(),
            }],
            symbols: Arc::new(Symbols::new([data])),
            ..Image::default()
        }
    }

    fn memory(base: u8, displacement: i64) -> Location {
        Location::Memory(Operand {
            base: Some(base),
            index: None,
            displacement,
            per_cpu: false,
        })
    }

    #[test]
    fn an_operand_is_a_variable_or_memory_behind_registers() {
        // mov 0x2010(%rip),%eax: the next instruction is at 6.
        let global = &[0x8b, 0x05, 0x0a, 0x20, 0x00, 0x00];
        assert_eq!(
            of(&image(VMLINUX, global), BASE),
            Some(Location::Vmlinux(0x2010))
        );
        assert_eq!(
            of(&image("ext4", global), BASE),
            Some(Location::Variable {
                image: "ext4".to_owned(),
                symbol: "sequences".to_owned(),
                offset: 0x10
            })
        );
        // mov 0x40(%rbx),%eax
        assert_eq!(
            of(&image(VMLINUX, &[0x8b, 0x43, 0x40]), BASE),
            Some(memory(3, 0x40))
        );
        // mov %gs:0x10(%r12,%rcx,8),%eax
        let indexed = &[0x65, 0x41, 0x8b, 0x44, 0xcc, 0x10];
        assert_eq!(
            of(&image(VMLINUX, indexed), BASE),
            Some(Location::Memory(Operand {
                base: Some(12),
                index: Some((1, 8)),
                displacement: 0x10,
                per_cpu: true
            }))
        );
        // mov %ebx,%eax
        assert_eq!(of(&image(VMLINUX, &[0x89, 0xd8]), BASE), None);
    }

    #[test]
    fn a_site_has_the_operand_of_the_load_behind_it() {
        // mov 0x40(%rbx),%eax; pause; jmp to the load
        let spin = &[0x8b, 0x43, 0x40, 0xf3, 0x90, 0xeb, 0xf9];
        let image = image(VMLINUX, spin);
        assert_eq!(behind(&image, 3, &[0]), Some(memory(3, 0x40)));
        assert_eq!(behind(&image, 3, &[1]), None, "it loops for ever");
    }

    #[test]
    fn a_register_that_changes_on_the_way_leads_nowhere() {
        // pause; mov %rcx,%rbx; mov 0x40(%rbx),%eax
        let moved = &[0xf3, 0x90, 0x48, 0x89, 0xcb, 0x8b, 0x43, 0x40];
        assert_eq!(behind(&image(VMLINUX, moved), 0, &[5]), None);
        // call .+0; mov 0x40(%rdi),%eax: the callee may change %rdi, but not %rbx
        let called = &[0xe8, 0, 0, 0, 0, 0x8b, 0x47, 0x40];
        assert_eq!(behind(&image(VMLINUX, called), 0, &[5]), None);
        let kept = &[0xe8, 0, 0, 0, 0, 0x8b, 0x43, 0x40];
        assert_eq!(
            behind(&image(VMLINUX, kept), 0, &[5]),
            Some(memory(3, 0x40))
        );
        // je .+0: not the only way
        let branch = &[0xf3, 0x90, 0x74, 0, 0x8b, 0x43, 0x40];
        assert_eq!(behind(&image(VMLINUX, branch), 0, &[4]), None);
    }
}
