//! Probes of a seqcount's writers that come and go together.
//!
//! Probes are placed and taken off one by one, while writers write. So that no hold is seen by halves
//! because of that, the kernel side is told how the sequence is reached when all are in place, and made
//! to forget it before the first goes.

use anyhow::Result;
use seqtrace_common::hold::WordEntry;

use super::{object, session::Session, table::SlotWord};

impl Session {
    /// Attaches the increments at `slots`, all those of one seqcount. Returns those that have their
    /// probe; the others are among the [`Session::refusals`].
    ///
    /// # Errors
    ///
    /// As [`Session::add`].
    pub fn begin_writers(&mut self, slots: &[u32]) -> Result<Vec<u32>> {
        let mut attached = Vec::new();
        for slot in slots {
            if !self.is_refused(*slot) && self.add(*slot)? {
                attached.push(*slot);
            }
        }
        self.tell_words(&attached, true)?;
        Ok(attached)
    }

    /// Takes the probes of the increments at `slots` off. Holds that are under way stay in flight.
    ///
    /// # Errors
    ///
    /// As [`Session::remove`].
    pub fn end_writers(&mut self, slots: &[u32]) -> Result<()> {
        self.tell_words(slots, false)?;
        for slot in slots {
            self.remove(*slot)?;
        }
        Ok(())
    }

    /// Says how the sequences of increments are reached, or that it is not known, and to the readers of
    /// the seqcount whether its writers are probed.
    fn tell_words(&mut self, slots: &[u32], probed: bool) -> Result<()> {
        let own = |word: &&SlotWord| slots.contains(&word.slot);
        let seqcount = self.words.iter().find(own).map(|word| &word.seqcount);
        let told = |word: &SlotWord| {
            let entry = if slots.contains(&word.slot) && !probed {
                WordEntry::UNKNOWN
            } else {
                WordEntry {
                    followed: u32::from(probed),
                    ..word.entry
                }
            };
            (word.slot, entry)
        };
        let words = self.words.iter().filter(|word| {
            let reads = !word.writes && Some(&word.seqcount) == seqcount;
            reads || slots.contains(&word.slot)
        });
        let words: Vec<(u32, WordEntry)> = words.map(told).collect();
        object::place_words(&mut self.ebpf, &words)
    }
}
