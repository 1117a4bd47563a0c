//! The way outwards: which structures hold an object of a type.

use rustc_hash::FxHashMap;

use super::{
    Btf, DEPTH_LIMIT, Kind, TypeId,
    seqcount::SeqcountMember,
    walk::{Steps, Walk},
};
use crate::discover::catalog::Lockname;

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
    /// `from`, or else of any by which objects are strung together. Of structures inside each
    /// other, the outermost counts.
    pub fn seqcounts_from(&self, from: Option<TypeId>, distance: i64) -> Vec<SeqcountMember> {
        let is_start = |kind: TypeId| match from {
            Some(from) => kind == self.resolve(from),
            None => LIST_NODES.contains(&self.name(kind)),
        };
        let is_near = |member: &SeqcountMember| {
            let start = i64::try_from(member.offset).map(|offset| offset.wrapping_sub(distance));
            let start = start.ok().and_then(|start| u64::try_from(start).ok());
            start.is_some_and(|start| {
                self.starts_at(member.structure, start, &is_start, Steps::new().walk())
            })
        };
        let near = self.seqcount_members().filter(|member| is_near(member));
        self.outermost(&near.cloned().collect::<Vec<_>>())
    }

    /// Leaves those members out that are seen again from a structure around theirs.
    pub fn outermost(&self, members: &[SeqcountMember]) -> Vec<SeqcountMember> {
        let is_inside = |inner: &SeqcountMember, outer: &SeqcountMember| {
            let Some(start) = outer.offset.checked_sub(inner.offset) else {
                return false;
            };
            let is_inner = |kind: TypeId| kind == self.resolve(inner.structure);
            inner.structure != outer.structure
                && self.starts_at(outer.structure, start, &is_inner, Steps::new().walk())
        };
        let is_outermost =
            |inner: &&SeqcountMember| !members.iter().any(|outer| is_inside(inner, outer));
        members.iter().filter(is_outermost).cloned().collect()
    }

    /// Whether a structure of the type `inner` starts at an offset of an object, or is the object.
    pub fn has_structure(&self, id: TypeId, offset: u64, inner: TypeId) -> bool {
        let inner = self.resolve(inner);
        let is_inner = |kind: TypeId| kind == inner;
        offset == 0 && self.resolve(id) == inner
            || self.starts_at(id, offset, &is_inner, Steps::new().walk())
    }

    /// Whether code that uses a place of this width in an object of the type may mean a member:
    /// one that starts there, a bit field, or a byte of a number.
    pub fn has_member(&self, id: TypeId, offset: u64, bytes: u64) -> bool {
        self.has_member_within(id, offset, bytes, Steps::new().walk())
    }

    fn has_member_within(&self, id: TypeId, offset: u64, bytes: u64, walk: Walk<'_>) -> bool {
        let Some(walk) = walk.deeper() else {
            return false;
        };
        let id = self.resolve(id);
        match self.kind(id) {
            Kind::Structure { .. } | Kind::Union { .. } => self.members(id).any(|member| {
                let start = u64::from(member.offset_bits / 8);
                if member.width_bits != 0 {
                    let end = u64::from(member.offset_bits + member.width_bits).div_ceil(8);
                    return (start..end).contains(&offset);
                }
                offset
                    .checked_sub(start)
                    .is_some_and(|inner| self.has_member_within(member.kind, inner, bytes, walk))
            }),
            Kind::Array { element, count } => {
                let size = self.size_bytes(element);
                let (Some(index), Some(inner)) =
                    (offset.checked_div(size), offset.checked_rem(size))
                else {
                    return false;
                };
                // A flexible array at the end has as many elements as fit.
                (count == 0 || index < count.into())
                    && self.has_member_within(element, inner, bytes, walk)
            }
            Kind::Integer { .. } | Kind::Pointer(_) | Kind::Enumeration { .. } => {
                let size = self.size_bytes(id);
                offset == 0 && bytes <= size || bytes == 1 && offset < size
            }
            Kind::Void
            | Kind::Forward
            | Kind::Typedef(_)
            | Kind::Qualifier(_)
            | Kind::Function(_)
            | Kind::Prototype { .. }
            | Kind::Variable(_)
            | Kind::Other => false,
        }
    }

    /// Whether a member of such a type, by value and at any depth, starts at an offset of an
    /// object.
    fn starts_at(
        &self,
        id: TypeId,
        offset: u64,
        is_wanted: &dyn Fn(TypeId) -> bool,
        walk: Walk<'_>,
    ) -> bool {
        let Some(walk) = walk.deeper() else {
            return false;
        };
        let id = self.resolve(id);
        if let Kind::Array { element, .. } = self.kind(id) {
            let inner = offset.checked_rem(self.size_bytes(element));
            return inner.is_some_and(|inner| self.starts_at(element, inner, is_wanted, walk));
        }
        let around = self.members(id).filter(|member| {
            let start = u64::from(member.offset_bits / 8);
            let end = start.saturating_add(self.size_bytes(member.kind));
            member.width_bits == 0 && (start..end).contains(&offset)
        });
        around.into_iter().any(|member| {
            let inner = offset - u64::from(member.offset_bits / 8);
            inner == 0 && is_wanted(self.resolve(member.kind))
                || self.starts_at(member.kind, inner, is_wanted, walk)
        })
    }

    /// Whether an object of one type begins with an object of the other, a structure.
    pub fn begins_with(&self, outer: TypeId, inner: TypeId) -> bool {
        let (mut id, inner) = (self.resolve(outer), self.resolve(inner));
        for _ in 0..DEPTH_LIMIT {
            let first = self.members(id).find(|member| member.offset_bits == 0);
            let Some(first) = first else {
                return false;
            };
            id = self.resolve(first.kind);
            if id == inner {
                return true;
            }
        }
        false
    }

    /// The one seqcount in an array in a structure whose sequence lies a whole number of elements
    /// from the offset in bytes; its name, as of [`SeqcountMember`], and its LOCKNAME.
    pub fn seqcount_in_array(&self, of: TypeId, offset: i64) -> Option<(String, Lockname)> {
        let of = self.resolve(of);
        let mut found = self.members(of).filter_map(|array| {
            let Kind::Array { element, count } = self.kind(self.resolve(array.kind)) else {
                return None;
            };
            let size = i64::try_from(self.size_bytes(element)).ok()?;
            let start = i64::from(array.offset_bits / 8);
            let inner = offset.wrapping_sub(start).checked_rem_euclid(size)?;
            let seqcount = self.place_at(element, inner)?.seqcount?;
            let is_it = count > 0 && seqcount.offset == 0;
            let dot = if seqcount.path.is_empty() { "" } else { "." };
            let (owner, array, path) = (self.name(of), array.name, seqcount.path);
            is_it.then(|| (format!("{owner}.{array}[]{dot}{path}"), seqcount.lockname))
        });
        let only = found.next()?;
        found.next().is_none().then_some(only)
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
