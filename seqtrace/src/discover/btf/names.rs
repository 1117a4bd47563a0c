//! Types by name. Names are looked up by their hash, so that no string is stored twice; the
//! caller compares the name itself, so that equal hashes do no harm.

use std::hash::{Hash as _, Hasher as _};

use rustc_hash::FxHasher;

use super::{Btf, Kind, TypeId};

/// Hash of a name and the type of that name, sorted; only the kinds that are looked up.
#[derive(Debug, Default)]
pub(super) struct NameIndex {
    entries: Vec<(u64, TypeId)>,
}

impl NameIndex {
    /// Indexes the types of `btf` itself, without those of its base.
    pub(super) fn new(btf: &Btf) -> Self {
        let mut entries: Vec<(u64, TypeId)> = btf
            .own_types()
            .filter(|&id| is_looked_up(btf.kind(id)))
            .map(|id| (hash(btf.name(id)), id))
            .collect();
        entries.sort_unstable();
        Self { entries }
    }

    /// Types that may have the name, lowest id first.
    pub(super) fn candidates(&self, name: &str) -> impl Iterator<Item = TypeId> + '_ {
        let wanted = hash(name);
        let start = self.entries.partition_point(|&(hash, _)| hash < wanted);
        let run = self.entries[start..].iter();
        run.take_while(move |&&(hash, _)| hash == wanted)
            .map(|&(_, id)| id)
    }
}

fn is_looked_up(kind: Kind) -> bool {
    match kind {
        Kind::Structure { .. }
        | Kind::Union { .. }
        | Kind::Typedef(_)
        | Kind::Function(_)
        | Kind::Variable(_) => true,
        Kind::Void
        | Kind::Integer { .. }
        | Kind::Pointer(_)
        | Kind::Array { .. }
        | Kind::Enumeration { .. }
        | Kind::Forward
        | Kind::Qualifier(_)
        | Kind::Prototype { .. }
        | Kind::Other => false,
    }
}

fn hash(name: &str) -> u64 {
    let mut hasher = FxHasher::default();
    name.hash(&mut hasher);
    hasher.finish()
}
