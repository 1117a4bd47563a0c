//! Which seqcount a word is where no type leads to it: the members of structures that lie where
//! the word does, as far as the other places fit that the code uses in the same object.
//!
//! The last resort of naming. A structure that is too small, or that has no member of the width
//! where one is used, is not the one.

use super::{
    access::Access,
    btf::{Btf, SeqcountMember, TypeId},
    catalog::{Lockname, Name, Seqcount},
    evidence::{Evidence, Lock},
    identify::Identity,
    value::Address,
};

/// Distances from a sequence to the lock of its `seqlock_t`.
const OWN_LOCK: [i64; 3] = [16, 8, 4];

/// What tells the members apart that a word may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit<'a> {
    pub(super) btf: &'a Btf,
    pub(super) evidence: &'a Evidence,
    pub(super) accesses: &'a [Access],
    /// Structures that start at distances from the base of the word.
    pub(super) typed: &'a [(i64, TypeId)],
}

/// The members that a word may be by its identity alone.
pub(super) fn candidates(btf: &Btf, identity: &Identity) -> Vec<SeqcountMember> {
    match identity {
        Identity::Displacement(displacement) => {
            let at = |member: &&SeqcountMember| i64::try_from(member.offset) == Ok(*displacement);
            // Nearly every structure could begin with a seqcount that stands for itself.
            let found = btf.seqcount_members().filter(at);
            let found: Vec<_> = found.filter(|member| member.offset != 0).cloned().collect();
            btf.outermost(&found)
        }
        Identity::FromMember(of, distance) => btf.seqcounts_from(*of, *distance),
        Identity::Seqcount(_) | Identity::Global(_) | Identity::Other => Vec::new(),
    }
}

impl Fit<'_> {
    /// The seqcount at an address; `None` when nothing fits.
    pub(super) fn seqcount(
        &self,
        address: Address,
        identity: &Identity,
        allowed: &[Lockname],
    ) -> Option<Seqcount> {
        let used = self.used_besides(address);
        let mut found = candidates(self.btf, identity);
        if found.is_empty() && matches!(identity, Identity::Displacement(_)) {
            // The pointer is to a member behind it.
            let all: Vec<_> = self.btf.seqcount_members().cloned().collect();
            found = self.btf.outermost(&all);
        }
        let allowed = if self.takes_own_lock(address) {
            &[Lockname::Seqlock]
        } else {
            allowed
        };
        found.retain(|member| allowed.is_empty() || allowed.contains(&member.lockname));
        found.retain(|member| self.fits(member, address, &used));
        let first = found.first()?;
        let is_agreed = found.iter().all(|member| member.lockname == first.lockname);
        let lockname = is_agreed.then_some(first.lockname);
        let mut names: Vec<String> = found.into_iter().map(|member| member.name).collect();
        names.sort_unstable();
        names.dedup();
        let name = match &names[..] {
            [only] => Name::Member(only.clone()),
            _ => Name::Ambiguous(names),
        };
        Some(Seqcount {
            name,
            lockname,
            lock: None,
        })
    }

    /// Other places that are used on the same base, each once: displacement and width.
    fn used_besides(&self, address: Address) -> Vec<(i64, u8)> {
        let same = self
            .accesses
            .iter()
            .filter(|access| access.address.base == address.base && access.address != address);
        let mut used: Vec<(i64, u8)> = same
            .map(|access| (access.address.displacement, access.bytes))
            .collect();
        used.sort_unstable();
        used.dedup();
        used
    }

    /// Whether the function takes the lock that belongs to a `seqlock_t` at the address.
    fn takes_own_lock(&self, address: Address) -> bool {
        self.evidence.locks.iter().any(|call| match call.lock {
            Lock::At(Address { base, displacement }) => {
                let distance = displacement.wrapping_sub(address.displacement);
                base == address.base && OWN_LOCK.contains(&distance)
            }
            Lock::PointedToBy(_) => false,
        })
    }

    /// Whether all places that are used are members of the structure.
    fn fits(&self, member: &SeqcountMember, address: Address, used: &[(i64, u8)]) -> bool {
        let Ok(at) = i64::try_from(member.offset) else {
            return false;
        };
        let origin = at.wrapping_sub(address.displacement);
        let at = |displacement: i64| u64::try_from(origin.wrapping_add(displacement)).ok();
        let of = member.structure;
        let has_member = |&(displacement, bytes): &(i64, u8)| {
            at(displacement).is_some_and(|at| self.btf.has_member(of, at, bytes.into()))
        };
        let has_structure = |&(displacement, inner): &(i64, TypeId)| {
            at(displacement).is_some_and(|at| self.btf.has_structure(of, at, inner))
        };
        used.iter().all(has_member) && self.typed.iter().all(has_structure)
    }
}
