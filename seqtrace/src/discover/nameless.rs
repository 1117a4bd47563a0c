//! The words of one study that a second look may name.

use super::{
    btf::Btf,
    fit,
    identify::Identity,
    increment::Step,
    naming::Word,
    rules::{Confirmed, Study},
    value::ValueId,
};

impl Study {
    /// Sequences that are not named, and words that are incremented as those of a whole write
    /// section are, of which no type is known; sorted.
    pub(super) fn nameless(&self, confirmed: &Confirmed) -> Vec<Word> {
        let is_named = |word: &ValueId| self.identities.get(word).is_some_and(Identity::is_named);
        let sequences = self.sequences(confirmed);
        let mut ids: Vec<ValueId> = sequences.iter().copied().collect();
        ids.extend(self.written_twice());
        ids.extend(&self.passed);
        ids.retain(|word| !is_named(word));
        ids.sort_unstable();
        ids.dedup();
        let words = ids.into_iter().map(|id| {
            let wait = self.waits().find(|wait| wait.test.words.contains(&id));
            Word {
                id,
                is_sequence: sequences.contains(&id),
                allowed: wait.map_or(&[], |wait| wait.locks.function.waits_for),
            }
        });
        words.collect()
    }

    /// Whether the function increments a word, as a write section does, that may be a seqcount
    /// which its types do not name.
    pub(super) fn may_write(&self, btf: Option<&Btf>) -> bool {
        self.written_twice().any(|word| {
            let (Some(btf), Some(identity)) = (btf, self.identities.get(&word)) else {
                return false;
            };
            !fit::candidates(btf, identity).is_empty()
        })
    }

    /// Words that are incremented at two places, or by two at one.
    fn written_twice(&self) -> impl Iterator<Item = ValueId> {
        let additions = || {
            self.evidence
                .increments
                .iter()
                .map(|increment| increment.addition)
        };
        additions()
            .map(|addition| addition.word)
            .filter(move |&word| {
                let same = additions().filter(|addition| addition.word == word);
                let steps = same.map(|addition| match addition.step {
                    Step::One => 1,
                    Step::Two => 2,
                });
                steps.sum::<u32>() >= 2
            })
    }
}
