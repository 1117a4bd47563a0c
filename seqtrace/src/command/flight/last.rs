//! The events and totals of the last while, and a recording of them. Pure.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::Arc,
};

use crate::{
    aggregate::{SiteLabel, occurrence::Occurrence, snapshot::Snapshot},
    export::quantity::duration_inline,
    recording::{Header, Writer},
};

/// The most events that are kept, whatever the time: some 100 MB with their stacks.
const MOST_EVENTS: usize = 200_000;

/// An event with its names.
pub(super) struct Kept {
    pub(super) label: SiteLabel,
    /// Outermost first.
    pub(super) frames: Vec<String>,
    pub(super) occurrence: Occurrence,
}

/// The events and snapshots of the last while, oldest first.
pub(super) struct Last {
    /// How long they are kept.
    time_ns: u64,
    /// When counting began, on the clock of the events.
    began_ns: u64,
    events: VecDeque<Kept>,
    /// The first one is what was before the oldest event.
    snapshots: VecDeque<Arc<Snapshot>>,
    /// Events that were dropped for want of room.
    dropped: u64,
}

impl Last {
    /// Keeps `time_ns`.
    pub(super) fn new(time_ns: u64) -> Self {
        Self {
            time_ns,
            began_ns: 0,
            events: VecDeque::new(),
            snapshots: VecDeque::new(),
            dropped: 0,
        }
    }

    /// Counting begins, on the clock of the events.
    pub(super) fn begin(&mut self, began_ns: u64, snapshot: &Snapshot) {
        self.began_ns = began_ns;
        self.snapshots.push_back(Arc::new(snapshot.clone()));
    }

    /// Takes an event, in place of the oldest where there is no room.
    pub(super) fn push(&mut self, event: Kept) {
        if self.events.len() == MOST_EVENTS {
            self.events.pop_front();
            self.dropped += 1;
        }
        self.events.push_back(event);
    }

    /// Takes the totals at the end of an interval, and drops what is too old by then.
    pub(super) fn end_interval(&mut self, snapshot: &Arc<Snapshot>) {
        self.snapshots.push_back(Arc::clone(snapshot));
        let oldest_ns = snapshot.elapsed_ns.saturating_sub(self.time_ns);
        // The newest of those that are too old stays: all that follows is on top of it.
        while self
            .snapshots
            .get(1)
            .is_some_and(|next| next.elapsed_ns <= oldest_ns)
        {
            self.snapshots.pop_front();
        }
        let first_ns = self.snapshots.front().map_or(0, |first| first.elapsed_ns);
        let first_ns = self.began_ns + first_ns;
        while self
            .events
            .front()
            .is_some_and(|event| event.occurrence.time_ns < first_ns)
        {
            self.events.pop_front();
        }
    }

    /// Writes a recording: the totals before, then events and totals as they came.
    pub(super) fn write<W: Write>(&self, out: W, header: &Header) -> io::Result<W> {
        let mut writer = Writer::begin(out, header)?;
        let mut events = self.events.iter().peekable();
        for (number, snapshot) in self.snapshots.iter().enumerate() {
            let is_last = number + 1 == self.snapshots.len();
            let until_ns = self.began_ns + snapshot.elapsed_ns;
            while let Some(event) =
                events.next_if(|event| is_last || event.occurrence.time_ns < until_ns)
            {
                let Kept {
                    label,
                    frames,
                    occurrence,
                } = event;
                writer.event(occurrence, || label.clone(), || frames.clone())?;
            }
            writer.snapshot(snapshot, is_last)?;
        }
        writer.finish()
    }

    /// What a file that is written now has.
    pub(super) fn told(&self) -> String {
        let ends = self.snapshots.front().zip(self.snapshots.back());
        let span_ns = ends.map_or(0, |(first, last)| last.elapsed_ns - first.elapsed_ns);
        let dropped = match self.dropped {
            0 => String::new(),
            dropped => format!(", {dropped} earlier ones found no room"),
        };
        format!(
            "the last {}, {} events{dropped}",
            duration_inline(span_ns),
            self.events.len()
        )
    }

    /// Begins anew after the newest totals: what was saved is in no other file.
    pub(super) fn forget(&mut self) {
        self.events.clear();
        self.snapshots
            .drain(..self.snapshots.len().saturating_sub(1));
        self.dropped = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        export::json,
        plan::{Backend, Kind},
        recording::{Entry, FORMAT, Reader},
    };

    const SECOND_NS: u64 = 1_000_000_000;

    fn snapshot(elapsed_s: u64) -> Snapshot {
        let bytes = include_bytes!("../../../tests/data/snapshots/realtime.json");
        let mut snapshot = json::read(bytes).expect("the golden tests read it");
        snapshot.elapsed_ns = elapsed_s * SECOND_NS;
        snapshot
    }

    fn event(time_ns: u64) -> Kept {
        Kept {
            label: SiteLabel {
                seqcount: "mount_lock".to_owned(),
                lockname: None,
                image: "vmlinux".to_owned(),
                site: "prepend_path+0x333".to_owned(),
                kind: Kind::Block,
                backend: Backend::Probe,
            },
            frames: vec!["getcwd".to_owned()],
            occurrence: Occurrence {
                time_ns,
                duration_ns: 5,
                stack: Some(3),
                ..Occurrence::default()
            },
        }
    }

    /// Times of the events and of the totals in a recording, seconds since counting began.
    fn read(bytes: &[u8], began_ns: u64) -> (Vec<u64>, Vec<u64>) {
        let mut reader = Reader::open(bytes).expect("a recording");
        let (mut events, mut totals) = (Vec::new(), Vec::new());
        while let Some(entry) = reader.next(true) {
            match entry {
                Entry::Event(event) => {
                    assert_eq!(reader.frames(&event).collect::<Vec<_>>(), ["getcwd"]);
                    events.push((event.time_ns - began_ns) / SECOND_NS);
                }
                Entry::Snapshot(taken) => totals.push(taken.snapshot.elapsed_ns / SECOND_NS),
            }
        }
        (events, totals)
    }

    #[test]
    fn the_last_while_is_saved_and_nothing_before_it_or_twice() {
        let began_ns = 70 * SECOND_NS;
        let header = Header {
            format: FORMAT,
            ..Header::default()
        };
        let mut last = Last::new(3 * SECOND_NS);
        last.begin(began_ns, &snapshot(0));
        for second in 0..8 {
            last.push(event(began_ns + second * SECOND_NS + 1));
            last.end_interval(&Arc::new(snapshot(second + 1)));
        }
        let bytes = last.write(Vec::new(), &header).expect("memory takes it");
        assert_eq!(read(&bytes, began_ns), (vec![5, 6, 7], vec![5, 6, 7, 8]));
        assert_eq!(last.told(), "the last 3.00 s, 3 events");
        last.forget();
        last.push(event(began_ns + 8 * SECOND_NS + 1));
        last.end_interval(&Arc::new(snapshot(9)));
        let bytes = last.write(Vec::new(), &header).expect("memory takes it");
        assert_eq!(read(&bytes, began_ns), (vec![8], vec![8, 9]));
    }
}
