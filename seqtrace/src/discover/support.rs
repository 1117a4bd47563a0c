//! The increments of one function whose words no type names in, those that are of sequences
//! nevertheless out.
//!
//! Where the word lies is not enough, because structures have counters at any offset. What must
//! come with it is one of these: a section under a lock of the structure that has a seqcount
//! there; one under the lock of a `seqlock_t`, at its distance; an increment of the same member in
//! the same function that the types name; or a section behind a member of which only one structure
//! has a seqcount at that distance. Two increments of a word one right behind the other tell by
//! themselves: without a barrier between them they would be one.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    beside,
    btf::{Btf, SeqcountMember, TypeId},
    catalog::{Lockname, Name, Seqcount},
    evidence::{Evidence, Increment, Lock, LockCall},
    identify::Identity,
    image::Image,
    increment::Step,
    value::{Address, Value, ValueId, Values},
    writes,
};

/// Types of locks, by tag or typedef.
const LOCK_TYPES: [&str; 8] = [
    "mutex",
    "raw_spinlock",
    "raw_spinlock_t",
    "rt_mutex_base",
    "rw_semaphore",
    "rwlock_t",
    "spinlock",
    "spinlock_t",
];

/// Locks lie at most this deep in members of members.
const MEMBER_DEPTH: usize = 8;

/// Distances from a sequence to the lock of its `seqlock_t`; see [`super::cold`].
const OWN_LOCK: [i64; 3] = [16, 8, 4];

/// What an increment is of.
#[derive(Clone, Debug)]
pub(super) enum Support {
    /// The sequence of this seqcount.
    Seqcount(Seqcount),
    /// The sequence at this constant address.
    Global(u64),
}

/// What is known of a function.
pub(super) struct Known<'a> {
    pub(super) image: &'a Image,
    pub(super) btf: Option<&'a Btf>,
    pub(super) evidence: &'a Evidence,
    pub(super) identities: &'a FxHashMap<ValueId, Identity>,
    pub(super) values: &'a Values,
}

impl Known<'_> {
    /// The words that are sequences although no type says so.
    pub(super) fn supported(&self) -> Vec<(ValueId, Support)> {
        let mut done = FxHashSet::default();
        let words = self.evidence.increments.iter();
        words
            .map(|increment| increment.addition.word)
            .filter(|&word| done.insert(word))
            .filter_map(|word| Some((word, self.support(word)?)))
            .collect()
    }

    /// Words that are written in sections where some structure has a seqcount, if the pointer to
    /// it, which callers pass, is to that structure.
    pub(super) fn passed(&self) -> Vec<ValueId> {
        let mut done = FxHashSet::default();
        let words = self.evidence.increments.iter();
        words
            .map(|increment| increment.addition.word)
            .filter(|&word| done.insert(word) && self.is_passed(word))
            .collect()
    }

    fn is_passed(&self, word: ValueId) -> bool {
        let Some(identity @ Identity::Displacement(_)) = self.identities.get(&word) else {
            return false;
        };
        let increments = self.increments(word);
        let Some(first) = increments.first() else {
            return false;
        };
        let address = first.addition.address;
        matches!(self.values.get(address.base), Value::Initial(_))
            && !self.places(identity, address).is_empty()
            && writes::is_section(self.evidence, &increments)
    }

    fn increments(&self, word: ValueId) -> Vec<&Increment> {
        let all = self.evidence.increments.iter();
        all.filter(|increment| increment.addition.word == word)
            .collect()
    }

    fn support(&self, word: ValueId) -> Option<Support> {
        let identity = self.identities.get(&word)?;
        if matches!(identity, Identity::Seqcount(_) | Identity::Other) {
            return None;
        }
        let increments = self.increments(word);
        let address = increments.first()?.addition.address;
        if address.base == Values::PER_CPU {
            return None;
        }
        let mut places = self.places(identity, address);
        let is_locked = places
            .iter()
            .any(|place| self.is_locked(&increments, place));
        if is_locked {
            places.retain(|place| self.is_locked(&increments, place));
        } else if self.is_own_locked(&increments) {
            places.retain(|place| place.member.lockname == Lockname::Seqlock);
            if places.is_empty() && !matches!(identity, Identity::Global(_)) {
                return Some(Support::Seqcount(Seqcount {
                    name: Name::Unknown,
                    lockname: Some(Lockname::Seqlock),
                    lock: None,
                }));
            }
        } else if !(has_barrier(&increments)
            || self.is_named_elsewhere(&increments, &places)
            || self.is_section_of_one(identity, &increments, &places))
        {
            return None;
        }
        if let Identity::Global(address) = identity {
            return Some(Support::Global(*address));
        }
        Some(Support::Seqcount(seqcount(places)))
    }

    /// The seqcounts that the word may be by its place.
    fn places(&self, identity: &Identity, address: Address) -> Vec<Place> {
        let Some(btf) = self.btf else {
            return Vec::new();
        };
        let (distance, members): (i64, Vec<SeqcountMember>) = match identity {
            Identity::Displacement(displacement) => (*displacement, members_at(btf, *displacement)),
            Identity::FromMember(of, distance) => (*distance, btf.seqcounts_from(*of, *distance)),
            Identity::Global(address) => {
                let symbol = self.image.symbol_at(*address);
                let Some(distance) = symbol.and_then(|(_, distance)| i64::try_from(distance).ok())
                else {
                    return Vec::new();
                };
                (distance, members_at(btf, distance))
            }
            Identity::Seqcount(_) | Identity::Other => return Vec::new(),
        };
        // The pointer is to the structure, or to a member as far into it as the seqcount is
        // further than the distance.
        let start = |member: &SeqcountMember| {
            let into = distance.wrapping_sub(member.offset as i64);
            let from_base = address.displacement.wrapping_sub(distance);
            from_base.wrapping_add(into)
        };
        members
            .into_iter()
            .map(|member| Place {
                start: start(&member),
                member,
            })
            .collect()
    }

    /// Whether the increments are a section under a lock of the structure.
    fn is_locked(&self, increments: &[&Increment], place: &Place) -> bool {
        let Some(btf) = self.btf else { return false };
        let is_member = |_: &Increment, lock: Lock| match lock {
            Lock::At(Address { displacement, .. }) => {
                let at = u64::try_from(displacement.wrapping_sub(place.start));
                at.is_ok_and(|at| has_lock_at(btf, place.member.structure, at, MEMBER_DEPTH))
            }
            Lock::PointedToBy(_) => false,
        };
        let by_two = |increment: &&&Increment| increment.addition.step == Step::Two;
        let mut by_two = increments.iter().filter(by_two);
        let beside = |increment: &Increment| {
            self.is_taken(increment, is_member) || self.is_dropped(increment, is_member)
        };
        self.is_bracketed(increments, is_member)
            || increments.iter().any(|increment| beside(increment))
                && writes::is_section(self.evidence, increments)
            || by_two.any(|increment| {
                self.is_taken(increment, is_member) && self.is_dropped(increment, is_member)
            })
    }

    /// Whether the increments are a section under the lock of the sequence's own `seqlock_t`.
    fn is_own_locked(&self, increments: &[&Increment]) -> bool {
        let is_own = |increment: &Increment, lock: Lock| match lock {
            Lock::At(Address { displacement, .. }) => {
                let sequence = increment.addition.address.displacement;
                OWN_LOCK.contains(&displacement.wrapping_sub(sequence))
            }
            Lock::PointedToBy(_) => false,
        };
        self.is_bracketed(increments, is_own)
    }

    /// Whether the lock is taken before one of the increments and dropped behind another, and not
    /// dropped between them.
    fn is_bracketed(
        &self,
        increments: &[&Increment],
        is_lock: impl Fn(&Increment, Lock) -> bool + Copy,
    ) -> bool {
        let begins = |increment: &&Increment| {
            self.is_taken(increment, is_lock) && !beside::leads_to_lock(self.evidence, increment)
        };
        let ends = |increment: &&Increment| {
            self.is_dropped(increment, is_lock)
                && !beside::comes_from_lock(self.evidence, increment)
        };
        let by_one = |increment: &&&Increment| increment.addition.step == Step::One;
        let by_one = || increments.iter().filter(by_one);
        by_one().any(begins) && by_one().any(ends)
    }

    /// Whether the lock is taken before an increment, on every way.
    fn is_taken(&self, increment: &Increment, is_lock: impl Fn(&Increment, Lock) -> bool) -> bool {
        let takes = |call: &&LockCall| call.function.takes && is_lock(increment, call.lock);
        let before = beside::before(self.evidence, increment);
        before.is_some_and(|calls| calls.iter().all(takes))
    }

    /// Whether the lock is dropped behind an increment, on every way.
    fn is_dropped(
        &self,
        increment: &Increment,
        is_lock: impl Fn(&Increment, Lock) -> bool,
    ) -> bool {
        let drops = |call: &&LockCall| !call.function.takes && is_lock(increment, call.lock);
        let behind = beside::behind(self.evidence, increment);
        behind.is_some_and(|calls| calls.iter().all(drops))
    }

    /// Whether the types name another increment in the function at the same place of an object,
    /// where only one structure has a seqcount.
    fn is_named_elsewhere(&self, increments: &[&Increment], places: &[Place]) -> bool {
        let [only] = places else { return false };
        let Some(increment) = increments.first() else {
            return false;
        };
        let displacement = increment.addition.address.displacement;
        self.evidence.increments.iter().any(|other| {
            let Some(Identity::Seqcount(seqcount)) = self.identities.get(&other.addition.word)
            else {
                return false;
            };
            other.addition.address.displacement == displacement
                && seqcount.name == Name::Member(only.member.name.clone())
        })
    }

    /// Whether the increments are a section in the one structure that has a seqcount at the
    /// distance from the member that the pointer is to.
    fn is_section_of_one(
        &self,
        identity: &Identity,
        increments: &[&Increment],
        places: &[Place],
    ) -> bool {
        matches!(identity, Identity::FromMember(Some(_), _))
            && places.len() == 1
            && writes::is_section(self.evidence, increments)
    }
}

/// Whether two of the increments stand one right behind the other.
fn has_barrier(increments: &[&Increment]) -> bool {
    let by_one = |increment: &Increment| increment.addition.step == Step::One;
    let mut pairs = increments.iter().zip(increments.iter().skip(1));
    pairs.any(|(first, second)| first.next == second.at && by_one(first) && by_one(second))
}

/// A seqcount that a word may be.
struct Place {
    member: SeqcountMember,
    /// Where its structure would start, as a displacement from the base of the word's address.
    start: i64,
}

/// The seqcounts at an offset of any structure; nearly every structure could begin with one that
/// stands for itself.
fn members_at(btf: &Btf, offset: i64) -> Vec<SeqcountMember> {
    let members = btf.seqcount_members();
    let is_there = |member: &&SeqcountMember| i64::try_from(member.offset) == Ok(offset);
    let there = members.filter(is_there).filter(|member| member.offset != 0);
    there.cloned().collect()
}

/// Whether a lock starts at an offset of an object.
fn has_lock_at(btf: &Btf, id: TypeId, offset: u64, depth: usize) -> bool {
    if depth == 0 {
        return false;
    }
    let resolved = btf.resolve(id);
    if offset == 0
        && [id, resolved]
            .iter()
            .any(|&id| LOCK_TYPES.contains(&btf.name(id)))
    {
        return true;
    }
    btf.members(resolved).any(|member| {
        let start = u64::from(member.offset_bits / 8);
        let end = start.saturating_add(btf.size_bytes(member.kind));
        (start..end).contains(&offset) && has_lock_at(btf, member.kind, offset - start, depth - 1)
    })
}

/// The seqcount that is at one of these places.
fn seqcount(places: Vec<Place>) -> Seqcount {
    let mut locknames = places.iter().map(|place| place.member.lockname);
    let first = locknames.next();
    let lockname = first.filter(|&first| locknames.all(|other| other == first));
    let mut names: Vec<String> = places.into_iter().map(|place| place.member.name).collect();
    names.sort_unstable();
    names.dedup();
    let name = match names.len() {
        0 => Name::Unknown,
        1 => Name::Member(names.remove(0)),
        _ => Name::Ambiguous(names),
    };
    Seqcount {
        name,
        lockname,
        lock: None,
    }
}
