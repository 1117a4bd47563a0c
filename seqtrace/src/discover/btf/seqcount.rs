//! Which types are seqcounts, and which structures have one.

use super::{
    Btf, DEPTH_LIMIT, Kind, TypeId,
    walk::{Steps, Walk},
};
use crate::discover::catalog::Lockname;

/// A seqcount that is a member of a named structure.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct SeqcountMember {
    /// Distance from the start of the structure, bytes.
    pub offset: u64,
    /// `dentry.d_seq`: the structure and the path to the seqcount-typed member.
    pub name: String,
    /// Its LOCKNAME.
    pub lockname: Lockname,
    /// The structure.
    pub structure: TypeId,
}

impl Btf {
    /// The LOCKNAME of a seqcount type; `None` for every other type.
    pub fn lockname(&self, id: TypeId) -> Option<Lockname> {
        let mut id = id;
        for _ in 0..DEPTH_LIMIT {
            let lockname = lockname_of(self.name(id));
            if lockname.is_some() {
                // A structure that is called so but is empty (as u64_stats_sync on 64-bit) holds
                // no counter.
                return lockname.filter(|_| self.size_bytes(id) > 0);
            }
            match self.kind(id) {
                Kind::Typedef(to) | Kind::Qualifier(to) => id = to,
                _ => return None,
            }
        }
        None
    }

    /// Every seqcount inside the named structures, those of vmlinux first; of one object by
    /// offset and name.
    pub fn seqcount_members(&self) -> impl Iterator<Item = &SeqcountMember> {
        let base = self.base.iter().flat_map(|base| base.own_seqcounts());
        base.chain(self.own_seqcounts())
    }

    fn own_seqcounts(&self) -> &[SeqcountMember] {
        self.seqcounts.get_or_init(|| {
            let mut found = Vec::new();
            for id in self.own_types() {
                let Kind::Structure { .. } = self.kind(id) else {
                    continue;
                };
                if !self.name(id).is_empty() && self.lockname(id).is_none() {
                    let name = self.name(id).to_owned();
                    let whole = SeqcountMember {
                        offset: 0,
                        name,
                        lockname: Lockname::Plain,
                        structure: id,
                    };
                    self.collect_seqcounts(id, &whole, Steps::new().walk(), &mut found);
                }
            }
            found.sort_unstable();
            found.dedup();
            found
        })
    }

    /// Collects the seqcounts inside an object of type `id` that lies at `place`.
    fn collect_seqcounts(
        &self,
        id: TypeId,
        place: &SeqcountMember,
        walk: Walk<'_>,
        found: &mut Vec<SeqcountMember>,
    ) {
        let Some(walk) = walk.deeper() else { return };
        if let Some(lockname) = self.lockname(id) {
            found.push(SeqcountMember {
                lockname,
                ..place.clone()
            });
            return;
        }
        let resolved = self.resolve(id);
        let inside = |offset: u64, name: &str| SeqcountMember {
            offset: place.offset.saturating_add(offset),
            name: format!("{}{name}", place.name),
            ..*place
        };
        if let Kind::Array { element, count } = self.kind(resolved) {
            if count > 0 {
                self.collect_seqcounts(element, &inside(0, "[]"), walk, found);
            }
            return;
        }
        for member in self.members(resolved) {
            if self.may_hold_members(member.kind) {
                let dot = if member.name.is_empty() { "" } else { "." };
                let name = format!("{dot}{}", member.name);
                let place = inside(u64::from(member.offset_bits / 8), &name);
                self.collect_seqcounts(member.kind, &place, walk, found);
            }
        }
    }

    fn may_hold_members(&self, id: TypeId) -> bool {
        matches!(
            self.kind(self.resolve(id)),
            Kind::Structure { .. } | Kind::Union { .. } | Kind::Array { .. }
        )
    }
}

/// Names of `include/linux/seqlock_types.h`; typedef and structure tag, since 7.0 gives
/// `seqlock_t` a tag.
fn lockname_of(name: &str) -> Option<Lockname> {
    let lockname = match name {
        "seqcount_t" | "seqcount" => Lockname::Plain,
        "seqcount_raw_spinlock_t" | "seqcount_raw_spinlock" => Lockname::RawSpinlock,
        "seqcount_spinlock_t" | "seqcount_spinlock" => Lockname::Spinlock,
        "seqcount_rwlock_t" | "seqcount_rwlock" => Lockname::Rwlock,
        "seqcount_mutex_t" | "seqcount_mutex" | "seqcount_ww_mutex_t" | "seqcount_ww_mutex" => {
            Lockname::Mutex
        }
        "seqlock_t" | "seqlock" => Lockname::Seqlock,
        "seqcount_latch_t" => Lockname::Latch,
        _ => return None,
    };
    Some(lockname)
}
