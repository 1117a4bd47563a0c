//! Which lock the writers of a sequence hold: the nearest one in the same object that they take
//! before they begin.

use super::{
    beside,
    catalog::Name,
    evidence::{Increment, Lock},
    identify::Typing,
    label,
    value::{Address, ValueId, Values},
};

/// A sequence that is incremented, and the lock that is held then.
pub(super) type Held = (ValueId, String);

impl Typing<'_> {
    /// The locks that are held at increments, where the code shows which and its type its name.
    /// Only for words that are wanted.
    pub(super) fn held(&mut self, is_wanted: impl Fn(ValueId) -> bool) -> Vec<Held> {
        let evidence = self.evidence;
        let increments = evidence.increments.iter();
        increments
            .filter(|increment| is_wanted(increment.addition.word))
            .filter_map(|increment| Some((increment.addition.word, self.held_at(increment)?)))
            .collect()
    }

    fn held_at(&mut self, increment: &Increment) -> Option<String> {
        let mut names = Vec::new();
        for call in beside::before(self.evidence, increment)? {
            let Lock::At(address) = call.lock else {
                return None;
            };
            if !call.function.takes {
                return None;
            }
            names.push(self.lock_name(address)?);
        }
        names.dedup();
        if let [only] = &names[..] {
            Some(only.clone())
        } else {
            None
        }
    }

    /// The name of the lock at an address.
    pub(super) fn lock_name(&mut self, address: Address) -> Option<String> {
        let Address { base, displacement } = address;
        if base == Values::ZERO {
            return match label::global(self.image, displacement as u64) {
                // What lies inside of a variable has no name of its own.
                Name::Global(name) => Some(name).filter(|name| !name.contains('+')),
                Name::Member(_) | Name::Ambiguous(_) | Name::Unknown => None,
            };
        }
        let (of, offset) = self.target(base)?;
        let (of, offset) = self.container(of, offset.wrapping_add(displacement));
        let btf = self.btf?;
        let path = btf.lock_at(of, u64::try_from(offset).ok()?)?;
        let owner = btf.name(btf.resolve(of));
        (!owner.is_empty()).then(|| format!("{owner}.{path}"))
    }
}
