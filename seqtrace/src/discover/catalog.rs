//! The catalog: every site of one kernel, with addresses that do not depend on where it was
//! loaded.

use serde::{Deserialize, Serialize};

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
}

/// The address that ends a block; also executed by waiting readers only.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct BlockEnd {
    /// Distance from the function's symbol, bytes; in the same function as the site.
    pub offset: u64,
    /// Distance from the image's base, bytes.
    pub image_offset: u64,
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

/// A seqcount as far as the code tells.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Seqcount {
    /// How it is called.
    pub name: Name,
    /// What serialises its writers, where the type or the code tells.
    pub lockname: Option<Lockname>,
}

/// The name of a seqcount, with how sure it is.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Name {
    /// A global variable: `rename_lock`.
    Global(String),
    /// A member of a structure: `dentry.d_seq`; by the types of the pointers that lead to it, or
    /// because no other structure has a seqcount at the place that is read.
    Member(String),
    /// Members of several structures lie at the displacement that the code uses; sorted.
    Ambiguous(Vec<String>),
    /// Nothing names it.
    Unknown,
}

/// What serialises the writers of a seqcount; the kernel's LOCKNAME.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lockname {
    /// `seqcount_t`: the caller.
    Plain,
    /// `seqcount_raw_spinlock_t`.
    RawSpinlock,
    /// `seqcount_spinlock_t`.
    Spinlock,
    /// `seqcount_rwlock_t`.
    Rwlock,
    /// `seqcount_mutex_t`.
    Mutex,
    /// `seqlock_t`: its own spinlock.
    Seqlock,
    /// `seqcount_latch_t`: readers never wait.
    Latch,
}

impl Seqcount {
    /// The name as it is printed: ambiguous ones list their candidates, an unknown one is
    /// `unknown`.
    pub fn label(&self) -> String {
        match &self.name {
            Name::Global(name) | Name::Member(name) => name.clone(),
            Name::Ambiguous(candidates) => candidates.join("|"),
            Name::Unknown => "unknown".to_owned(),
        }
    }
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

impl Site {
    /// The site as it is printed: `d_lookup+0x4b`.
    pub fn label(&self) -> String {
        format!("{}+{:#x}", self.function, self.offset)
    }
}
