//! The catalog: every site of one kernel, with addresses that do not depend on its load address.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use super::{
    location::{Location, Operand},
    seqcount::{Lockname, Name, Seqcount},
};

/// Every site of the images that were scanned: vmlinux first, then modules by name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Catalog {
    /// One entry for each image, vmlinux first.
    pub images: Vec<ImageCatalog>,
}

/// The sites of one image (vmlinux or a module), as cached under its build id.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct ImageCatalog {
    /// `vmlinux`, or the module's name.
    pub image: String,
    /// Build id in hexadecimal; empty when the image has none.
    pub build_id: String,
    /// Whether this is a PREEMPT_RT kernel, where readers block.
    pub realtime: bool,
    /// Functions scanned.
    pub functions: u64,
    /// Bytes of text scanned.
    pub text_bytes: u64,
    /// Sites in the order of their addresses.
    pub sites: Vec<Site>,
    /// Inlined instances of primitives in the order of their addresses; what they execute with
    /// every read or write.
    pub instances: Vec<Instance>,
    /// Global seqcounts that have no symbol and were named by their readers (`discover/witness.rs`),
    /// by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inferred: BTreeMap<String, u64>,
    /// Where debuginfo and the scan say different things, by address; empty unless debuginfo was
    /// found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disagreements: Vec<Disagreement>,
}

/// An instance that only one of debuginfo and the scan has.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Disagreement {
    /// Function the address lies in, as kallsyms names it.
    pub function: String,
    /// Distance from the function's symbol, bytes.
    pub offset: u64,
    /// Distance from the image's base, bytes.
    pub image_offset: u64,
    /// Which of the two has it.
    pub only: Only,
    /// The calls that were inlined there, as [`Site::chain`]; empty where only the scan has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<Frame>,
}

/// Which of two has an instance that the other has not.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Only {
    /// Debuginfo: a primitive was inlined there, and the scan did not find it.
    Debuginfo,
    /// The scan, in no primitive that debuginfo knows of.
    Scan,
}

/// One address that is executed only while a reader waits or retries.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Site {
    /// Function the address lies in, as kallsyms names it (`d_lookup`, `foo.cold`).
    pub function: String,
    /// Distance from the function's symbol, bytes.
    pub offset: u64,
    /// Distance from the image's base, bytes: `_text` for vmlinux, the start of `.text` for a
    /// module.
    pub image_offset: u64,
    /// What executing this address means.
    pub role: Role,
    /// The seqcount that is read.
    pub seqcount: Seqcount,
    /// For [`Role::Block`]: where the block ends, the re-load after the unlock where the reader
    /// goes straight to it, else the address the unlock returns to.
    pub end: Option<BlockEnd>,
    /// For [`Role::Block`]: the lock function that is called.
    pub lock_function: Option<String>,
    /// For [`Role::Spin`]: register that holds the odd value at the `pause`, numbered as in the
    /// instruction encoding (0 rax … 15 r15), where one does.
    pub sequence_register: Option<u8>,
    /// For [`Role::Spin`] and [`Role::Block`]: where the sequence word is while this address is about
    /// to execute; `None` where the code does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// For [`Role::Spin`]: the whole of the code that only a reader executes which waits here,
    /// ascending. What follows the `pause` is executed as seldom as the `pause` itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cold: Vec<Stretch>,
    /// The calls that were inlined here, outermost first, with the function itself at the head;
    /// empty unless debuginfo was found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<Frame>,
}

/// The address that ends a block; also executed by waiting readers only.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct BlockEnd {
    /// Distance from the function's symbol, bytes; in the same function as the site.
    pub offset: u64,
    /// Distance from the image's base, bytes.
    pub image_offset: u64,
}

/// Bytes of text.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Stretch {
    /// Distance of the first from the image's base, bytes.
    pub image_offset: u64,
    /// How many.
    pub bytes: u64,
}

/// One inlined instance of a primitive: one half of a read section, or of a write section.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Function the address lies in, as kallsyms names it.
    pub function: String,
    /// Distance from the function's symbol, bytes.
    pub offset: u64,
    /// Distance from the image's base, bytes: the load of a begin, the re-load of a check, the
    /// increment of a write.
    pub image_offset: u64,
    /// Which half it is.
    pub half: Half,
    /// The seqcount that is read or written.
    pub seqcount: Seqcount,
    /// Whether it does the same as a primitive without being one (`cyc2ns`, `inode.i_dir_seq`).
    pub open_coded: bool,
    /// Image offsets of the sites that belong to it, ascending.
    pub sites: Vec<u64>,
    /// Where the sequence word is while the instruction is about to execute; `None` where the
    /// instruction does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// As [`Site::chain`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<Frame>,
}

/// Half of a section.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Half {
    /// The load of the start value.
    Begin {
        /// What becomes of an odd value.
        odd: Odd,
        /// Image offsets of further loads of the same begin: after the unlock, after the pause.
        reloads: Vec<u64>,
    },
    /// The comparison at the end of a read section.
    Check(Check),
    /// An increment of the sequence.
    Write(Write),
}

/// What a begin does when it has loaded an odd value.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Odd {
    /// Waits until it is even: by lock-unlock, by `pause`, or both.
    Waits,
    /// Masks bit 0 away, so that the check fails (`raw_seqcount_begin`).
    Masks,
    /// Selects the copy that is not being written (`seqcount_latch_t`).
    Selects,
    /// Goes elsewhere (`raw_seqcount_try_begin`), or the value is passed on untested.
    PassesOn,
}

/// The comparison at the end of a read section.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Image offset of the comparison; that of the re-load where the comparison itself loads.
    pub compare: u64,
    /// Image offset of what uses its result: a branch, or a `setcc` or `cmovcc`.
    pub decides: u64,
    /// Mnemonic of the latter: `jne`, `je`, `setne` ….
    pub condition: String,
    /// Where a failed check goes.
    pub class: CheckClass,
    /// Where the start value is at the comparison.
    pub start: StartValue,
    /// Whether a kprobe on the re-load could become a jump, by the rules of `can_optimize`
    /// (`arch/x86/kernel/kprobes/opt.c`).
    pub optimizable: bool,
    /// Image offsets of the begins the start value may come from; empty: another function's.
    pub begins: Vec<u64>,
    /// Whether each failed check leads back to one of these, and each of them to this check: checks
    /// that fail in a row are then tries at one section.
    pub loops: bool,
}

/// Where a failed check goes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckClass {
    /// To a block that nothing else enters: a site.
    RetryOnly,
    /// Straight to the load of the begin.
    BeginHead,
    /// To another block that also runs otherwise.
    Shared,
    /// Nowhere: the result becomes a value.
    Value,
}

/// Where the start value is when it is compared.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartValue {
    /// In a register, numbered as in the instruction encoding.
    Register(u8),
    /// In memory, at a distance from a register.
    Memory {
        /// The register, numbered as in the instruction encoding.
        base: u8,
        /// The distance, bytes.
        displacement: i64,
    },
    /// A constant, or not followed.
    Unknown,
}

/// Which half of a write section an increment is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Write {
    /// From even to odd.
    Begin,
    /// From odd to even.
    End,
    /// Of a latch: to the other copy.
    Latch,
    /// By two: readers are told without a section (`write_seqcount_invalidate`).
    Invalidate,
    /// The code does not tell.
    Unknown,
}

/// One level of inlining.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// The function that is inlined here; for the outermost, the one that has the symbol.
    pub function: String,
    /// The line at which the next level is called, or which the address itself belongs to.
    pub source: Option<Source>,
}

/// A line of source text.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Path in the kernel's source tree, as debuginfo has it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
}

/// What executing a cold address means.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The call by which a reader takes the writer's lock, to drop it at once (PREEMPT_RT).
    Block,
    /// A `pause` in the loop on an odd sequence.
    Spin,
    /// A block that is entered only when the check of a read section fails.
    Retry,
    /// As `Retry`, and the reader takes the lock for its next try.
    Fallback,
}

impl Role {
    /// The word for the kind of event, as in the output: `block`, `spin`, `retry`, `fallback`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Spin => "spin",
            Self::Retry => "retry",
            Self::Fallback => "fallback",
        }
    }
}

impl Half {
    /// The word for it, as in the output: `begin`, `check`, `write`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Begin { .. } => "begin",
            Self::Check(_) => "check",
            Self::Write(_) => "write",
        }
    }

    /// The same with every address that it holds changed, run-time addresses to image offsets.
    pub(super) fn map_addresses(self, offset_of: impl Fn(u64) -> u64) -> Self {
        let all = |addresses: Vec<u64>| addresses.into_iter().map(&offset_of).collect();
        match self {
            Self::Begin { odd, reloads } => Self::Begin {
                odd,
                reloads: all(reloads),
            },
            Self::Check(check) => Self::Check(Check {
                compare: offset_of(check.compare),
                decides: offset_of(check.decides),
                begins: all(check.begins),
                ..check
            }),
            Self::Write(write) => Self::Write(write),
        }
    }
}

impl Instance {
    /// The instance as it is printed: `d_lookup+0x13`.
    pub fn label(&self) -> String {
        format!("{}+{:#x}", self.function, self.offset)
    }
}

impl Site {
    /// The site as it is printed: `d_lookup+0x4b`.
    pub fn label(&self) -> String {
        format!("{}+{:#x}", self.function, self.offset)
    }
}
