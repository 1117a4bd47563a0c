//! One record of the type section: header, kind, and what follows it.
//!
//! Callers pass bytes that start at a record that `parse` has found to be whole; a reader that
//! runs out of bytes all the same yields zeros or ends early.

/// `struct btf_type`: name, info, size or type.
pub(super) const RECORD_HEADER_BYTES: usize = 12;
const MEMBER_BYTES: usize = 12;
const PARAMETER_BYTES: usize = 8;

/// Index of a type. 0 is `void`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TypeId(pub u32);

impl TypeId {
    /// The type that is none.
    pub const VOID: Self = Self(0);
}

/// What a type is, with the one type or size it refers to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `void`, and every id that does not exist.
    Void,
    /// An integer, character, boolean or floating-point number.
    Integer {
        /// Size of the object in bytes.
        size_bytes: u32,
    },
    /// A pointer to the type.
    Pointer(TypeId),
    /// An array.
    Array {
        /// Type of one element.
        element: TypeId,
        /// Number of elements.
        count: u32,
    },
    /// A `struct`.
    Structure {
        /// Size of the object in bytes.
        size_bytes: u32,
    },
    /// A `union`.
    Union {
        /// Size of the object in bytes.
        size_bytes: u32,
    },
    /// An `enum` of any width.
    Enumeration {
        /// Size of the object in bytes.
        size_bytes: u32,
    },
    /// A structure that is declared, not defined.
    Forward,
    /// Another name for the type.
    Typedef(TypeId),
    /// `const`, `volatile`, `restrict` or a type tag.
    Qualifier(TypeId),
    /// A function with the prototype.
    Function(TypeId),
    /// The type of a function.
    Prototype {
        /// What it returns.
        returns: TypeId,
    },
    /// A global variable of the type.
    Variable(TypeId),
    /// Sections and declaration tags, which describe no object.
    Other,
}

/// A member of a structure or union.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Member<'a> {
    /// Empty for an anonymous structure or union.
    pub name: &'a str,
    /// Type of the member.
    pub kind: TypeId,
    /// Distance from the start of the structure.
    pub offset_bits: u32,
    /// Width of a bit field; 0 for ordinary members.
    pub width_bits: u32,
}

/// A member with its name still an offset.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawMember {
    pub(super) name_offset: u32,
    pub(super) kind: TypeId,
    pub(super) offset_bits: u32,
    pub(super) width_bits: u32,
}

/// `BTF_KIND_*` of `include/uapi/linux/btf.h`.
pub(super) mod code {
    pub(in super::super) const INT: u32 = 1;
    pub(in super::super) const PTR: u32 = 2;
    pub(in super::super) const ARRAY: u32 = 3;
    pub(in super::super) const STRUCT: u32 = 4;
    pub(in super::super) const UNION: u32 = 5;
    pub(in super::super) const ENUM: u32 = 6;
    pub(in super::super) const FWD: u32 = 7;
    pub(in super::super) const TYPEDEF: u32 = 8;
    pub(in super::super) const VOLATILE: u32 = 9;
    pub(in super::super) const CONST: u32 = 10;
    pub(in super::super) const RESTRICT: u32 = 11;
    pub(in super::super) const FUNC: u32 = 12;
    pub(in super::super) const FUNC_PROTO: u32 = 13;
    pub(in super::super) const VAR: u32 = 14;
    pub(in super::super) const DATASEC: u32 = 15;
    pub(in super::super) const FLOAT: u32 = 16;
    pub(in super::super) const DECL_TAG: u32 = 17;
    pub(in super::super) const TYPE_TAG: u32 = 18;
    pub(in super::super) const ENUM64: u32 = 19;
}

/// The little-endian word at a byte offset; 0 behind the end.
pub(super) fn word(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>);
    word.map_or(0, |word| u32::from_le_bytes(*word))
}

/// Offset of the record's name in the string section.
pub(super) fn name_offset(record: &[u8]) -> u32 {
    word(record, 0)
}

/// `BTF_KIND_*` of the record.
pub(super) fn kind_code(record: &[u8]) -> u32 {
    word(record, 4) >> 24 & 0x1f
}

/// Number of members, parameters, enumerators or variables that follow the header.
pub(super) fn count(record: &[u8]) -> usize {
    (word(record, 4) & 0xffff) as usize
}

/// Bytes that follow the header; `None` for a kind that is not known.
pub(super) fn trailer_bytes(record: &[u8]) -> Option<usize> {
    let count = count(record);
    let bytes = match kind_code(record) {
        code::PTR
        | code::FWD
        | code::TYPEDEF
        | code::VOLATILE
        | code::CONST
        | code::RESTRICT
        | code::FUNC
        | code::FLOAT
        | code::TYPE_TAG => 0,
        code::INT | code::VAR | code::DECL_TAG => 4,
        code::ARRAY => 12,
        code::STRUCT | code::UNION => MEMBER_BYTES * count,
        code::ENUM | code::FUNC_PROTO => PARAMETER_BYTES * count,
        code::DATASEC | code::ENUM64 => 12 * count,
        _ => return None,
    };
    Some(bytes)
}

/// The kind of the record.
pub(super) fn kind(record: &[u8]) -> Kind {
    let size_or_type = word(record, 8);
    let to = TypeId(size_or_type);
    let size_bytes = size_or_type;
    match kind_code(record) {
        code::INT | code::FLOAT => Kind::Integer { size_bytes },
        code::PTR => Kind::Pointer(to),
        code::ARRAY => Kind::Array {
            element: TypeId(word(record, RECORD_HEADER_BYTES)),
            count: word(record, RECORD_HEADER_BYTES + 8),
        },
        code::STRUCT => Kind::Structure { size_bytes },
        code::UNION => Kind::Union { size_bytes },
        code::ENUM | code::ENUM64 => Kind::Enumeration { size_bytes },
        code::FWD => Kind::Forward,
        code::TYPEDEF => Kind::Typedef(to),
        code::VOLATILE | code::CONST | code::RESTRICT | code::TYPE_TAG => Kind::Qualifier(to),
        code::FUNC => Kind::Function(to),
        code::FUNC_PROTO => Kind::Prototype { returns: to },
        code::VAR => Kind::Variable(to),
        _ => Kind::Other,
    }
}

/// Whether the record is the qualifier `const`.
pub(super) fn is_const(record: &[u8]) -> bool {
    kind_code(record) == code::CONST
}

/// Members of a structure or union record; none for other kinds.
pub(super) fn members(record: &[u8]) -> impl Iterator<Item = RawMember> + '_ {
    let has_members = matches!(kind_code(record), code::STRUCT | code::UNION);
    // With the kind flag set, the offset word carries the width of a bit field in its top byte.
    let bit_fields = word(record, 4) >> 31 == 1;
    entries(record, MEMBER_BYTES, has_members).map(move |entry| {
        let offset = word(entry, 8);
        RawMember {
            name_offset: word(entry, 0),
            kind: TypeId(word(entry, 4)),
            offset_bits: if bit_fields {
                offset & 0x00ff_ffff
            } else {
                offset
            },
            width_bits: if bit_fields { offset >> 24 } else { 0 },
        }
    })
}

/// Parameter types of a prototype record; none for other kinds.
pub(super) fn parameters(record: &[u8]) -> impl Iterator<Item = TypeId> + '_ {
    let has_parameters = kind_code(record) == code::FUNC_PROTO;
    entries(record, PARAMETER_BYTES, has_parameters).map(|entry| TypeId(word(entry, 4)))
}

/// Variables of a section record, each with its offset in the section and its size; none for
/// other kinds.
pub(super) fn variables(record: &[u8]) -> impl Iterator<Item = (TypeId, u32, u32)> + '_ {
    let has_variables = kind_code(record) == code::DATASEC;
    entries(record, 12, has_variables)
        .map(|entry| (TypeId(word(entry, 0)), word(entry, 4), word(entry, 8)))
}

fn entries(record: &[u8], entry_bytes: usize, present: bool) -> impl Iterator<Item = &[u8]> + '_ {
    let count = if present { count(record) } else { 0 };
    let trailer = record.get(RECORD_HEADER_BYTES..).unwrap_or_default();
    trailer.chunks_exact(entry_bytes).take(count)
}
