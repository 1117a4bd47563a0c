//! Words of the command line → which sites are wanted. Pure.
//!
//! What is not wanted is not probed: it costs nothing, and it is listed as skipped.

use std::collections::BTreeSet;

use anyhow::{Result, bail, ensure};
use globset::{Glob, GlobMatcher};

use super::{Kind, Plan, SeqcountNames, Skip, Target};
use crate::discover::catalog::Name;

/// Which sites are wanted: of such seqcounts, with such names, of such kinds; what is empty does not
/// choose.
#[derive(Clone, Debug, Default)]
pub struct SiteFilter {
    seqcounts: SeqcountNames,
    sites: Vec<GlobMatcher>,
    kinds: BTreeSet<Kind>,
}

impl SiteFilter {
    /// Puts patterns for seqcounts and for sites together with the kinds. With [`Kind::Retry`] the
    /// checks are wanted too: their failures are retries.
    pub fn new<'a>(
        seqcounts: impl IntoIterator<Item = &'a Glob>,
        sites: impl IntoIterator<Item = &'a Glob>,
        kinds: impl IntoIterator<Item = Kind>,
    ) -> Self {
        let mut kinds: BTreeSet<Kind> = kinds.into_iter().collect();
        if kinds.contains(&Kind::Retry) {
            kinds.insert(Kind::Check);
        }
        Self {
            seqcounts: SeqcountNames::new(seqcounts),
            sites: sites.into_iter().map(Glob::compile_matcher).collect(),
            kinds,
        }
    }

    /// Whether it takes everything.
    pub fn is_everything(&self) -> bool {
        self.seqcounts.is_empty() && self.sites.is_empty() && self.kinds.is_empty()
    }

    /// Whether a row is wanted, by what is printed of it.
    pub fn takes_row(&self, seqcount: &str, site: &str, kind: Kind) -> bool {
        (self.seqcounts.is_empty() || self.seqcounts.take_label(seqcount))
            && self.takes_place(site, kind)
    }

    fn takes(&self, target: &Target) -> bool {
        let seqcount = target.place.seqcount();
        let is_named = self.seqcounts.is_empty() || self.seqcounts.take(seqcount);
        // They are for the readers of a site, and are wanted with these.
        is_named && (target.on_demand || self.takes_place(&target.place.label(), target.kind))
    }

    fn takes_place(&self, site: &str, kind: Kind) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&kind))
            && (self.sites.is_empty() || self.sites.iter().any(|glob| matches(glob, site)))
    }
}

impl Plan {
    /// Skips the sites that are not wanted. Returns how many of these have no known seqcount and would be
    /// wanted otherwise.
    ///
    /// # Errors
    ///
    /// When a pattern matches nothing, or nothing is left that could be probed: a mistyped name must not
    /// look like a kernel in which nothing happens.
    pub fn restrict(&mut self, filter: &SiteFilter) -> Result<u64> {
        if filter.is_everything() {
            return Ok(0);
        }
        filter.require_matches(&self.targets)?;
        let any = SiteFilter {
            seqcounts: SeqcountNames::default(),
            ..filter.clone()
        };
        let mut unnamed = 0;
        let could_be = |target: &&mut Target| target.skip.is_none();
        for target in self.targets.iter_mut().filter(could_be) {
            if filter.takes(target) {
                continue;
            }
            target.skip = Some(Skip::Filtered);
            let is_unknown = matches!(target.place.seqcount().name, Name::Unknown);
            unnamed += u64::from(is_unknown && any.takes(target));
        }
        ensure!(
            self.targets.iter().any(|target| target.skip.is_none()),
            "no site that can be probed has all that the filters ask for: `seqtrace sites --long` lists \
             what there is"
        );
        Ok(unnamed)
    }
}

impl SiteFilter {
    fn require_matches(&self, targets: &[Target]) -> Result<()> {
        let seqcounts: Vec<_> = targets
            .iter()
            .map(|target| target.place.seqcount())
            .collect();
        if let Some(glob) = self.seqcounts.unmatched(&seqcounts) {
            bail!("no seqcount is called `{glob}`: `seqtrace sites` lists those there are");
        }
        for glob in &self.sites {
            let mut places = targets.iter().map(|target| target.place.label());
            ensure!(
                places.any(|site| matches(glob, &site)),
                "no site is called `{}`: `seqtrace sites --long` lists those there are",
                glob.glob().glob()
            );
        }
        Ok(())
    }
}

/// A pattern means all of `d_lookup.isra.0+0x4b`, the function, or the function without what compilers
/// add to its name.
fn matches(glob: &GlobMatcher, site: &str) -> bool {
    let function = site.split('+').next().unwrap_or(site);
    let stem = function.split('.').next().unwrap_or(function);
    [site, function, stem]
        .iter()
        .any(|name| glob.is_match(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        discover::catalog::{Role, Seqcount, Site},
        plan::{Backend, Place},
    };

    fn target(function: &str, role: Role, name: Name) -> Target {
        Target {
            image: "vmlinux".to_owned(),
            kind: Kind::of_role(role),
            backend: Backend::Probe,
            address: 0,
            end_address: None,
            owner_offset: None,
            word: None,
            skip: None,
            on_demand: false,
            place: Place::Site(Site {
                function: function.to_owned(),
                offset: 0x4b,
                image_offset: 0,
                role,
                seqcount: Seqcount {
                    name,
                    lockname: None,
                    lock: None,
                },
                end: None,
                lock_function: None,
                sequence_register: None,
                location: None,
                cold: Vec::new(),
                chain: Vec::new(),
            }),
        }
    }

    fn plan() -> Plan {
        let global = |name: &str| Name::Global(name.to_owned());
        let both = ["dentry.d_seq", "inode.i_seq"].map(str::to_owned);
        Plan {
            targets: vec![
                target("d_lookup", Role::Spin, global("rename_lock")),
                target("d_walk.isra.0", Role::Retry, global("rename_lock")),
                target("step_into", Role::Spin, Name::Ambiguous(both.into())),
                target("somewhere", Role::Spin, Name::Unknown),
            ],
        }
    }

    fn filter(seqcounts: &[&str], sites: &[&str], kinds: &[Kind]) -> SiteFilter {
        let globs = |words: &[&str]| -> Vec<Glob> {
            let globs = words.iter().map(|word| Glob::new(word).expect("a pattern"));
            globs.collect()
        };
        SiteFilter::new(&globs(seqcounts), &globs(sites), kinds.iter().copied())
    }

    /// Which targets are left, and how many without a name are not.
    fn left(filter: &SiteFilter) -> (Vec<usize>, u64) {
        let mut plan = plan();
        let unnamed = plan.restrict(filter).expect("something is left");
        let targets = plan.targets.iter().enumerate();
        let left = targets.filter(|(_, target)| target.skip.is_none());
        (left.map(|(index, _)| index).collect(), unnamed)
    }

    #[test]
    fn what_is_not_wanted_is_skipped_and_what_has_no_name_is_told() {
        assert_eq!(left(&filter(&[], &[], &[])), (vec![0, 1, 2, 3], 0));
        assert_eq!(left(&filter(&["rename_*"], &[], &[])), (vec![0, 1], 1));
        assert_eq!(left(&filter(&["inode.*"], &[], &[])), (vec![2], 1));
        assert_eq!(left(&filter(&["unknown"], &[], &[])), (vec![3], 0));
        assert_eq!(left(&filter(&[], &["d_*"], &[])), (vec![0, 1], 0));
        assert_eq!(left(&filter(&[], &["d_walk"], &[])), (vec![1], 0));
        assert_eq!(left(&filter(&[], &["d_lookup+0x4b"], &[])), (vec![0], 0));
        assert_eq!(left(&filter(&[], &[], &[Kind::Retry])), (vec![1], 0));
        let both = filter(&["rename_*"], &["d_*"], &[Kind::Spin]);
        assert_eq!(left(&both), (vec![0], 0));
    }

    #[test]
    fn a_choice_of_nothing_says_which_word_is_to_blame() {
        for (filter, part) in [
            (
                filter(&["mount_lok"], &[], &[]),
                "no seqcount is called `mount_lok`",
            ),
            (
                filter(&[], &["d_lookup+0x4c"], &[]),
                "no site is called `d_lookup+0x4c`",
            ),
            (
                filter(&["rename_lock"], &[], &[Kind::Block]),
                "has all that the filters ask for",
            ),
        ] {
            let error = plan().restrict(&filter).expect_err("nothing is left");
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn rows_are_chosen_as_the_sites_that_they_are_of() {
        let wanted = filter(&["inode.i_seq"], &[], &[Kind::Retry]);
        let label = "dentry.d_seq|inode.i_seq";
        assert!(wanted.takes_row(label, "step_into+0x10", Kind::Retry));
        assert!(wanted.takes_row(label, "step_into+0x10", Kind::Check));
        assert!(!wanted.takes_row(label, "step_into+0x10", Kind::Spin));
        assert!(!wanted.takes_row("rename_lock", "d_lookup+0x4b", Kind::Retry));
    }
}
