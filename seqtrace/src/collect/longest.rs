//! Keeps the longest of many records, so that a flood of events takes a fixed amount of memory.

use std::{cmp::Reverse, collections::BinaryHeap};

use seqtrace_common::event::Event;

/// Records kept between two batches.
const ROOM: usize = 4096;

/// The longest records since the last batch; of equally long ones the oldest.
#[derive(Debug, Default)]
pub(super) struct Longest {
    heap: BinaryHeap<Reverse<ByDuration>>,
    left_out: u64,
}

impl Longest {
    /// Takes a record in; the shortest goes when there is no room.
    pub(super) fn push(&mut self, event: Event) {
        let event = ByDuration(event);
        if self.heap.len() < ROOM {
            self.heap.push(Reverse(event));
            return;
        }
        self.left_out += 1;
        // Of a flood nearly all end here: the heap is not sifted for them.
        if let Some(mut shortest) = self.heap.peek_mut()
            && event > shortest.0
        {
            *shortest = Reverse(event);
        }
    }

    /// Hands out the records, oldest first, and how many were left out; begins anew.
    pub(super) fn take(&mut self) -> (Vec<Event>, u64) {
        let Self { heap, left_out } = std::mem::take(self);
        let mut events: Vec<_> = heap
            .into_iter()
            .map(|Reverse(ByDuration(event))| event)
            .collect();
        events.sort_by_key(|event| event.time_ns);
        (events, left_out)
    }
}

#[derive(Debug)]
struct ByDuration(Event);

impl ByDuration {
    fn rank(&self) -> (u64, Reverse<u64>) {
        (self.0.duration_ns, Reverse(self.0.time_ns))
    }
}

impl Ord for ByDuration {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for ByDuration {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByDuration {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for ByDuration {}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(time_ns: u64, duration_ns: u64) -> Event {
        let mut event = Event::decode(&[0; size_of::<Event>()]).unwrap();
        event.time_ns = time_ns;
        event.duration_ns = duration_ns;
        event
    }

    #[test]
    fn the_longest_are_kept_and_come_out_by_time() {
        let mut longest = Longest::default();
        for index in 0..=ROOM as u64 + 1 {
            longest.push(event(1_000_000 - index, 10 + index));
        }
        let (events, left_out) = longest.take();
        assert_eq!((events.len(), left_out), (ROOM, 2));
        assert!(events.is_sorted_by_key(|event| event.time_ns));
        assert_eq!(events.iter().map(|event| event.duration_ns).min(), Some(12));
    }

    #[test]
    fn of_equally_long_ones_the_oldest_are_kept() {
        let mut longest = Longest::default();
        for time_ns in 0..ROOM as u64 + 5 {
            longest.push(event(time_ns, 0));
        }
        let (events, left_out) = longest.take();
        assert_eq!(left_out, 5);
        assert_eq!(
            events.last().map(|event| event.time_ns),
            Some(ROOM as u64 - 1)
        );
    }

    #[test]
    fn taking_begins_anew() {
        let mut longest = Longest::default();
        longest.push(event(1, 1));
        assert_eq!(longest.take().0.len(), 1);
        assert_eq!(longest.take(), (vec![], 0));
    }
}
