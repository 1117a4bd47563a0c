//! The way outwards: which structures hold an object of a type.

use rustc_hash::FxHashMap;

use super::{Btf, Kind, TypeId, seqcount::SeqcountMember};

/// Types of the members by which the kernel strings objects together.
const LIST_NODES: [&str; 6] = [
    "hlist_bl_node",
    "hlist_node",
    "hlist_nulls_node",
    "list_head",
    "llist_node",
    "rb_node",
];

/// For each structure that is a member by value: who has it and at which offset; `None` when
/// there are several such places.
pub(super) type Containers = FxHashMap<TypeId, Option<(TypeId, u64)>>;

impl Btf {
    /// The one structure that has a member of this structure type, and the member's offset in
    /// bytes: what `container_of` can only lead to. `None` when there are several, or none.
    pub fn container_of(&self, id: TypeId) -> Option<(TypeId, u64)> {
        let id = self.resolve(id);
        let own = self.containers().get(&id).copied();
        let base = self
            .base
            .as_ref()
            .and_then(|base| base.containers().get(&id).copied());
        match (own, base) {
            (Some(only), None) | (None, Some(only)) => only,
            (Some(_), Some(_)) | (None, None) => None,
        }
    }

    /// Seqcounts at a distance in bytes from a member of the same structure: of the structure type
    /// `from`, or else of any by which objects are strung together.
    pub fn seqcounts_from(&self, from: Option<TypeId>, distance: i64) -> Vec<SeqcountMember> {
        let is_start = |kind: TypeId| match from {
            Some(from) => self.resolve(kind) == self.resolve(from),
            None => LIST_NODES.contains(&self.name(self.resolve(kind))),
        };
        let is_near = |member: &SeqcountMember| {
            let Ok(offset) = i64::try_from(member.offset) else {
                return false;
            };
            self.direct_members(member.structure)
                .any(|(kind, at)| offset.wrapping_sub(at) == distance && is_start(kind))
        };
        self.seqcount_members()
            .filter(|member| is_near(member))
            .cloned()
            .collect()
    }

    /// Types and offsets of the members of a structure, those of anonymous ones included.
    fn direct_members(&self, id: TypeId) -> impl Iterator<Item = (TypeId, i64)> {
        let direct = self.members(id).map(|member| (member, 0));
        let anonymous = self.members(id).filter(|member| member.name.is_empty());
        let inner = anonymous.flat_map(|outer| {
            let inner = self.members(self.resolve(outer.kind));
            inner.map(move |member| (member, outer.offset_bits))
        });
        let offset = |bits: u32, outer_bits: u32| i64::from(bits.saturating_add(outer_bits) / 8);
        direct
            .chain(inner)
            .map(move |(member, outer)| (member.kind, offset(member.offset_bits, outer)))
    }

    fn containers(&self) -> &Containers {
        self.containers.get_or_init(|| self.find_containers())
    }

    fn find_containers(&self) -> Containers {
        let mut containers = Containers::default();
        for id in self.own_types() {
            if !matches!(self.kind(id), Kind::Structure { .. } | Kind::Union { .. }) {
                continue;
            }
            for member in self.members(id) {
                let inner = self.resolve(member.kind);
                if matches!(
                    self.kind(inner),
                    Kind::Structure { .. } | Kind::Union { .. }
                ) {
                    let place = (id, u64::from(member.offset_bits / 8));
                    containers
                        .entry(inner)
                        .and_modify(|known| *known = None)
                        .or_insert(Some(place));
                }
            }
        }
        containers
    }
}
