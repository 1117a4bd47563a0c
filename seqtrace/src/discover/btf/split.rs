//! Whether the types of a module belong to this vmlinux: a module's types name types and strings
//! of the vmlinux that it was built with by number, and another one has others there.

use super::{
    Btf, TypeId,
    record::{members, name_offset},
};

impl Btf {
    /// Whether the types of this object can be on top of its base: no id is behind the last type,
    /// and every name is a whole string. On a base that they were not made for this fails with
    /// near certainty, because the strings of the two lie elsewhere.
    pub fn fits_base(&self) -> bool {
        let limit = self.len();
        self.own_types().all(|id| {
            let Some((btf, at)) = self.record(id) else {
                return false;
            };
            let record = &btf.bytes[at..btf.types.end];
            members(record)
                .map(|member| (member.name_offset, member.kind))
                .chain([(name_offset(record), TypeId::VOID)])
                .all(|(name, kind)| self.is_string(name) && kind.0 < limit)
        })
    }

    /// Whether a string starts there.
    fn is_string(&self, offset: u32) -> bool {
        let first = self.base.as_ref().map_or(0, |base| base.strings_end());
        if let (Some(base), true) = (&self.base, offset < first) {
            return base.is_string(offset);
        }
        let strings = &self.bytes[self.strings.clone()];
        let at = (offset - first) as usize;
        let before = at.checked_sub(1).and_then(|at| strings.get(at));
        at < strings.len() && before.is_none_or(|&byte| byte == 0)
    }
}
