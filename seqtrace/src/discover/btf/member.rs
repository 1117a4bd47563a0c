//! Members by path, and what lies at an offset of a structure.

use super::{
    Btf, Kind, Member, TypeId,
    walk::{Steps, Walk},
};
use crate::discover::catalog::Lockname;

/// What lies at an offset of an object, as far down as the types go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// Names of the members on the way, joined by dots; array indices as `[3]`.
    pub path: String,
    /// The innermost type.
    pub leaf: TypeId,
    /// Distance of the offset from the start of the leaf, bytes.
    pub rest: u64,
    /// The outermost seqcount on the way.
    pub seqcount: Option<PlacedSeqcount>,
}

/// A seqcount around the offset.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlacedSeqcount {
    /// Path of the seqcount-typed member; empty when the object itself is the seqcount.
    pub path: String,
    /// Its LOCKNAME.
    pub lockname: Lockname,
    /// Distance of the offset from the start of the seqcount, bytes.
    pub offset: u64,
}

impl Btf {
    /// Offset in bytes of a member: `member_offset("task_struct", "pid")`,
    /// `member_offset("rwlock_t", "rwbase.rtmutex.owner")`. Anonymous structures and unions are
    /// looked through. `None` where structure or member do not exist, or it is a bit field.
    pub fn member_offset(&self, structure: &str, path: &str) -> Option<u64> {
        let mut id = self.structure(structure)?;
        let mut offset_bits = 0_u64;
        for name in path.split('.') {
            let (member, at_bits) = self.member_named(id, name, Steps::new().walk())?;
            if member.width_bits != 0 {
                return None;
            }
            offset_bits += at_bits;
            id = member.kind;
        }
        Some(offset_bits / 8)
    }

    /// The member of that name and its offset in bits, also inside anonymous members.
    fn member_named(&self, id: TypeId, name: &str, walk: Walk<'_>) -> Option<(Member<'_>, u64)> {
        let walk = walk.deeper()?;
        let id = self.resolve(id);
        let named = self.members(id).find(|member| member.name == name);
        if let Some(member) = named {
            return Some((member, member.offset_bits.into()));
        }
        self.members(id)
            .filter(|member| member.name.is_empty())
            .find_map(|anonymous| {
                let (member, at) = self.member_named(anonymous.kind, name, walk)?;
                Some((member, at + u64::from(anonymous.offset_bits)))
            })
    }

    /// What lies `offset` bytes into an object of the type. `None` outside of it, in padding, in
    /// a bit field, and for types without an extent.
    pub fn place_at(&self, id: TypeId, offset: i64) -> Option<Place> {
        self.place_within(id, u64::try_from(offset).ok()?, Steps::new().walk())
    }

    fn place_within(&self, id: TypeId, offset: u64, walk: Walk<'_>) -> Option<Place> {
        let walk = walk.deeper()?;
        let resolved = self.resolve(id);
        let mut place = match self.kind(resolved) {
            Kind::Structure { .. } => self.place_in_structure(resolved, offset, walk)?,
            Kind::Union { .. } => self.place_in_union(resolved, offset, walk)?,
            Kind::Array { element, count } => self.place_in_array(element, count, offset, walk)?,
            Kind::Integer { .. } | Kind::Pointer(_) | Kind::Enumeration { .. } => Place {
                path: String::new(),
                leaf: resolved,
                rest: offset,
                seqcount: None,
            },
            Kind::Void
            | Kind::Forward
            | Kind::Typedef(_)
            | Kind::Qualifier(_)
            | Kind::Function(_)
            | Kind::Prototype { .. }
            | Kind::Variable(_)
            | Kind::Other => return None,
        };
        if let Some(lockname) = self.lockname(id) {
            place.seqcount = Some(PlacedSeqcount {
                path: String::new(),
                lockname,
                offset,
            });
        }
        Some(place)
    }

    fn place_in_structure(&self, id: TypeId, offset: u64, walk: Walk<'_>) -> Option<Place> {
        // The last member that covers the offset: a flexible array at the end covers nothing.
        let member = self
            .members(id)
            .filter(|member| self.covers(member, offset))
            .last()?;
        self.place_in_member(member, offset, walk)
    }

    /// Of the arms of a union, one that leads to a seqcount wins: the caller asks because the
    /// code treats the word as one.
    fn place_in_union(&self, id: TypeId, offset: u64, walk: Walk<'_>) -> Option<Place> {
        let mut last = None;
        for member in self
            .members(id)
            .filter(|member| self.covers(member, offset))
        {
            let Some(place) = self.place_in_member(member, offset, walk) else {
                continue;
            };
            if place.seqcount.is_some() {
                return Some(place);
            }
            last = Some(place);
        }
        last
    }

    fn place_in_member(&self, member: Member<'_>, offset: u64, walk: Walk<'_>) -> Option<Place> {
        let inner = offset - u64::from(member.offset_bits / 8);
        let mut place = self.place_within(member.kind, inner, walk)?;
        place.path = join(member.name, &place.path);
        if let Some(seqcount) = &mut place.seqcount {
            seqcount.path = join(member.name, &seqcount.path);
        }
        Some(place)
    }

    fn place_in_array(
        &self,
        element: TypeId,
        count: u32,
        offset: u64,
        walk: Walk<'_>,
    ) -> Option<Place> {
        let index = offset.checked_div(self.size_bytes(element))?;
        if index >= count.into() {
            return None;
        }
        let inner = offset % self.size_bytes(element);
        let mut place = self.place_within(element, inner, walk)?;
        let index = format!("[{index}]");
        place.path = join(&index, &place.path);
        if let Some(seqcount) = &mut place.seqcount {
            seqcount.path = join(&index, &seqcount.path);
        }
        Some(place)
    }

    fn covers(&self, member: &Member<'_>, offset: u64) -> bool {
        let start = u64::from(member.offset_bits / 8);
        let end = start.saturating_add(self.size_bytes(member.kind));
        member.width_bits == 0 && (start..end).contains(&offset)
    }
}

/// Joins two parts of a path; an index follows its array without a dot.
fn join(outer: &str, inner: &str) -> String {
    if outer.is_empty() || inner.is_empty() {
        return format!("{outer}{inner}");
    }
    let dot = if inner.starts_with('[') { "" } else { "." };
    format!("{outer}{dot}{inner}")
}
