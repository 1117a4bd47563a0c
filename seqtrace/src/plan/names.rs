//! Patterns of the command line → which seqcounts they name.

use globset::{Glob, GlobMatcher};

use crate::discover::catalog::{Name, Seqcount};

/// Patterns for names of seqcounts; none names none.
#[derive(Clone, Debug, Default)]
pub struct SeqcountNames(Vec<GlobMatcher>);

impl SeqcountNames {
    /// Takes over the patterns.
    pub fn new<'a>(globs: impl IntoIterator<Item = &'a Glob>) -> Self {
        Self(globs.into_iter().map(Glob::compile_matcher).collect())
    }

    /// Whether there is no pattern.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a pattern matches the whole name of the seqcount, or one of its candidates.
    pub fn take(&self, seqcount: &Seqcount) -> bool {
        self.0.iter().any(|glob| matches(glob, seqcount))
    }

    /// Whether a pattern matches the name as it is printed, or one of the candidates in it.
    pub fn take_label(&self, label: &str) -> bool {
        label
            .split('|')
            .any(|name| self.0.iter().any(|glob| glob.is_match(name)))
    }

    /// The first pattern that matches none of the seqcounts.
    pub fn unmatched(&self, seqcounts: &[&Seqcount]) -> Option<&str> {
        let glob = self
            .0
            .iter()
            .find(|glob| !seqcounts.iter().any(|seqcount| matches(glob, seqcount)))?;
        Some(glob.glob().glob())
    }
}

fn matches(glob: &GlobMatcher, seqcount: &Seqcount) -> bool {
    match &seqcount.name {
        Name::Global(name) | Name::Member(name) => glob.is_match(name),
        Name::Ambiguous(candidates) => candidates.iter().any(|name| glob.is_match(name)),
        Name::Unknown => glob.is_match(seqcount.label()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seqcount(name: Name) -> Seqcount {
        Seqcount {
            name,
            lockname: None,
            lock: None,
        }
    }

    #[test]
    fn the_whole_name_or_one_candidate_has_to_match() {
        let names = SeqcountNames::new(&[Glob::new("dentry.*").expect("a glob")]);
        let member = |name: &str| Name::Member(name.to_owned());
        assert!(names.take(&seqcount(member("dentry.d_seq"))));
        assert!(!names.take(&seqcount(member("a.dentry.d_seq"))));
        let both = Name::Ambiguous(vec!["a.seq".to_owned(), "dentry.d_seq".to_owned()]);
        assert!(names.take(&seqcount(both)));
        assert!(!names.take(&seqcount(Name::Unknown)));
        assert!(!SeqcountNames::default().take(&seqcount(Name::Unknown)));
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_told() {
        let globs = ["tk_*", "tk-*"].map(|glob| Glob::new(glob).expect("a glob"));
        let names = SeqcountNames::new(&globs);
        let there = seqcount(Name::Global("tk_core".to_owned()));
        assert_eq!(names.unmatched(&[&there]), Some("tk-*"));
    }
}
