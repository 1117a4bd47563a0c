//! Names for the sequences behind the cold addresses, and what is known of their LOCKNAME.
//!
//! Types come first. Where they end, a displacement that only one seqcount member of all
//! structures has names that member, if the code agrees with its LOCKNAME; several make the name
//! ambiguous, and none leaves it unknown.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    btf::{Btf, SeqcountMember},
    catalog::{Lockname, Name, Seqcount},
    fit,
    identify::Identity,
    image::Image,
    rules::Study,
    symbols::Symbol,
    value::ValueId,
    witness::Witnesses,
};

/// Seqcounts whose readers do not take a lock to wait for the writer, on any kernel.
const WITHOUT_LOCK: &[Lockname] = &[Lockname::Plain, Lockname::RawSpinlock, Lockname::Latch];

/// Distances from a sequence to the lock of its `seqlock_t`: with a pointer between them, and
/// without.
const OWN_LOCK: [u64; 2] = [16, 4];

/// No variable with a seqcount is larger.
const LARGEST_VARIABLE_BYTES: u64 = 1 << 20;

/// A reader whose seqcount is to be named.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    /// The sequences it may be reading.
    pub(super) words: &'a [ValueId],
    /// Whether it was seen to take the `seqlock_t`'s own lock.
    pub(super) takes_own_lock: bool,
    /// Whether it was seen to spin.
    pub(super) spins: bool,
}

/// What the whole image tells about names.
#[derive(Debug)]
pub(super) struct Labels<'a> {
    image: &'a Image,
    btf: Option<&'a Btf>,
    /// Constant addresses of locks that are taken somewhere in the image.
    locked: FxHashSet<u64>,
    /// LOCKNAMEs that fit the lock functions which readers of a global call.
    waited: FxHashMap<u64, &'static [Lockname]>,
    /// By the names of seqcounts: the lock that all writers hold which were seen to hold one;
    /// `None` when they do not agree.
    held: FxHashMap<String, Option<String>>,
    /// Names of globals that have no symbol.
    witnesses: Option<&'a Witnesses>,
}

impl<'a> Labels<'a> {
    pub(super) fn new<'s>(
        image: &'a Image,
        btf: Option<&'a Btf>,
        locked: FxHashSet<u64>,
        studies: impl Iterator<Item = &'s Study>,
    ) -> Self {
        let mut waited = FxHashMap::default();
        for study in studies {
            for wait in study.waits() {
                for word in &wait.test.words {
                    if let Some(Identity::Global(address)) = study.identities.get(word) {
                        waited.insert(*address, wait.locks.function.waits_for);
                    }
                }
            }
        }
        Self {
            image,
            btf,
            locked,
            waited,
            held: FxHashMap::default(),
            witnesses: None,
        }
    }

    /// The same, with what known readers tell about globals that have no symbol.
    pub(super) fn with_names(self, witnesses: &'a Witnesses) -> Self {
        Self {
            witnesses: Some(witnesses),
            ..self
        }
    }

    /// The same, with the locks that writers hold.
    pub(super) fn with_locks<'s>(mut self, studies: impl Iterator<Item = &'s Study>) -> Self {
        for study in studies {
            for (word, lock) in &study.held {
                let seqcount = self.identified(study, *word, &[]);
                let known = self.held.entry(seqcount.label());
                known
                    .and_modify(|known| {
                        if known.as_ref() != Some(lock) {
                            *known = None;
                        }
                    })
                    .or_insert_with(|| Some(lock.clone()));
            }
        }
        self
    }

    /// The seqcount with the lock that serialises its writers.
    fn with_lock(&self, seqcount: Seqcount) -> Seqcount {
        let is_one = matches!(seqcount.name, Name::Global(_) | Name::Member(_));
        let lock = match seqcount.lockname {
            Some(Lockname::Seqlock) => Some(format!("{}.lock", seqcount.label())),
            Some(
                Lockname::Spinlock | Lockname::RawSpinlock | Lockname::Rwlock | Lockname::Mutex,
            ) => self.held.get(&seqcount.label()).cloned().flatten(),
            Some(Lockname::Plain | Lockname::Latch) | None => None,
        };
        Seqcount {
            lock: lock.filter(|_| is_one),
            ..seqcount
        }
    }

    /// The seqcount that is read.
    pub(super) fn seqcount(&self, study: &Study, reader: Reader<'_>) -> Seqcount {
        let words = reader.words.iter();
        let found = words.map(|&word| self.word(study, reader, word));
        let found = found.reduce(|left, right| Self::either(&left, &right));
        let found = found.unwrap_or(Seqcount {
            name: Name::Unknown,
            lockname: None,
            lock: None,
        });
        self.with_lock(found)
    }

    /// What is known of a seqcount that is one of two.
    pub(super) fn either(left: &Seqcount, right: &Seqcount) -> Seqcount {
        either(left, right)
    }

    /// The seqcount that is written where this word is incremented.
    pub(super) fn written(&self, study: &Study, word: ValueId) -> Seqcount {
        self.with_lock(self.identified(study, word, &[]))
    }

    fn word(&self, study: &Study, reader: Reader<'_>, word: ValueId) -> Seqcount {
        self.identified(study, word, self.allowed(study, reader, word))
    }

    fn identified(&self, study: &Study, word: ValueId, allowed: &[Lockname]) -> Seqcount {
        match study.identities.get(&word) {
            Some(Identity::Seqcount(seqcount)) => seqcount.clone(),
            Some(Identity::Global(address)) => Seqcount {
                name: self.global_name(*address),
                lockname: self.global_lockname(*address, allowed),
                lock: None,
            },
            Some(identity @ (Identity::Displacement(_) | Identity::FromMember(..))) => {
                let found = self.btf.map(|btf| fit::candidates(btf, identity));
                one_member(found.unwrap_or_default(), allowed)
            }
            Some(Identity::Other) => Seqcount {
                name: study.members.get(&word).cloned().unwrap_or(Name::Unknown),
                lockname: None,
                lock: None,
            },
            None => Seqcount {
                name: Name::Unknown,
                lockname: None,
                lock: None,
            },
        }
    }

    /// The LOCKNAMEs that fit what this reader does; none: it tells nothing.
    fn allowed(&self, study: &Study, reader: Reader<'_>, word: ValueId) -> &'static [Lockname] {
        if reader.takes_own_lock {
            return &[Lockname::Seqlock];
        }
        let wait = study.waits().find(|wait| wait.test.words.contains(&word));
        match wait {
            Some(wait) => wait.locks.function.waits_for,
            None if self.image.realtime && reader.spins => WITHOUT_LOCK,
            None => &[],
        }
    }

    /// Whether a variable belongs to this image and not to what it imports.
    fn is_own(&self, address: u64) -> bool {
        let own = self
            .image
            .symbols
            .at(address)
            .map(|(symbol, _)| symbol.address);
        own == self
            .image
            .symbol_at(address)
            .map(|(symbol, _)| symbol.address)
    }

    fn global_name(&self, address: u64) -> Name {
        match global(self.image, address) {
            Name::Unknown => self
                .witnesses
                .and_then(|witnesses| witnesses.name(address))
                .unwrap_or(Name::Unknown),
            name => name,
        }
    }

    fn global_lockname(&self, address: u64, allowed: &[Lockname]) -> Option<Lockname> {
        let has_own_lock = OWN_LOCK.iter().any(|distance| {
            let lock = address.wrapping_add(*distance);
            // A lock with a symbol is a variable of its own, which happens to lie behind.
            self.locked.contains(&lock) && !matches!(self.image.symbol_at(lock), Some((_, 0)))
        });
        if has_own_lock {
            return Some(Lockname::Seqlock);
        }
        let waited = self.waited.get(&address).copied().unwrap_or(allowed);
        match waited {
            // The locks of another image's variables are taken there.
            [Lockname::Spinlock, Lockname::Seqlock] => {
                let is_own = self.image.imports.is_empty() || self.is_own(address);
                is_own.then_some(Lockname::Spinlock)
            }
            [only] => Some(*only),
            _ => None,
        }
    }
}

/// What is known of a seqcount that is one of two.
pub(super) fn either(left: &Seqcount, right: &Seqcount) -> Seqcount {
    if left == right {
        return left.clone();
    }
    let mut names = [candidates(&left.name), candidates(&right.name)].concat();
    names.sort_unstable();
    names.dedup();
    let lockname = left.lockname.filter(|_| left.lockname == right.lockname);
    Seqcount {
        name: one_of(names),
        lockname,
        lock: left.lock.clone().filter(|_| left.lock == right.lock),
    }
}

/// The name of a global; unknown where kallsyms has functions only (no CONFIG_KALLSYMS_ALL).
pub(super) fn global(image: &Image, address: u64) -> Name {
    // The letter of a data symbol may be that of text (since 7.0), so the address decides.
    let is_variable =
        |symbol: &Symbol<'_>| !symbol.name.is_empty() && image.segment_of(symbol.address).is_none();
    match image.symbol_at(address) {
        Some((symbol, 0)) if is_variable(&symbol) => Name::Global(symbol.name.to_owned()),
        Some((symbol, distance)) if is_variable(&symbol) && distance < LARGEST_VARIABLE_BYTES => {
            Name::Global(format!("{}+{distance:#x}", symbol.name))
        }
        _ => Name::Unknown,
    }
}

/// The seqcount that is one of these members, as far as its LOCKNAME is allowed.
fn one_member(mut found: Vec<SeqcountMember>, allowed: &[Lockname]) -> Seqcount {
    found.retain(|member| allowed.is_empty() || allowed.contains(&member.lockname));
    if found.is_empty() {
        let lockname = if let [only] = allowed {
            Some(*only)
        } else {
            None
        };
        return Seqcount {
            name: Name::Unknown,
            lockname,
            lock: None,
        };
    }
    let lockname = agreed(found.iter().map(|member| Some(member.lockname)));
    let mut names: Vec<String> = found.into_iter().map(|member| member.name).collect();
    names.sort_unstable();
    names.dedup();
    let name = match &names[..] {
        [only] => Name::Member(only.clone()),
        _ => one_of(names),
    };
    Seqcount {
        name,
        lockname,
        lock: None,
    }
}

/// The names a name may stand for.
fn candidates(name: &Name) -> Vec<String> {
    match name {
        Name::Global(name) | Name::Member(name) => vec![name.clone()],
        Name::Ambiguous(names) => names.clone(),
        Name::Unknown => Vec::new(),
    }
}

fn one_of(names: Vec<String>) -> Name {
    if names.is_empty() {
        Name::Unknown
    } else {
        Name::Ambiguous(names)
    }
}

/// The LOCKNAME of all, if it is one.
fn agreed(mut locknames: impl Iterator<Item = Option<Lockname>>) -> Option<Lockname> {
    let first = locknames.next()??;
    locknames
        .all(|lockname| lockname == Some(first))
        .then_some(first)
}
