//! A catalog and debuginfo of the same image → how much the scan found, and where it is wrong.
//!
//! Debuginfo is the truth about primitives: an instance of it counts as found if the scan has one
//! of the same half in its ranges. It says nothing about open-coded seqcounts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{catalog::Frame, dwarf::Part};

pub use super::scorer::score;

/// How the scan of one image, or of several, compares with debuginfo.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The images that were compared.
    pub images: Vec<ScoredImage>,
    /// By what primitives do: `begin`, `check`, `write begin`, `write end`, `write other`.
    pub roles: BTreeMap<Scored, Tally>,
    /// By the name of the primitive.
    pub primitives: BTreeMap<String, Tally>,
    /// The waits of begins that take the lock.
    pub blocks: Blocks,
    /// Instances in text that is dropped after boot or loading; they are not wanted.
    pub init: u64,
    /// What the scan did not find.
    pub missed: Vec<Listed>,
    /// Instances of the scan in no primitive, which are not marked as open-coded.
    pub false_detections: Vec<Listed>,
    /// Instances of the scan that are marked as open-coded.
    pub open_coded: Vec<Listed>,
    /// Those of them which are primitives by debuginfo.
    pub wrongly_open_coded: Vec<Listed>,
    /// Ends of write sections that are called begins, and the like.
    pub wrong_halves: Vec<Disputed>,
    /// Names of globals that are not those of the addresses in debuginfo.
    pub wrong_names: Vec<Disputed>,
    /// Locknames that are not those of the primitives.
    pub wrong_locknames: Vec<Disputed>,
}

/// An image that was compared.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct ScoredImage {
    /// `vmlinux`, or the module's name.
    pub image: String,
    /// Build id in hexadecimal; empty when it has none.
    pub build_id: String,
    /// Units of debuginfo that were read.
    pub units: u64,
    /// Units that could not be read; what is in them is not wanted.
    pub skipped_units: u64,
}

/// What a primitive does to the sequence.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scored {
    /// Loads the start value.
    Begin,
    /// Compares it.
    Check,
    /// Begins a write section.
    WriteBegin,
    /// Ends it.
    WriteEnd,
    /// Increments otherwise.
    WriteOther,
}

/// Instances of one kind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Instances by debuginfo.
    pub wanted: u64,
    /// Those that the scan has.
    pub found: u64,
    /// Found ones whose seqcount has a name.
    pub named: u64,
    /// Found ones whose seqcount is one of several.
    pub ambiguous: u64,
    /// Found ones whose seqcount nothing names.
    pub unknown: u64,
}

/// Lock-unlock.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Blocks {
    /// Begins in which debuginfo has a call of a lock function.
    pub expected: u64,
    /// Those of them in which the scan has a block.
    pub found: u64,
    /// Blocks that the scan has in all.
    pub sites: u64,
}

/// One instance.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// `vmlinux`, or the module's name.
    pub image: String,
    /// Function the address lies in, as kallsyms names it.
    pub function: String,
    /// Distance from the function's symbol, bytes.
    pub offset: u64,
    /// The primitive where debuginfo has it, else the half of a section.
    pub what: String,
    /// The seqcount's name by the scan; empty where it has none.
    pub seqcount: String,
    /// The calls that were inlined, outermost first; empty where debuginfo has none.
    pub chain: Vec<Frame>,
}

/// One instance about which the two say different things.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Disputed {
    /// Which.
    pub instance: Listed,
    /// What the scan says.
    pub scan: String,
    /// What debuginfo says.
    pub debuginfo: String,
}

impl Score {
    /// Adds the score of another image.
    pub fn add(&mut self, other: Self) {
        let Self {
            images,
            roles,
            primitives,
            blocks,
            init,
            missed,
            false_detections,
            open_coded,
            wrongly_open_coded,
            wrong_halves,
            wrong_names,
            wrong_locknames,
        } = other;
        self.images.extend(images);
        for (role, tally) in roles {
            self.roles.entry(role).or_default().add(tally);
        }
        for (primitive, tally) in primitives {
            self.primitives.entry(primitive).or_default().add(tally);
        }
        self.blocks.expected += blocks.expected;
        self.blocks.found += blocks.found;
        self.blocks.sites += blocks.sites;
        self.init += init;
        self.missed.extend(missed);
        self.false_detections.extend(false_detections);
        self.open_coded.extend(open_coded);
        self.wrongly_open_coded.extend(wrongly_open_coded);
        self.wrong_halves.extend(wrong_halves);
        self.wrong_names.extend(wrong_names);
        self.wrong_locknames.extend(wrong_locknames);
    }

    /// The tally of all that do one thing.
    pub fn of(&self, role: Scored) -> Tally {
        self.roles.get(&role).copied().unwrap_or_default()
    }
}

impl Tally {
    /// Instances that the scan did not find.
    pub fn missed(&self) -> u64 {
        self.wanted - self.found
    }

    /// Found ones of the wanted, in percent; 100 where nothing is wanted.
    pub fn recall(&self) -> f64 {
        percent(self.found, self.wanted)
    }

    /// Named ones of the found, in percent; 100 where nothing is found.
    pub fn naming(&self) -> f64 {
        percent(self.named, self.found)
    }

    /// Adds another tally.
    pub fn add(&mut self, other: Self) {
        let Self {
            wanted,
            found,
            named,
            ambiguous,
            unknown,
        } = other;
        self.wanted += wanted;
        self.found += found;
        self.named += named;
        self.ambiguous += ambiguous;
        self.unknown += unknown;
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        100.0
    } else {
        part as f64 * 100.0 / whole as f64
    }
}

impl Scored {
    /// Every one, in the order of a section.
    pub const ALL: [Self; 5] = [
        Self::Begin,
        Self::Check,
        Self::WriteBegin,
        Self::WriteEnd,
        Self::WriteOther,
    ];

    /// The word for it, as in the output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Check => "check",
            Self::WriteBegin => "write begin",
            Self::WriteEnd => "write end",
            Self::WriteOther => "write other",
        }
    }

    pub(super) fn of_part(part: Part) -> Option<Self> {
        match part {
            Part::Begin => Some(Self::Begin),
            Part::Check => Some(Self::Check),
            Part::WriteBegin => Some(Self::WriteBegin),
            Part::WriteEnd => Some(Self::WriteEnd),
            Part::WriteOther => Some(Self::WriteOther),
            Part::Wrapper | Part::Relative | Part::Pause => None,
        }
    }
}
