//! What one function does with 32-bit words: the facts the rules judge.

use iced_x86::Mnemonic;

use super::{
    callee::LockFunction,
    catalog::StartValue,
    graph::{Block, BlockIndex},
    increment::Addition,
    instruction::{ParityMask, RegisterNumber},
    value::{Address, ValueId, Values},
};

/// A 32-bit word is read; its value is what later loads of the same word are recognised by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) at: u64,
    pub(super) block: BlockIndex,
    pub(super) word: ValueId,
    pub(super) address: Address,
}

impl Load {
    /// Whether it is of this CPU's copy of a variable, by `%gs:` and the variable's address.
    pub(super) fn is_this_cpu(&self) -> bool {
        self.address.base == Values::PER_CPU
    }
}

/// Bit 0 of a word is tested or masked.
#[derive(Clone, Debug)]
pub(super) struct Test {
    pub(super) at: u64,
    pub(super) block: BlockIndex,
    /// The words it may be.
    pub(super) words: Vec<ValueId>,
    /// Whether it is one of them for sure, as it was loaded.
    pub(super) is_direct: bool,
    pub(super) mask: ParityMask,
    /// Whether the masked value is kept.
    pub(super) keeps_result: bool,
    /// Where control goes when the bit is set, if a branch depends on it.
    pub(super) odd: Option<BlockIndex>,
    /// The register that is tested, and its value.
    pub(super) register: Option<(RegisterNumber, ValueId)>,
}

/// Two 32-bit values are compared for equality.
#[derive(Clone, Debug)]
pub(super) struct Compare {
    pub(super) at: u64,
    pub(super) block: BlockIndex,
    pub(super) operands: [Operand; 2],
    /// Words that one side is and the other may be: a word compared with itself.
    pub(super) pairs: Vec<ValueId>,
    /// Words that a side is.
    pub(super) sides: Vec<ValueId>,
    pub(super) use_of_flags: FlagsUse,
}

/// One side of a comparison.
#[derive(Clone, Debug)]
pub(super) struct Operand {
    pub(super) value: ValueId,
    /// The words it may be.
    pub(super) words: Vec<ValueId>,
    /// Where it is.
    pub(super) place: StartValue,
}

/// What is done with the zero flag.
#[derive(Clone, Copy, Debug)]
pub(super) struct FlagsUse {
    /// Address of the instruction that depends on it.
    pub(super) at: u64,
    /// That instruction.
    pub(super) mnemonic: Mnemonic,
    /// Where control goes with the flag clear; `None` when it becomes a value.
    pub(super) nonzero: Option<BlockIndex>,
}

impl FlagsUse {
    /// Whether no branch depends on the flag.
    pub(super) fn is_value(&self) -> bool {
        !matches!(self.mnemonic, Mnemonic::Je | Mnemonic::Jne)
    }
}

impl Compare {
    /// Where control goes when the sides differ, if a branch depends on it.
    pub(super) fn unequal(&self) -> Option<BlockIndex> {
        self.use_of_flags.nonzero
    }
}

/// A 32-bit word of memory is written, or added to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write {
    pub(super) at: u64,
    pub(super) block: BlockIndex,
    pub(super) address: Address,
    /// What is written, as a distance from another value; `None` where it is not followed.
    pub(super) value: Option<Address>,
}

/// A 32-bit word of memory is added to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Increment {
    pub(super) at: u64,
    /// Address of the next instruction.
    pub(super) next: u64,
    pub(super) block: BlockIndex,
    pub(super) addition: Addition,
}

/// A lock is taken or dropped.
#[derive(Clone, Copy, Debug)]
pub(super) struct LockCall {
    pub(super) at: u64,
    /// Where the call returns to.
    pub(super) returns_to: u64,
    pub(super) block: BlockIndex,
    pub(super) function: LockFunction,
    pub(super) lock: Lock,
}

/// The lock a call is given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lock {
    /// The one that the pointer at the address points to.
    PointedToBy(Address),
    /// The one at the address.
    At(Address),
}

/// A `pause`, with what the registers hold there.
#[derive(Clone, Debug)]
pub(super) struct Pause {
    pub(super) at: u64,
    pub(super) block: BlockIndex,
    pub(super) registers: [ValueId; 16],
}

/// A direct call, or a jump to another function in place of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) at: u64,
    /// Where a call returns to; `None` for a jump.
    pub(super) returns_to: Option<u64>,
    pub(super) callee: u64,
    /// What the registers of the arguments hold, in their order.
    pub(super) arguments: [ValueId; 6],
}

/// All facts of one function.
#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) entry: BlockIndex,
    pub(super) blocks: Vec<Block>,
    pub(super) loads: Vec<Load>,
    pub(super) writes: Vec<Write>,
    pub(super) increments: Vec<Increment>,
    pub(super) tests: Vec<Test>,
    pub(super) compares: Vec<Compare>,
    pub(super) locks: Vec<LockCall>,
    pub(super) pauses: Vec<Pause>,
    /// Values that may be errors in the place of pointers.
    pub(super) errors: Vec<ValueId>,
    /// What the function may return, sorted.
    pub(super) returned: Vec<ValueId>,
    /// Pointers, and where they are stored.
    pub(super) stores: Vec<(ValueId, Address)>,
    /// By address.
    pub(super) calls: Vec<Call>,
}

impl Evidence {
    pub(super) fn block(&self, index: BlockIndex) -> &Block {
        &self.blocks[index as usize]
    }

    /// The function a direct call goes to.
    pub(super) fn callee(&self, call: u64) -> Option<u64> {
        let at = self
            .calls
            .binary_search_by_key(&call, |call| call.at)
            .ok()?;
        Some(self.calls[at].callee)
    }

    /// Loads of any of the words.
    pub(super) fn loads_of<'a>(&'a self, words: &'a [ValueId]) -> impl Iterator<Item = &'a Load> {
        self.loads.iter().filter(|load| words.contains(&load.word))
    }

    /// Blocks that are at most `steps` edges behind `start`, nearest first, `start` itself
    /// included; from a block that is not `passable` no edge is followed.
    pub(super) fn near(
        &self,
        start: BlockIndex,
        steps: usize,
        passable: impl Fn(BlockIndex) -> bool,
    ) -> Vec<BlockIndex> {
        let mut found = vec![start];
        let mut newest = 0;
        for _ in 0..steps {
            let before = newest..found.len();
            newest = found.len();
            for index in before {
                let at = found[index];
                if !passable(at) {
                    continue;
                }
                for edge in &self.block(at).successors {
                    if !found.contains(&edge.block) {
                        found.push(edge.block);
                    }
                }
            }
        }
        found
    }
}
