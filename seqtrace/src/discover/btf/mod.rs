//! BTF, the kernel's own compact type information: bytes in, types by id and by name out.
//!
//! The bytes are kept as they came and records are read on demand, so that the 5 MB of a kernel
//! cost little more than that. Every record is checked against the end of the type section once,
//! when parsing; ids and string offsets are checked at each use, where a lie means "no type" and
//! "no name". Format: `Documentation/bpf/btf.rst`, `include/uapi/linux/btf.h`. Big-endian BTF is
//! refused.

mod container;
#[cfg(test)]
pub(crate) mod encode;
mod lock;
mod member;
mod names;
mod parameter;
mod parse;
mod record;
mod seqcount;
mod split;
#[cfg(test)]
mod tests;
mod walk;

use std::{
    ops::Range,
    sync::{Arc, OnceLock},
};

use self::{container::Containers, names::NameIndex, record::RECORD_HEADER_BYTES};
pub use self::{
    member::{Place, PlacedSeqcount},
    record::{Kind, Member, TypeId},
    seqcount::SeqcountMember,
};

/// How many typedefs, qualifiers, arrays or nested structures are followed before the types are
/// taken to be a cycle. The kernel's deepest chain is below 20.
const DEPTH_LIMIT: usize = 32;

/// The types of vmlinux, or of a module on top of those of vmlinux; by default none.
#[derive(Debug, Default)]
pub struct Btf {
    bytes: Vec<u8>,
    types: Range<usize>,
    strings: Range<usize>,
    /// Start of each record in `bytes`, in the order of ids.
    records: Vec<u32>,
    names: NameIndex,
    base: Option<Arc<Btf>>,
    seqcounts: OnceLock<Vec<SeqcountMember>>,
    containers: OnceLock<Containers>,
}

/// A variable and where it lies in its section.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SectionVariable<'a> {
    /// Its name.
    pub name: &'a str,
    /// Distance from the start of the section, bytes.
    pub offset: u32,
    /// Its size in bytes.
    pub size_bytes: u32,
}

impl Btf {
    /// Parses the contents of `/sys/kernel/btf/vmlinux`, or of `/sys/kernel/btf/<module>` with
    /// the types of vmlinux as `base`.
    ///
    /// # Errors
    ///
    /// When the header or a record does not fit into the bytes, or a kind is unknown (its size,
    /// and so everything behind it, is then unknown too).
    pub fn parse(bytes: Vec<u8>, base: Option<Arc<Self>>) -> anyhow::Result<Self> {
        let sections = parse::sections(&bytes)?;
        let records = parse::records(&bytes, sections.types.clone())?;
        let mut btf = Self {
            bytes,
            types: sections.types,
            strings: sections.strings,
            records,
            names: NameIndex::default(),
            base,
            seqcounts: OnceLock::new(),
            containers: OnceLock::new(),
        };
        btf.names = NameIndex::new(&btf);
        Ok(btf)
    }

    /// Number of types, with those of the base; ids are below it.
    pub fn len(&self) -> u32 {
        self.first_own() + self.records.len() as u32
    }

    /// Whether there is no type but `void`.
    pub fn is_empty(&self) -> bool {
        self.len() <= 1
    }

    /// Ids of the types of this object, without those of its base.
    pub fn own_types(&self) -> impl Iterator<Item = TypeId> + use<> {
        (self.first_own()..self.len()).map(TypeId)
    }

    /// The kind of a type; [`Kind::Void`] for an id that does not exist.
    pub fn kind(&self, id: TypeId) -> Kind {
        match self.record(id) {
            Some((btf, at)) => record::kind(&btf.bytes[at..btf.types.end]),
            None => Kind::Void,
        }
    }

    /// The name of a type; empty where it has none.
    pub fn name(&self, id: TypeId) -> &str {
        match self.record(id) {
            Some((btf, at)) => btf.string(record::name_offset(&btf.bytes[at..])),
            None => "",
        }
    }

    /// The type behind typedefs and qualifiers.
    pub fn resolve(&self, id: TypeId) -> TypeId {
        let mut id = id;
        for _ in 0..DEPTH_LIMIT {
            match self.kind(id) {
                Kind::Typedef(to) | Kind::Qualifier(to) => id = to,
                _ => return id,
            }
        }
        TypeId::VOID
    }

    /// Size in bytes of an object of the type; 0 for functions, forward declarations and `void`.
    pub fn size_bytes(&self, id: TypeId) -> u64 {
        let mut factor = 1_u64;
        let mut id = id;
        for _ in 0..DEPTH_LIMIT {
            id = self.resolve(id);
            match self.kind(id) {
                Kind::Integer { size_bytes }
                | Kind::Structure { size_bytes }
                | Kind::Union { size_bytes }
                | Kind::Enumeration { size_bytes } => {
                    return factor.saturating_mul(size_bytes.into());
                }
                Kind::Pointer(_) => return factor.saturating_mul(8),
                Kind::Array { element, count } => {
                    factor = factor.saturating_mul(count.into());
                    id = element;
                }
                Kind::Void
                | Kind::Forward
                | Kind::Typedef(_)
                | Kind::Qualifier(_)
                | Kind::Function(_)
                | Kind::Prototype { .. }
                | Kind::Variable(_)
                | Kind::Other => return 0,
            }
        }
        0
    }

    /// Members of a structure or union, in the order of the declaration; none for other kinds.
    pub fn members(&self, id: TypeId) -> impl Iterator<Item = Member<'_>> + '_ {
        self.record(id)
            .into_iter()
            .flat_map(|(btf, at)| record::members(&btf.bytes[at..btf.types.end]))
            .map(|raw| Member {
                name: self.string(raw.name_offset),
                kind: raw.kind,
                offset_bits: raw.offset_bits,
                width_bits: raw.width_bits,
            })
    }

    /// Types of the parameters of a function prototype; none for other kinds.
    pub fn parameters(&self, id: TypeId) -> impl Iterator<Item = TypeId> + '_ {
        self.record(id)
            .into_iter()
            .flat_map(|(btf, at)| record::parameters(&btf.bytes[at..btf.types.end]))
    }

    /// The prototype of the function of that name.
    pub fn function(&self, name: &str) -> Option<TypeId> {
        self.find(name, |kind| match kind {
            Kind::Function(prototype) => Some(prototype),
            _ => None,
        })
    }

    /// As [`Self::function`], without those of the base.
    pub fn own_function(&self, name: &str) -> Option<TypeId> {
        let pick = |kind| match kind {
            Kind::Function(prototype) => Some(prototype),
            _ => None,
        };
        let id = self.find_own_id(name, |kind| pick(kind).is_some())?;
        pick(self.kind(id))
    }

    /// The type of the global variable of that name. Most kernels describe per-CPU ones only.
    pub fn variable(&self, name: &str) -> Option<TypeId> {
        self.find(name, |kind| match kind {
            Kind::Variable(of) => Some(of),
            _ => None,
        })
    }

    /// The variables of the section of that name; none where it is not described.
    pub fn section<'a>(&'a self, name: &'a str) -> impl Iterator<Item = SectionVariable<'a>> + 'a {
        let named = move |id: &TypeId| self.kind(*id) == Kind::Other && self.name(*id) == name;
        self.own_types()
            .filter(named)
            .filter_map(|id| self.record(id))
            .flat_map(|(btf, at)| record::variables(&btf.bytes[at..btf.types.end]))
            .map(|(id, offset, size_bytes)| SectionVariable {
                name: self.name(id),
                offset,
                size_bytes,
            })
    }

    /// The structure, union or typedef of that name; a structure before a typedef.
    pub fn structure(&self, name: &str) -> Option<TypeId> {
        self.find_id(name, |kind| {
            matches!(kind, Kind::Structure { .. } | Kind::Union { .. })
        })
        .or_else(|| self.find_id(name, |kind| matches!(kind, Kind::Typedef(_))))
    }

    fn find(&self, name: &str, pick: fn(Kind) -> Option<TypeId>) -> Option<TypeId> {
        let id = self.find_id(name, |kind| pick(kind).is_some())?;
        pick(self.kind(id))
    }

    fn find_id(&self, name: &str, wanted: impl Fn(Kind) -> bool + Copy) -> Option<TypeId> {
        let own = self.find_own_id(name, wanted);
        own.or_else(|| self.base.as_ref()?.find_id(name, wanted))
    }

    fn find_own_id(&self, name: &str, wanted: impl Fn(Kind) -> bool) -> Option<TypeId> {
        self.names
            .candidates(name)
            .find(|&id| wanted(self.kind(id)) && self.name(id) == name)
    }

    /// The object that holds a type, and where in its bytes the record starts.
    fn record(&self, id: TypeId) -> Option<(&Self, usize)> {
        let first = self.first_own();
        if id.0 < first {
            return self.base.as_ref()?.record(id);
        }
        let at = *self.records.get((id.0 - first) as usize)? as usize;
        Some((self, at))
    }

    /// Id 0 is `void` and has no record; ids of a module go on where those of vmlinux end.
    fn first_own(&self) -> u32 {
        self.base.as_ref().map_or(1, |base| base.len())
    }

    /// String offsets of a module go on where the strings of vmlinux end.
    fn string(&self, offset: u32) -> &str {
        let first = self.base.as_ref().map_or(0, |base| base.strings_end());
        if let (Some(base), true) = (&self.base, offset < first) {
            return base.string(offset);
        }
        let strings = &self.bytes[self.strings.clone()];
        let tail = strings.get((offset - first) as usize..).unwrap_or_default();
        let end = tail.iter().position(|&byte| byte == 0).unwrap_or(0);
        std::str::from_utf8(&tail[..end]).unwrap_or_default()
    }

    fn strings_end(&self) -> u32 {
        let first = self.base.as_ref().map_or(0, |base| base.strings_end());
        first.saturating_add(self.strings.len() as u32)
    }
}

// A record is read without looking at its length again, because `parse::records` has.
const _: () = assert!(RECORD_HEADER_BYTES == 12);
