//! What a seqcount is called, and how sure that is.

use serde::{Deserialize, Serialize};

/// A seqcount as far as the code tells.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Seqcount {
    /// How it is called.
    pub name: Name,
    /// What serialises its writers, where the type or the code tells.
    pub lockname: Option<Lockname>,
    /// The lock that its writers hold: `rename_lock.lock`, `fs_struct.lock`; `None` where the code
    /// does not tell, and for seqcounts that have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<String>,
}

/// The name of a seqcount, with how sure it is.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Name {
    /// A global variable: `rename_lock`.
    Global(String),
    /// A member of a structure: `dentry.d_seq`; by the types of the pointers that lead to it, or
    /// because no other structure has a seqcount at the place that is read.
    Member(String),
    /// Members of several structures lie at the displacement that the code uses; sorted.
    Ambiguous(Vec<String>),
    /// Nothing names it.
    Unknown,
}

/// What serialises the writers of a seqcount; the kernel's LOCKNAME.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lockname {
    /// `seqcount_t`: the caller.
    Plain,
    /// `seqcount_raw_spinlock_t`.
    RawSpinlock,
    /// `seqcount_spinlock_t`.
    Spinlock,
    /// `seqcount_rwlock_t`.
    Rwlock,
    /// `seqcount_mutex_t`.
    Mutex,
    /// `seqlock_t`: its own spinlock.
    Seqlock,
    /// `seqcount_latch_t`: readers never wait.
    Latch,
}

/// So many candidates of an ambiguous name are printed.
const PRINTED_CANDIDATES: usize = 3;

impl Seqcount {
    /// The name as it is printed: ambiguous ones list their candidates, the first three and how
    /// many more there are, an unknown one is `unknown`.
    pub fn label(&self) -> String {
        match &self.name {
            Name::Global(name) | Name::Member(name) => name.clone(),
            Name::Ambiguous(candidates) => {
                let printed = candidates.len().min(PRINTED_CANDIDATES);
                let (printed, more) = candidates.split_at(printed);
                let more = if more.is_empty() {
                    String::new()
                } else {
                    format!("|+{}", more.len())
                };
                printed.join("|") + &more
            }
            Name::Unknown => "unknown".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ambiguous_name_is_printed_with_few_of_its_candidates() {
        let label = |candidates: &[&str]| {
            let candidates = candidates.iter().map(|&name| name.to_owned()).collect();
            let seqcount = Seqcount {
                name: Name::Ambiguous(candidates),
                lockname: None,
                lock: None,
            };
            seqcount.label()
        };
        assert_eq!(label(&["a", "b", "c"]), "a|b|c");
        assert_eq!(label(&["a", "b", "c", "d", "e"]), "a|b|c|+2");
    }
}
