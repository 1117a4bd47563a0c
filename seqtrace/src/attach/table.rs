//! Plan → the probes to attach and the site table of the kernel side. Pure.

mod places;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use seqtrace_common::{
    hold::WordEntry,
    site::{ReturnEntry, SiteEntry},
};

pub(super) use self::places::Places;
use super::{order::OrderTable, refusal::Refusal, trap};
use crate::{
    discover::catalog::{BlockEnd, Half, Site},
    plan::{Backend, Kind, Place, Plan, Target, Word},
};

/// The image whose names begin with `_text`.
pub(super) const VMLINUX: &str = "vmlinux";

/// The program at the ends of blocks.
pub(super) const LOCK_END: &str = "lock_end";

/// The program at the increments of sequences.
const INCREMENT: &str = "increment";

/// The programs at what is followed for the order of locks, and behind calls that may fail.
pub(super) const ORDER_STEP: &str = "order_step";
pub(super) const ORDER_TRIED: &str = "order_tried";

/// The programs of the object, in the order in which they are to be started.
pub(super) const PROGRAMS: [&str; 8] = [
    LOCK_END,
    ORDER_TRIED,
    "lock_call",
    "pause",
    "retry",
    "check",
    INCREMENT,
    ORDER_STEP,
];

/// One attachment: a program at an address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Probe {
    /// Slot of the site.
    pub(super) slot: u32,
    /// Name of the program in the object.
    pub(super) program: &'static str,
    /// Symbol and distance from it, bytes; names of the same address, the best first.
    pub(super) names: Vec<(String, u64)>,
}

/// The probes of one target.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct SlotProbes {
    /// At the site.
    pub(super) start: Probe,
    /// At the end of a block, or behind a call; to be attached before the start and detached after it.
    pub(super) end: Option<Probe>,
    /// Not attached before somebody asks for it.
    pub(super) on_demand: bool,
}

/// How the sequence of one target is reached.
#[derive(Clone, Debug)]
pub(super) struct SlotWord {
    /// Slot of the target.
    pub(super) slot: u32,
    /// Name of the seqcount.
    pub(super) seqcount: String,
    /// Whether it is an increment that waits for somebody to ask for it.
    pub(super) waits: bool,
    /// Whether it is an increment.
    pub(super) writes: bool,
    /// How.
    pub(super) entry: WordEntry,
}

/// The probes of one plan.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// By slot; those that wait for somebody to ask for them are included.
    pub(super) probes: BTreeMap<u32, SlotProbes>,
    /// Run-time addresses of code that only waiting readers execute, each with the slot of its site,
    /// for the sites that are sampled.
    pub(super) cold: Vec<(u64, u32)>,
    /// Run-time addresses behind lock calls, for the sites that the tracepoints of contended locks tell
    /// of.
    pub(super) returns: Vec<(u64, ReturnEntry)>,
    /// The probed instructions, each with its site.
    pub(super) entries: Vec<SiteEntry>,
    /// How sequences are reached.
    pub(super) words: Vec<SlotWord>,
    /// Slots of the checks whose runs are followed; the index is [`SiteEntry::run`].
    pub(super) runs: Vec<u32>,
    /// Sites refused here already.
    pub(super) refusals: Vec<(u32, Refusal)>,
    /// What is followed for the order of locks; `None`: something else is traced.
    pub(super) order: Option<OrderTable>,
}

impl Table {
    /// Lists the probes of all targets that are not skipped. Targets that are probed on demand have
    /// their entry in the site table from the start.
    pub(super) fn new(plan: &Plan) -> Self {
        let mut table = Self::default();
        let mut taken = HashSet::new();
        let text = plan
            .targets
            .iter()
            .find(|target| is_vmlinux(target))
            .map(base);
        for (slot, target) in (0..).zip(&plan.targets) {
            if target.skip.is_some() {
                continue;
            }
            match target.backend {
                Backend::Probe => table.push(slot, target, text, &mut taken),
                Backend::Sample => table.push_cold(slot, target),
                Backend::Contention => table.returns.push(return_of(slot, target)),
                Backend::Watch => {}
            }
        }
        table.cold.sort_unstable();
        // Code that two sites share is that of the first.
        table.cold.dedup_by_key(|(address, _)| *address);
        table
    }

    /// Whether anything is to be probed.
    pub(super) fn has_probes(&self) -> bool {
        !self.probes.is_empty()
    }

    /// Whether a program at probes may be run. What a trap costs is measured with one that belongs to
    /// no site.
    pub(super) fn needs(&self, program: &str) -> bool {
        let is_order = [ORDER_STEP, ORDER_TRIED].contains(&program);
        let is_wanted = is_order == self.order.is_some() || program == trap::PROGRAM;
        self.has_probes() && is_wanted
    }

    /// Whether holds are to be followed.
    pub(super) fn has_increments(&self) -> bool {
        let mut probes = self.probes.values();
        probes.any(|probes| probes.start.program == INCREMENT)
    }

    /// Where the kernel side finds each site.
    pub(super) fn places(&self) -> Places {
        Places::new(&self.entries.iter().map(|entry| entry.address).collect())
    }

    /// The slots of the sites that are sampled, ascending.
    pub(super) fn sampled(&self) -> BTreeSet<u32> {
        self.cold.iter().map(|(_, slot)| *slot).collect()
    }

    /// The slots of the sites that the tracepoints of contended locks tell of.
    pub(super) fn contended(&self) -> BTreeSet<u32> {
        self.returns.iter().map(|(_, entry)| entry.slot).collect()
    }

    /// Every byte, as an interrupt may come before any instruction.
    fn push_cold(&mut self, slot: u32, target: &Target) {
        let Place::Site(site) = &target.place else {
            return;
        };
        for stretch in &site.cold {
            let first = base(target).wrapping_add(stretch.image_offset);
            let bytes = (0..stretch.bytes).map(|byte| (first.wrapping_add(byte), slot));
            self.cold.extend(bytes);
        }
    }

    fn push(&mut self, slot: u32, target: &Target, text: Option<u64>, taken: &mut HashSet<u64>) {
        let Target {
            image: _,
            kind,
            backend: _,
            place,
            address,
            end_address,
            owner_offset,
            word: _,
            skip: _,
            on_demand,
        } = target;
        self.push_word(slot, target);
        let site = match place {
            Place::Site(site) => Some(site),
            Place::Instance(_) => None,
        };
        let addresses = [Some(*address), *end_address];
        if addresses
            .iter()
            .flatten()
            .any(|address| taken.contains(address))
        {
            self.refusals.push((slot, Refusal::AddressTaken));
            return;
        }
        taken.extend(addresses.iter().flatten());
        let entry = SiteEntry {
            address: *address,
            slot,
            sequence_register: site
                .and_then(|site| site.sequence_register)
                .map_or(SiteEntry::NO_REGISTER, u32::from),
            owner_offset: owner_offset.unwrap_or(SiteEntry::NO_OWNER),
            run: self.run(slot, place),
            generation: 0,
            thinning: 0,
        };
        let block_end = site.and_then(|site: &Site| site.end);
        let mut end = None;
        let function = (&*target.image, place.function());
        if let (Some(BlockEnd { offset, .. }), Some(address)) = (block_end, *end_address) {
            let names = names(function, text, offset, address);
            end = Some(Probe {
                slot,
                program: LOCK_END,
                names,
            });
            self.entries.push(SiteEntry { address, ..entry });
        }
        let program = match kind {
            Kind::Block => "lock_call",
            Kind::Spin => "pause",
            Kind::Retry | Kind::Fallback => "retry",
            Kind::Check => "check",
            Kind::Write => INCREMENT,
        };
        let start = Probe {
            slot,
            program,
            names: names(function, text, place.offset(), *address),
        };
        let probes = SlotProbes {
            start,
            end,
            on_demand: *on_demand,
        };
        self.probes.insert(slot, probes);
        self.entries.push(entry);
    }

    fn push_word(&mut self, slot: u32, target: &Target) {
        if let Some(word) = target.word {
            let writes = target.kind == Kind::Write;
            self.words.push(SlotWord {
                slot,
                seqcount: target.place.seqcount().label(),
                waits: writes && target.on_demand,
                writes,
                entry: entry_of(word),
            });
        }
    }

    /// What the kernel side is told about words from the start: increments that wait are not told, and
    /// readers are told whether the writers are probed.
    pub(super) fn initial_words(&self) -> Vec<(u32, WordEntry)> {
        let probed = self.words.iter().filter(|word| word.writes && !word.waits);
        let probed: BTreeSet<&str> = probed.map(|word| &*word.seqcount).collect();
        let told = self.words.iter().filter(|word| !word.waits);
        let entry = |word: &SlotWord| WordEntry {
            followed: u32::from(probed.contains(&*word.seqcount)),
            ..word.entry
        };
        told.map(|word| (word.slot, entry(word))).collect()
    }

    /// The probes to be attached from the start, in their order: ends of blocks first.
    pub(super) fn initial(&self) -> impl Iterator<Item = &Probe> {
        let probes = || self.probes.values().filter(|probes| !probes.on_demand);
        let ends = probes().filter_map(|probes| probes.end.as_ref());
        ends.chain(probes().map(|probes| &probes.start))
    }

    /// The number of the check's runs, where its read section is a loop.
    fn run(&mut self, slot: u32, place: &Place) -> u32 {
        let loops = match place {
            Place::Site(_) => false,
            Place::Instance(instance) => match &instance.half {
                Half::Check(check) => check.loops,
                Half::Begin { .. } | Half::Write(_) => false,
            },
        };
        if !loops {
            return SiteEntry::NO_RUN;
        }
        self.runs.push(slot);
        (self.runs.len() - 1) as u32
    }
}

/// Where the lock call of a block returns to.
fn return_of(slot: u32, target: &Target) -> (u64, ReturnEntry) {
    let entry = ReturnEntry {
        slot,
        owner_offset: target.owner_offset.unwrap_or(SiteEntry::NO_OWNER),
    };
    (target.address.wrapping_add(ReturnEntry::CALL_BYTES), entry)
}

pub(super) fn entry_of(word: Word) -> WordEntry {
    let Word {
        constant,
        base,
        index,
    } = word;
    let number = |register: Option<u8>| register.map_or(WordEntry::NO_REGISTER, u32::from);
    WordEntry {
        base: number(base),
        index: number(index.map(|(register, _)| register)),
        scale: index.map_or(1, |(_, scale)| scale.into()),
        ..WordEntry::variable(constant)
    }
}

fn is_vmlinux(target: &Target) -> bool {
    target.image == VMLINUX
}

/// Run-time address of the target's image.
fn base(target: &Target) -> u64 {
    target.address.wrapping_sub(target.place.image_offset())
}

/// The names of an address. `_text` is unique where the names of functions are not: static
/// functions share theirs with other functions and with variables (`set_root`), which the kernel
/// refuses with `EADDRNOTAVAIL`. A module goes by its function first, which tells that the module is
/// still there; from `_text` it lies within the 32 bits of `struct kprobe.offset`.
pub(super) fn names(
    (image, function): (&str, &str),
    text: Option<u64>,
    offset: u64,
    address: u64,
) -> Vec<(String, u64)> {
    // In front of its symbol the kernel finds nothing.
    let function = i64::try_from(offset)
        .is_ok()
        .then(|| (function.to_owned(), offset));
    let from_text = text
        .map(|text| address.wrapping_sub(text))
        .filter(|distance| u32::try_from(*distance).is_ok())
        .map(|distance| ("_text".to_owned(), distance));
    if image == VMLINUX {
        from_text.into_iter().chain(function).collect()
    } else {
        function.into_iter().chain(from_text).collect()
    }
}

#[cfg(test)]
mod tests;
