//! Words of the command line → which sites and instances are shown.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use globset::{Glob, GlobMatcher};
use serde::{Deserialize, Serialize};

use crate::discover::catalog::{Catalog, Half, Instance, Name, Role, Seqcount, Site};

/// What an address is for: the role of a site, or the half of a section an instance is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A site of [`Role::Block`].
    Block,
    /// A site of [`Role::Spin`].
    Spin,
    /// A site of [`Role::Retry`].
    Retry,
    /// A site of [`Role::Fallback`].
    Fallback,
    /// An instance of [`Half::Begin`].
    Begin,
    /// An instance of [`Half::Check`].
    Check,
    /// An instance of [`Half::Write`].
    Write,
}

/// Which sites and instances are shown. Several words of one list widen the choice, different
/// lists narrow it; an empty list does not choose.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    seqcounts: Vec<GlobMatcher>,
    functions: Vec<GlobMatcher>,
    kinds: BTreeSet<Kind>,
}

/// A [`Selection`] in the words of the command line.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct SelectionWords {
    /// Patterns for names of seqcounts.
    pub seqcount: Vec<String>,
    /// Patterns for names of functions.
    pub function: Vec<String>,
    /// What an address is for.
    pub role: Vec<Kind>,
}

impl Selection {
    /// Puts patterns for names of seqcounts and of functions together with the kinds.
    pub fn new<'a>(
        seqcounts: impl IntoIterator<Item = &'a Glob>,
        functions: impl IntoIterator<Item = &'a Glob>,
        kinds: impl IntoIterator<Item = Kind>,
    ) -> Self {
        let matchers = |glob: &Glob| glob.compile_matcher();
        Self {
            seqcounts: seqcounts.into_iter().map(matchers).collect(),
            functions: functions.into_iter().map(matchers).collect(),
            kinds: kinds.into_iter().collect(),
        }
    }

    /// Whether it takes everything.
    pub fn is_everything(&self) -> bool {
        self.seqcounts.is_empty() && self.functions.is_empty() && self.kinds.is_empty()
    }

    /// The words; `None` when it takes everything.
    pub fn words(&self) -> Option<SelectionWords> {
        let patterns = |matchers: &[GlobMatcher]| {
            let patterns = matchers.iter().map(|matcher| matcher.glob().glob());
            patterns.map(str::to_owned).collect()
        };
        (!self.is_everything()).then(|| SelectionWords {
            seqcount: patterns(&self.seqcounts),
            function: patterns(&self.functions),
            role: self.kinds.iter().copied().collect(),
        })
    }

    /// Whether the site is shown.
    pub fn takes_site(&self, site: &Site) -> bool {
        self.takes_kind(Kind::of_site(site))
            && self.takes_function(&site.function)
            && self.takes_seqcount(&site.seqcount)
    }

    /// Whether the instance is shown.
    pub fn takes_instance(&self, instance: &Instance) -> bool {
        self.takes_kind(Kind::of_instance(instance))
            && self.takes_function(&instance.function)
            && self.takes_seqcount(&instance.seqcount)
    }

    fn takes_kind(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    /// Compilers add suffixes (`.isra.0`, `.cold`) that nobody wants to write.
    fn takes_function(&self, function: &str) -> bool {
        let stem = function.split('.').next().unwrap_or(function);
        self.functions.is_empty()
            || matches(&self.functions, function)
            || matches(&self.functions, stem)
    }

    /// One of several candidates is enough.
    fn takes_seqcount(&self, seqcount: &Seqcount) -> bool {
        if self.seqcounts.is_empty() {
            return true;
        }
        match &seqcount.name {
            Name::Global(name) | Name::Member(name) => matches(&self.seqcounts, name),
            Name::Ambiguous(candidates) => candidates
                .iter()
                .any(|candidate| matches(&self.seqcounts, candidate)),
            Name::Unknown => matches(&self.seqcounts, &seqcount.label()),
        }
    }

    /// Checks that it takes something.
    ///
    /// # Errors
    ///
    /// When a pattern matches no name of the catalog, or nothing has all that is asked for: a
    /// mistyped name must not look like a kernel without such a seqcount.
    pub fn check(&self, catalog: &Catalog) -> Result<()> {
        for glob in &self.seqcounts {
            let mut alone = Self::default();
            alone.seqcounts.push(glob.clone());
            let glob = glob.glob();
            ensure!(
                alone.takes_any(catalog),
                "no seqcount is called `{glob}`: `seqtrace sites` lists those there are"
            );
        }
        for glob in &self.functions {
            let mut alone = Self::default();
            alone.functions.push(glob.clone());
            let glob = glob.glob();
            ensure!(
                alone.takes_any(catalog),
                "no function called `{glob}` reads or writes a seqcount, as far as is found"
            );
        }
        ensure!(
            self.is_everything() || self.takes_any(catalog),
            "nothing has all that the filters ask for"
        );
        Ok(())
    }

    fn takes_any(&self, catalog: &Catalog) -> bool {
        catalog.images.iter().any(|image| {
            image.sites.iter().any(|site| self.takes_site(site))
                || image.instances.iter().any(|one| self.takes_instance(one))
        })
    }
}

impl Kind {
    /// All of them: sites, then instances.
    pub const ALL: [Self; 7] = [
        Self::Block,
        Self::Spin,
        Self::Retry,
        Self::Fallback,
        Self::Begin,
        Self::Check,
        Self::Write,
    ];

    /// The kind of a site.
    pub fn of_site(site: &Site) -> Self {
        Self::of_role(site.role)
    }

    /// The kind of sites with a role.
    pub fn of_role(role: Role) -> Self {
        match role {
            Role::Block => Self::Block,
            Role::Spin => Self::Spin,
            Role::Retry => Self::Retry,
            Role::Fallback => Self::Fallback,
        }
    }

    /// The kind of an instance.
    pub fn of_instance(instance: &Instance) -> Self {
        match &instance.half {
            Half::Begin { .. } => Self::Begin,
            Half::Check(_) => Self::Check,
            Half::Write(_) => Self::Write,
        }
    }

    /// The word for it, as in the output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Spin => "spin",
            Self::Retry => "retry",
            Self::Fallback => "fallback",
            Self::Begin => "begin",
            Self::Check => "check",
            Self::Write => "write",
        }
    }
}

fn matches(globs: &[GlobMatcher], name: &str) -> bool {
    globs.iter().any(|glob| glob.is_match(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::catalog::{Frame, ImageCatalog, Odd};

    fn seqcount(name: Name) -> Seqcount {
        Seqcount {
            name,
            lockname: None,
            lock: None,
        }
    }

    fn catalog() -> Catalog {
        let chain: Vec<Frame> = Vec::new();
        let site = Site {
            function: "d_lookup".to_owned(),
            offset: 0x4b,
            image_offset: 0x104b,
            role: Role::Spin,
            seqcount: seqcount(Name::Global("rename_lock".to_owned())),
            end: None,
            lock_function: None,
            sequence_register: None,
            location: None,
            cold: Vec::new(),
            chain: chain.clone(),
        };
        let candidates = ["dentry.d_seq", "inode.i_seq"].map(str::to_owned);
        let instance = Instance {
            function: "step_into.isra.0".to_owned(),
            offset: 0x10,
            image_offset: 0x2010,
            half: Half::Begin {
                odd: Odd::Waits,
                reloads: Vec::new(),
            },
            seqcount: seqcount(Name::Ambiguous(candidates.into())),
            open_coded: false,
            sites: Vec::new(),
            location: None,
            chain,
        };
        let image = ImageCatalog {
            image: "vmlinux".to_owned(),
            build_id: String::new(),
            realtime: false,
            functions: 2,
            text_bytes: 0x3000,
            sites: vec![site],
            instances: vec![instance],
            inferred: std::collections::BTreeMap::new(),
            disagreements: Vec::new(),
        };
        Catalog {
            images: vec![image],
        }
    }

    fn selection(seqcounts: &[&str], functions: &[&str], kinds: &[Kind]) -> Selection {
        let globs = |words: &[&str]| -> Vec<Glob> {
            let globs = words.iter().map(|word| Glob::new(word).expect("a pattern"));
            globs.collect()
        };
        Selection::new(&globs(seqcounts), &globs(functions), kinds.iter().copied())
    }

    /// Whether the site and the instance of [`catalog`] are taken.
    fn taken(selection: &Selection) -> (bool, bool) {
        let image = &catalog().images[0];
        let site = selection.takes_site(&image.sites[0]);
        (site, selection.takes_instance(&image.instances[0]))
    }

    #[test]
    fn words_of_one_kind_widen_the_choice_and_kinds_narrow_it() {
        for (seqcounts, functions, kinds, expected) in [
            (&[][..], &[][..], &[][..], (true, true)),
            (&["rename_*"], &[], &[], (true, false)),
            (&["rename_*", "inode.*"], &[], &[], (true, true)),
            (&[], &["step_into"], &[], (false, true)),
            (&[], &["step_into.isra.*"], &[], (false, true)),
            (&[], &["step"], &[], (false, false)),
            (&[], &[], &[Kind::Begin, Kind::Block], (false, true)),
            (
                &["{rename_lock,mount_lock}"],
                &["d_*"],
                &[Kind::Spin],
                (true, false),
            ),
            (&["rename_lock"], &["d_*"], &[Kind::Begin], (false, false)),
        ] {
            let words = (seqcounts, functions, kinds);
            assert_eq!(
                taken(&selection(seqcounts, functions, kinds)),
                expected,
                "{words:?}"
            );
        }
    }

    #[test]
    fn a_choice_of_nothing_says_which_word_is_to_blame() {
        let catalog = catalog();
        for (seqcounts, functions, kinds, part) in [
            (
                &["rename_lock", "mount_lok"][..],
                &[][..],
                &[][..],
                "no seqcount is called `mount_lok`",
            ),
            (
                &[],
                &["d_walk"],
                &[],
                "no function called `d_walk` reads or writes",
            ),
            (
                &["rename_lock"],
                &[],
                &[Kind::Check],
                "nothing has all that the filters ask for",
            ),
        ] {
            let choice = selection(seqcounts, functions, kinds);
            let error = choice
                .check(&catalog)
                .expect_err("nothing is taken")
                .to_string();
            assert!(error.contains(part), "{error}");
        }
        selection(&[], &[], &[])
            .check(&Catalog::default())
            .expect("nothing was asked for");
    }

    #[test]
    fn every_kind_has_the_word_of_the_catalog() {
        let image = &catalog().images[0];
        let half = image.instances[0].half.word();
        assert_eq!(Kind::of_instance(&image.instances[0]).word(), half);
        for role in [Role::Block, Role::Spin, Role::Retry, Role::Fallback] {
            assert_eq!(Kind::of_role(role).word(), role.word());
        }
    }
}
