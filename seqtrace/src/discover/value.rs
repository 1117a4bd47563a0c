//! Values: what a register or a memory word holds, as an expression of what the function was
//! entered with. Equal expressions have equal numbers.
//!
//! Loads are pure functions of their address: two loads of one word have one number, although
//! the word may have changed between them. Just that makes a reader of a sequence visible, who
//! compares a word with the word itself.

use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use super::instruction::RegisterNumber;

/// Number of a value in its [`Values`].
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct ValueId(u32);

/// An address: a value and a constant distance from it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Address {
    pub(super) base: ValueId,
    pub(super) displacement: i64,
}

/// A place that several values may flow into at the head of a block.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Merged {
    /// A register at the head of the block with this start address.
    Register(u64, RegisterNumber),
    /// A word of memory at the head of the block.
    Memory(u64, Address),
    /// The destination of a conditional move at this address.
    Move(u64, RegisterNumber),
    /// A word of memory that the call at this address was given, and may have written.
    Filled(u64, Address),
}

/// An expression.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Value {
    /// The base of absolute addresses.
    Zero,
    /// The base of per-CPU addresses.
    PerCpu,
    /// What a register held when the function was entered.
    Initial(RegisterNumber),
    Constant(i64),
    /// An address computed from another value.
    Offset(Address),
    /// `base + index * scale`.
    Indexed {
        base: ValueId,
        index: ValueId,
        scale: u8,
    },
    /// A word of memory.
    Load {
        address: Address,
        bytes: u8,
    },
    /// What the instruction at the address loaded of a word whose loads are told apart.
    Read {
        word: ValueId,
        at: u64,
    },
    Masked {
        of: ValueId,
        mask: u64,
    },
    /// The lower 32 bits.
    Truncated(ValueId),
    /// What the call at the address returned.
    Returned(u64),
    /// Whatever the instruction at the address wrote; the second part tells its results apart.
    Opaque(u64, u8),
    /// One of several values; which, depends on the way here.
    Merge(Merged),
}

/// The values of one function.
#[derive(Debug)]
pub(super) struct Values {
    expressions: Vec<Value>,
    numbers: FxHashMap<Value, ValueId>,
    merged: FxHashMap<ValueId, Vec<ValueId>>,
    /// Words whose loads are told apart.
    apart: FxHashSet<ValueId>,
}

impl Values {
    /// See [`Value::Zero`].
    pub(super) const ZERO: ValueId = ValueId(0);
    /// See [`Value::PerCpu`].
    pub(super) const PER_CPU: ValueId = ValueId(1);
    /// The stack pointer at the entry, the base of stack slots.
    pub(super) const STACK: ValueId = ValueId(2);
    /// How many values there is room for at once: those of most functions.
    const USUAL: usize = 200;
    /// How many values one closure may reach; a bound on time, not met by real readers.
    const CLOSURE_LIMIT: usize = 80;

    pub(super) fn new() -> Self {
        let mut values = Self {
            expressions: Vec::with_capacity(Self::USUAL),
            numbers: FxHashMap::with_capacity_and_hasher(Self::USUAL, FxBuildHasher),
            merged: FxHashMap::default(),
            apart: FxHashSet::default(),
        };
        for first in [
            Value::Zero,
            Value::PerCpu,
            Value::Initial(super::instruction::RSP),
        ] {
            values.number(first);
        }
        values
    }

    /// The number of an expression.
    pub(super) fn number(&mut self, value: Value) -> ValueId {
        if let Some(&number) = self.numbers.get(&value) {
            return number;
        }
        let number = ValueId(self.expressions.len() as u32);
        self.expressions.push(value);
        self.numbers.insert(value, number);
        number
    }

    /// From now on every instruction that loads one of these words yields a value of its own.
    pub(super) fn tell_apart(&mut self, words: FxHashSet<ValueId>) {
        self.apart = words;
    }

    /// What the instruction at `at` loads of a word whose loads are told apart; `None` for other
    /// words.
    pub(super) fn read(&mut self, address: Address, bytes: u8, at: u64) -> Option<ValueId> {
        if self.apart.is_empty() {
            return None;
        }
        let word = *self.numbers.get(&Value::Load { address, bytes })?;
        let is_apart = self.apart.contains(&word);
        is_apart.then(|| self.number(Value::Read { word, at }))
    }

    pub(super) fn get(&self, id: ValueId) -> Value {
        self.expressions[id.0 as usize]
    }

    pub(super) fn constant(&mut self, constant: i64) -> ValueId {
        self.number(Value::Constant(constant))
    }

    /// `id + distance`.
    pub(super) fn offset(&mut self, id: ValueId, distance: i64) -> ValueId {
        let Address { base, displacement } = self.address(id);
        self.pointer(Address {
            base,
            displacement: displacement.wrapping_add(distance),
        })
    }

    /// The value as an address: base and displacement.
    pub(super) fn address(&self, id: ValueId) -> Address {
        match self.get(id) {
            Value::Offset(address) => address,
            Value::Constant(displacement) => Address {
                base: Self::ZERO,
                displacement,
            },
            _ => Address {
                base: id,
                displacement: 0,
            },
        }
    }

    /// The address as a value.
    pub(super) fn pointer(&mut self, address: Address) -> ValueId {
        match address {
            Address {
                base: Self::ZERO,
                displacement,
            } => self.constant(displacement),
            Address {
                base,
                displacement: 0,
            } => base,
            address => self.number(Value::Offset(address)),
        }
    }

    /// The lower 32 bits of a value, zero-extended.
    pub(super) fn truncated(&mut self, id: ValueId) -> ValueId {
        match self.get(id) {
            Value::Load { bytes, .. } if bytes <= 4 => id,
            Value::Masked { mask, .. } if u32::try_from(mask).is_ok() => id,
            Value::Truncated(_) | Value::Read { .. } => id,
            Value::Constant(constant) => self.constant(i64::from(constant as u32)),
            _ => self.number(Value::Truncated(id)),
        }
    }

    /// The value whose lower 32 bits these are, or the value itself.
    pub(super) fn untruncated(&self, id: ValueId) -> ValueId {
        match self.get(id) {
            Value::Truncated(of) => of,
            _ => id,
        }
    }

    /// Whether the value is a 32-bit word of memory as it was loaded.
    pub(super) fn is_word(&self, id: ValueId) -> bool {
        matches!(
            self.get(id),
            Value::Load { bytes: 4, .. } | Value::Read { .. }
        )
    }

    /// Says which values may flow into a merge, as far as is known now.
    pub(super) fn set_inputs(&mut self, merge: ValueId, inputs: impl Iterator<Item = ValueId>) {
        let known = self.merged.entry(merge).or_default();
        known.clear();
        known.extend(inputs.filter(|&input| input != merge));
        known.sort_unstable();
        known.dedup();
    }

    /// The values that flow into a merge.
    pub(super) fn inputs(&self, merge: ValueId) -> &[ValueId] {
        self.merged.get(&merge).map_or(&[], Vec::as_slice)
    }

    /// The values, and all that flow into those of them that are merges; sorted.
    pub(super) fn sources(&self, ids: &[ValueId]) -> Vec<ValueId> {
        let mut seen = ids.to_vec();
        let mut next = 0;
        while let Some(&id) = seen.get(next) {
            next += 1;
            for &input in self.inputs(id) {
                if !seen.contains(&input) && seen.len() < Self::CLOSURE_LIMIT {
                    seen.push(input);
                }
            }
        }
        seen.sort_unstable();
        seen.dedup();
        seen
    }

    /// The 32-bit words whose value this may be, perhaps truncated or without bit 0; sorted.
    pub(super) fn words(&self, id: ValueId) -> Vec<ValueId> {
        let mut words = Vec::new();
        let mut seen = vec![id];
        let mut next = 0;
        while let Some(&id) = seen.get(next) {
            next += 1;
            let inputs = match self.get(id) {
                Value::Load { bytes: 4, .. } | Value::Read { .. } => {
                    words.push(id);
                    continue;
                }
                Value::Masked { of, mask } if mask as u32 >= u32::MAX - 1 => &[of][..],
                Value::Truncated(of) => &[of][..],
                Value::Merge(_) => self.inputs(id),
                _ => continue,
            };
            for &input in inputs {
                if !seen.contains(&input) && seen.len() < Self::CLOSURE_LIMIT {
                    seen.push(input);
                }
            }
        }
        words.sort_unstable();
        words
    }
}
