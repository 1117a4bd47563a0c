//! Which members are locks.

use super::{
    Btf, DEPTH_LIMIT, Kind, TypeId,
    walk::{Steps, Walk},
};

/// Typedefs and structure tags of the locks that may serialise the writers of a seqcount.
const LOCKS: [&str; 8] = [
    "spinlock_t",
    "spinlock",
    "raw_spinlock_t",
    "raw_spinlock",
    "rwlock_t",
    "rwlock",
    "mutex",
    "ww_mutex",
];

impl Btf {
    /// The path to the lock that starts at an offset of an object: `d_lockref.lock`.
    pub fn lock_at(&self, id: TypeId, offset: u64) -> Option<String> {
        let path = self.lock_within(id, offset, Steps::new().walk())?;
        Some(path).filter(|path| !path.is_empty())
    }

    fn lock_within(&self, id: TypeId, offset: u64, walk: Walk<'_>) -> Option<String> {
        let walk = walk.deeper()?;
        if offset == 0 && self.is_lock(id) {
            return Some(String::new());
        }
        let id = self.resolve(id);
        if let Kind::Array { element, .. } = self.kind(id) {
            let inner = offset.checked_rem(self.size_bytes(element))?;
            let path = self.lock_within(element, inner, walk)?;
            let dot = if path.is_empty() { "" } else { "." };
            return Some(format!("[]{dot}{path}"));
        }
        self.members(id).find_map(|member| {
            let start = u64::from(member.offset_bits / 8);
            let end = start.saturating_add(self.size_bytes(member.kind));
            if member.width_bits != 0 || !(start..end).contains(&offset) {
                return None;
            }
            let path = self.lock_within(member.kind, offset - start, walk)?;
            let is_joined = path.is_empty() || path.starts_with('[') || member.name.is_empty();
            let dot = if is_joined { "" } else { "." };
            Some(format!("{}{dot}{path}", member.name))
        })
    }

    fn is_lock(&self, id: TypeId) -> bool {
        let mut id = id;
        for _ in 0..DEPTH_LIMIT {
            if LOCKS.contains(&self.name(id)) {
                return true;
            }
            match self.kind(id) {
                Kind::Typedef(to) | Kind::Qualifier(to) => id = to,
                _ => return false,
            }
        }
        false
    }
}
