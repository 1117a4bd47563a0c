//! Where a sequence lies, in the terms of the catalog → how the kernel side gets there. Pure.

use super::{Kind, Place, Plan, Skip, Target};
use crate::discover::catalog::{Location, Operand};

/// A word of memory by what the registers hold at the probe: the constant, the base and the scaled
/// index, added up. Registers are numbered as in the instruction encoding.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Word {
    /// The address of a variable, or a displacement.
    pub constant: u64,
    /// Register that is added.
    pub base: Option<u8>,
    /// Register that is added, and what it is multiplied by.
    pub index: Option<(u8, u8)>,
}

/// What a kprobe does not tell: the stack pointer.
const STACK_POINTER: u8 = 4;

/// A displacement farther from zero is an address, which moves with the kernel.
const LARGEST_DISPLACEMENT: u64 = 16 << 20;

impl Word {
    /// How a location is reached; `variable` knows where variables are. `None` where that is not told:
    /// per-CPU words and tables in memory that moves with the kernel.
    pub(super) fn new(
        location: &Location,
        variable: &impl Fn(&Location) -> Option<u64>,
    ) -> Option<Self> {
        let Operand {
            base,
            index,
            displacement,
            per_cpu,
        } = match location {
            Location::Vmlinux(_) | Location::Variable { .. } => {
                return Some(Self {
                    constant: variable(location)?,
                    base: None,
                    index: None,
                });
            }
            Location::Memory(operand) => *operand,
        };
        let is_told = !per_cpu
            && base.is_some_and(|base| base != STACK_POINTER)
            && displacement.unsigned_abs() < LARGEST_DISPLACEMENT;
        is_told.then_some(Self {
            constant: displacement as u64,
            base,
            index,
        })
    }
}

impl Plan {
    /// Finds out how the sequences of increments and of waits are reached. Increments that are not
    /// reached are left out; waits are counted all the same, but not blamed on a hold.
    pub fn resolve_words(&mut self, variable: impl Fn(&Location) -> Option<u64>) {
        for target in &mut self.targets {
            let is_increment = match target.kind {
                Kind::Write => true,
                Kind::Block | Kind::Spin => false,
                Kind::Retry | Kind::Fallback | Kind::Check => continue,
            };
            target.word = location(target).and_then(|place| Word::new(place, &variable));
            if is_increment && target.word.is_none() && target.skip.is_none() {
                target.skip = Some(Skip::UnknownWord);
            }
        }
    }
}

fn location(target: &Target) -> Option<&Location> {
    match &target.place {
        Place::Site(site) => site.location.as_ref(),
        Place::Instance(instance) => instance.location.as_ref(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(operand: Operand) -> Option<Word> {
        Word::new(&Location::Memory(operand), &|_| None)
    }

    #[test]
    fn only_what_registers_and_symbols_tell_is_reached() {
        let member = Operand {
            base: Some(3),
            index: None,
            displacement: -8,
            per_cpu: false,
        };
        let reached = Word {
            constant: -8_i64 as u64,
            base: Some(3),
            index: None,
        };
        assert_eq!(word(member), Some(reached));
        assert_eq!(
            word(Operand {
                per_cpu: true,
                ..member
            }),
            None
        );
        assert_eq!(
            word(Operand {
                base: Some(4),
                ..member
            }),
            None,
            "rsp"
        );
        let moves = -0x7d00_0000;
        assert_eq!(
            word(Operand {
                displacement: moves,
                ..member
            }),
            None
        );
        let variable = Location::Vmlinux(0x40);
        let found = Word::new(&variable, &|_| Some(0xffff_ffff_8100_0040));
        assert_eq!(found.map(|word| word.constant), Some(0xffff_ffff_8100_0040));
        assert_eq!(Word::new(&variable, &|_| None), None);
    }
}
