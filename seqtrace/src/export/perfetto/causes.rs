//! The events of a recording → which waits each of its holds has caused. No event is kept, only numbers.

use std::num::NonZeroU32;

use rustc_hash::FxHashMap;

use crate::aggregate::occurrence::{HoldBegin, Occurrence};

/// The number of a wait among those that name their hold, from 1.
pub(super) type WaitNumber = NonZeroU32;

/// Which waits each hold has caused.
#[derive(Default)]
pub(super) struct Causes {
    holds: FxHashMap<HoldBegin, Hold>,
    /// For each wait that names its hold, by its number less one, the wait before it for the same hold.
    previous: Vec<Option<WaitNumber>>,
}

#[derive(Default)]
struct Hold {
    /// How many of that begin are recorded.
    recorded: u32,
    newest: Option<WaitNumber>,
}

/// How the waits for a hold name it.
fn begin_of(hold: &Occurrence) -> HoldBegin {
    HoldBegin {
        site: hold.site,
        began_ns: hold.began_ns(),
    }
}

impl Causes {
    /// Takes a hold into account.
    pub(super) fn hold(&mut self, event: &Occurrence) {
        self.holds.entry(begin_of(event)).or_default().recorded += 1;
    }

    /// Takes a wait into account, if it names its hold.
    pub(super) fn wait(&mut self, event: &Occurrence) {
        let number = u32::try_from(self.previous.len() + 1);
        let number = number.ok().and_then(WaitNumber::new);
        if let (Some(begin), Some(number)) = (event.hold, number) {
            let hold = self.holds.entry(begin).or_default();
            self.previous.push(hold.newest.replace(number));
        }
    }

    /// Leaves those holds only that are recorded. Two that began at one place at the same moment cannot be told
    /// apart: neither has an arrow.
    pub(super) fn finish(&mut self) {
        self.holds
            .retain(|_, hold| hold.recorded == 1 && hold.newest.is_some());
        self.holds.shrink_to_fit();
    }

    /// Whether the hold that a wait names is recorded.
    pub(super) fn is_recorded(&self, event: &Occurrence) -> bool {
        event
            .hold
            .is_some_and(|hold| self.holds.contains_key(&hold))
    }

    /// Whether this wait was there when they were counted.
    pub(super) fn has(&self, wait: u32) -> bool {
        wait as usize <= self.previous.len()
    }

    /// The waits that a hold has caused, the last one first.
    pub(super) fn waits_for(&self, hold: &Occurrence) -> impl Iterator<Item = WaitNumber> {
        let newest = self.holds.get(&begin_of(hold)).and_then(|hold| hold.newest);
        std::iter::successors(newest, |wait| self.previous[wait.get() as usize - 1])
    }
}
