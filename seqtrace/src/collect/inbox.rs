//! Takes in what comes through the ring, so that neither many records nor long waits for the next batch
//! take more than a fixed amount of memory.

use std::mem;

use seqtrace_common::event::{Event, kind};

use super::longest::Longest;

/// Records after which they should be taken away, where every one is kept.
const ROOM: usize = 8192;

/// Notes that are kept between two batches.
const NOTES: usize = 64;

/// The records since the last batch.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    longest: Longest,
    /// Every one, where that is asked for.
    each: Option<Vec<Event>>,
    notes: Vec<Event>,
}

impl Inbox {
    /// Keeps every record from now on, and not only the longest.
    pub(super) fn keep_each(&mut self) {
        self.each.get_or_insert_default();
    }

    /// Takes a record in.
    pub(super) fn push(&mut self, event: Event) {
        if event.kind == kind::NOTE {
            // Not each is told as it is.
            if self.notes.len() < NOTES {
                self.notes.push(event);
            }
            return;
        }
        if let Some(each) = &mut self.each {
            each.push(event);
        }
        // Those that are shown as the longest are readers.
        if event.kind != kind::HOLD {
            self.longest.push(event);
        }
    }

    /// Whether records should be taken away before others come.
    pub(super) fn is_full(&self) -> bool {
        self.each.as_ref().is_some_and(|each| each.len() >= ROOM)
    }

    /// Hands out every record since this was asked last; none where they are not kept.
    pub(super) fn take_each(&mut self) -> Vec<Event> {
        self.each.as_mut().map(mem::take).unwrap_or_default()
    }

    /// Hands out the notes since this was asked last.
    pub(super) fn take_notes(&mut self) -> Vec<Event> {
        mem::take(&mut self.notes)
    }

    /// Hands out the longest since this was asked last, oldest first, and how many were left out.
    pub(super) fn take_longest(&mut self) -> (Vec<Event>, u64) {
        self.longest.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(time_ns: u64) -> Event {
        let mut event = Event::decode(&[0; size_of::<Event>()]).unwrap();
        event.time_ns = time_ns;
        event
    }

    #[test]
    fn every_record_is_kept_only_where_that_is_asked_for() {
        let mut inbox = Inbox::default();
        inbox.push(event(1));
        assert_eq!(inbox.take_each(), []);
        inbox.keep_each();
        inbox.push(event(2));
        inbox.push(event(3));
        assert_eq!(inbox.take_each(), [event(2), event(3)]);
        assert_eq!(inbox.take_each(), []);
        assert_eq!(inbox.take_longest().0.len(), 3);
    }

    #[test]
    fn a_note_is_no_record() {
        let mut inbox = Inbox::default();
        inbox.keep_each();
        let mut note = event(1);
        note.kind = kind::NOTE;
        for _ in 0..=NOTES {
            inbox.push(note);
        }
        assert_eq!(
            (inbox.take_each(), inbox.take_longest().0),
            (vec![], vec![])
        );
        assert_eq!(inbox.take_notes(), [note; NOTES]);
        assert_eq!(inbox.take_notes(), []);
    }

    #[test]
    fn a_hold_is_none_of_the_longest() {
        let mut inbox = Inbox::default();
        inbox.keep_each();
        let mut hold = event(1);
        hold.kind = kind::HOLD;
        inbox.push(hold);
        assert_eq!(inbox.take_each(), [hold]);
        assert_eq!(inbox.take_longest().0, []);
    }

    #[test]
    fn records_are_to_be_taken_away_when_there_is_no_room() {
        let mut inbox = Inbox::default();
        for time_ns in 0..2 * ROOM as u64 {
            inbox.push(event(time_ns));
        }
        assert!(!inbox.is_full(), "only the longest are kept");
        inbox.keep_each();
        for time_ns in 0..ROOM as u64 {
            assert!(!inbox.is_full(), "{time_ns}");
            inbox.push(event(time_ns));
        }
        assert!(inbox.is_full());
        inbox.take_each();
        assert!(!inbox.is_full());
    }
}
