//! One target of a plan: a place in the kernel, what is counted there and by which backend.

use serde::{Deserialize, Serialize};

use super::{Skip, Word};
use crate::discover::catalog::{Half, Instance, Role, Seqcount, Site};

/// One place and what is to become of it.
#[derive(Clone, Debug)]
pub struct Target {
    /// `vmlinux`, or the module's name.
    pub image: String,
    /// What is counted here.
    pub kind: Kind,
    /// What counts it; without meaning where it is skipped.
    pub backend: Backend,
    /// The site, or the instance, as discovery found it.
    pub place: Place,
    /// Run-time address of the instruction to be probed.
    pub address: u64,
    /// Run-time address of the end of the block, for blocks.
    pub end_address: Option<u64>,
    /// Byte offset of the rt_mutex owner from the lock's address, for blocks.
    pub owner_offset: Option<i32>,
    /// How the sequence is reached, for increments and, where that is known, for waits.
    pub word: Option<Word>,
    /// Why it is left out; `None`: it is to be probed.
    pub skip: Option<Skip>,
    /// Not probed from the start: only while somebody asks for it.
    pub on_demand: bool,
}

/// What is counted at a target.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Cold: the call by which a reader takes the writer's lock, to drop it at once (PREEMPT_RT).
    Block,
    /// Cold: a `pause` in the loop on an odd sequence.
    Spin,
    /// Cold: a block that is entered only when the check of a read section fails.
    Retry,
    /// Cold: as `Retry`, and the reader takes the lock for its next try.
    Fallback,
    /// Hot: the branch that decides a check; counts the checks that fail.
    Check,
    /// Hot for writers: an increment of the sequence; counts holds.
    #[serde(rename = "hold")]
    Write,
}

/// Where the numbers of a row come from.
#[derive(
    Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// A kprobe at the place: every event.
    #[default]
    Probe,
    /// The tracepoints `lock:contention_begin` and `lock:contention_end`: every block in which the
    /// lock was really contended.
    Contention,
    /// Samples of the CPU clock: an estimate.
    Sample,
    /// A hardware write watchpoint: every write.
    Watch,
}

/// What discovery found at a target.
#[derive(Clone, Debug)]
pub enum Place {
    /// A cold address.
    Site(Site),
    /// An inlined primitive.
    Instance(Instance),
}

impl Kind {
    /// The kind of a cold site.
    pub fn of_role(role: Role) -> Self {
        match role {
            Role::Block => Self::Block,
            Role::Spin => Self::Spin,
            Role::Retry => Self::Retry,
            Role::Fallback => Self::Fallback,
        }
    }

    /// The word for it in the output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Block => Role::Block.word(),
            Self::Spin => Role::Spin.word(),
            Self::Retry => Role::Retry.word(),
            Self::Fallback => Role::Fallback.word(),
            Self::Check => "check",
            Self::Write => "hold",
        }
    }
}

impl Backend {
    /// The word for it in the output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Contention => "contention",
            Self::Sample => "sample",
            Self::Watch => "watch",
        }
    }
}

impl Place {
    /// The function it lies in, as kallsyms names it.
    pub fn function(&self) -> &str {
        match self {
            Self::Site(site) => &site.function,
            Self::Instance(instance) => &instance.function,
        }
    }

    /// Distance of the instruction to be probed from the function's symbol, bytes; wrapped around
    /// where it lies in front of that.
    pub fn offset(&self) -> u64 {
        match self {
            Self::Site(site) => site.offset,
            Self::Instance(instance) => {
                let function = instance.image_offset.wrapping_sub(instance.offset);
                self.image_offset().wrapping_sub(function)
            }
        }
    }

    /// Distance of the instruction to be probed from the image's base, bytes. A check is probed where
    /// its result is used, not at the re-load, by which it goes: only there is it known.
    pub fn image_offset(&self) -> u64 {
        match self {
            Self::Site(site) => site.image_offset,
            Self::Instance(instance) => match &instance.half {
                Half::Check(check) => check.decides,
                Half::Begin { .. } | Half::Write(_) => instance.image_offset,
            },
        }
    }

    /// The seqcount that is read or written.
    pub fn seqcount(&self) -> &Seqcount {
        match self {
            Self::Site(site) => &site.seqcount,
            Self::Instance(instance) => &instance.seqcount,
        }
    }

    /// As it is printed: `d_lookup+0x4b`.
    pub fn label(&self) -> String {
        match self {
            Self::Site(site) => site.label(),
            Self::Instance(instance) => instance.label(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_output_are_those_of_the_documents() {
        for kind in [
            Kind::Block,
            Kind::Spin,
            Kind::Retry,
            Kind::Fallback,
            Kind::Check,
            Kind::Write,
        ] {
            let document = serde_json::to_value(kind).expect("a word");
            assert_eq!(document, kind.word());
        }
        for backend in [
            Backend::Probe,
            Backend::Contention,
            Backend::Sample,
            Backend::Watch,
        ] {
            let document = serde_json::to_value(backend).expect("a word");
            assert_eq!(document, backend.word());
        }
    }
}
