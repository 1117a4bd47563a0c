//! Names for global seqcounts that have no symbol (no CONFIG_KALLSYMS_ALL), by readers whose source is
//! known: `d_lookup` reads one global seqcount, and that is `rename_lock`.
//!
//! A name is taken only where a witness reads a single global sequence, and all that know the name
//! read the same one. Static functions may be inlined, and then say nothing.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::{
    catalog::Name, function::Function, identify::Identity, image::Image, label, rules::Confirmed,
    rules::Study,
};

/// Functions of the kernel and the one global seqcount that each reads, with the source that says so.
/// Members of structures, which some read besides, are no globals.
const READERS: [(&str, &str); 17] = [
    // fs/dcache.c
    ("d_lookup", "rename_lock"),
    ("d_hash_and_lookup", "rename_lock"),
    ("is_subdir", "rename_lock"),
    ("d_walk", "rename_lock"),
    // fs/d_path.c
    ("dentry_path", "rename_lock"),
    ("dentry_path_raw", "rename_lock"),
    // fs/namespace.c
    ("lookup_mnt", "mount_lock"),
    ("path_is_mountpoint", "mount_lock"),
    ("__legitimize_mnt", "mount_lock"),
    // kernel/time/timekeeping.c: `tk_core.seq`, the first member
    ("ktime_get", "tk_core"),
    ("ktime_get_raw", "tk_core"),
    ("ktime_get_ts64", "tk_core"),
    ("ktime_get_real_ts64", "tk_core"),
    ("ktime_get_coarse_real_ts64", "tk_core"),
    ("ktime_get_with_offset", "tk_core"),
    // kernel/time/tick-sched.c
    ("get_jiffies_update", "jiffies_seq"),
    ("tick_nohz_next_event", "jiffies_seq"),
];

/// What the readers of one image say.
#[derive(Debug, Default)]
pub(super) struct Witnesses {
    names: FxHashMap<u64, &'static str>,
}

impl Witnesses {
    pub(super) fn new(
        image: &Image,
        confirmed: &Confirmed,
        studies: &[(Function<'_>, Study)],
    ) -> Self {
        // What another image owns is named by its symbols or not at all.
        if !image.imports.is_empty() {
            return Self::default();
        }
        let told = studies.iter().filter_map(|(function, study)| {
            let stem = function.name.split('.').next()?;
            let (_, name) = READERS.iter().find(|(reader, _)| *reader == stem)?;
            Some((*name, only_global(study, confirmed)?))
        });
        let told = told.filter(|(_, address)| label::global(image, *address) == Name::Unknown);
        Self::agreed(told)
    }

    /// Names on which all who told them agree, for addresses that have one name.
    fn agreed(told: impl Iterator<Item = (&'static str, u64)>) -> Self {
        let told: Vec<(&str, u64)> = told.collect();
        let disputed = |name: &str, address: u64| {
            told.iter()
                .any(|(other, at)| (*other == name) != (*at == address))
        };
        let sure = told
            .iter()
            .filter(|(name, address)| !disputed(name, *address));
        Self {
            names: sure.map(|&(name, address)| (address, name)).collect(),
        }
    }

    /// The name of the seqcount at an address.
    pub(super) fn name(&self, address: u64) -> Option<Name> {
        let name = self.names.get(&address)?;
        Some(Name::Global((*name).to_owned()))
    }

    /// The names with their distances from `base`.
    pub(super) fn offsets(&self, base: u64) -> BTreeMap<String, u64> {
        let names = self.names.iter();
        names
            .map(|(address, name)| ((*name).to_owned(), address.wrapping_sub(base)))
            .collect()
    }
}

/// The address of the global sequence that a function reads, if it is a single one.
fn only_global(study: &Study, confirmed: &Confirmed) -> Option<u64> {
    let sequences = study.sequences(confirmed);
    let mut globals: Vec<u64> = sequences
        .iter()
        .filter_map(|word| match study.identities.get(word) {
            Some(Identity::Global(address)) => Some(*address),
            _ => None,
        })
        .collect();
    globals.sort_unstable();
    globals.dedup();
    match globals[..] {
        [only] => Some(only),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_needs_witnesses_that_agree() {
        let told = [
            ("rename_lock", 0x100),
            ("rename_lock", 0x100),
            ("mount_lock", 0x200),
            ("mount_lock", 0x240),
            ("tk_core", 0x300),
            ("jiffies_seq", 0x300),
        ];
        let witnesses = Witnesses::agreed(told.into_iter());
        assert_eq!(
            witnesses.offsets(0x80),
            BTreeMap::from([("rename_lock".to_owned(), 0x80)])
        );
        assert_eq!(witnesses.name(0x200), None);
        assert_eq!(witnesses.name(0x300), None);
    }
}
