//! The events of a recording → a trace for Perfetto (`perfetto.protos.Trace`): waits as slices on a track
//! for each CPU and for each task, and on the track of each writer whom it kept waiting, with an arrow
//! from the reader. Retries and fallbacks have no duration: they are instants.

use std::{
    collections::{BTreeMap, btree_map::Entry as Slot},
    io::BufRead,
};

use crate::{
    aggregate::{narrow::Narrowing, occurrence::Occurrence},
    export::perfetto_packets::{DebugAnnotation, PacketWriter, TrackDescriptor, TrackEvent, kind},
    recording::{Entry, Reader},
};

/// Tracks that hold the others.
const GROUPS: [(u64, &str); 3] = [
    (1, "Waits by CPU"),
    (2, "Waits by task"),
    (3, "Waits by owner of the writers' lock"),
];

/// Where a slice is shown. Its order is that in which tracks are listed.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Track {
    /// The CPU on which a wait ended.
    Cpu(u32),
    /// The reader.
    Task(u32, String),
    /// Who owned the lock.
    Owner(u32, String),
}

impl Track {
    fn group(&self) -> u64 {
        match self {
            Self::Cpu(_) => 1,
            Self::Task(..) => 2,
            Self::Owner(..) => 3,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Cpu(cpu) => format!("CPU {cpu}"),
            Self::Task(tid, comm) | Self::Owner(tid, comm) => format!("{comm}/{tid}"),
        }
    }
}

/// Slices of one track may not overlap unless one lies in the other, so that it has as many lanes as
/// waits went on at once.
#[derive(Default)]
struct Lanes {
    /// For each lane its number in the trace, and when its last slice ended.
    lanes: Vec<(u64, u64)>,
}

/// The trace. What the reader cannot read any more is left out, as [`Reader::ending`] tells.
/// Events that `wanted` does not take are left out too.
pub fn trace<R: BufRead>(reader: &mut Reader<R>, wanted: &Narrowing) -> Vec<u8> {
    let mut events = Vec::new();
    while let Some(entry) = reader.next(true) {
        if let Entry::Event(event) = entry
            && is_wanted(reader, &event, wanted)
        {
            events.push(event);
        }
    }
    // By their begin, the longer ones first: so a lane is free as early as can be.
    events.sort_by_key(|event| (event.began_ns(), u64::MAX - event.duration_ns));
    let mut drawing = Drawing {
        packets: PacketWriter::default(),
        tracks: BTreeMap::new(),
        next_track: GROUPS.len() as u64 + 1,
    };
    for (uuid, name) in GROUPS {
        drawing.packets.track(TrackDescriptor {
            uuid,
            name: name.to_owned(),
            parent_uuid: None,
        });
    }
    for (event, flow) in events.iter().zip(1..) {
        drawing.event(reader, event, flow);
    }
    drawing.packets.into_bytes()
}

fn is_wanted<R: BufRead>(reader: &Reader<R>, event: &Occurrence, wanted: &Narrowing) -> bool {
    let frames: Vec<&str> = reader.frames(event).collect();
    let label = reader.site(event);
    label.is_none_or(|label| wanted.takes(label, event, &frames))
}

struct Drawing {
    packets: PacketWriter,
    tracks: BTreeMap<Track, Lanes>,
    next_track: u64,
}

impl Drawing {
    fn event<R: BufRead>(&mut self, reader: &Reader<R>, event: &Occurrence, flow: u64) {
        let Some(label) = reader.site(event) else {
            return;
        };
        let name = format!("{} [{}]", label.seqcount, label.kind.word());
        let about = about(reader, event, &label.site);
        let slice = TrackEvent {
            name: Some(name),
            debug_annotations: about,
            ..TrackEvent::default()
        };
        self.slice(Track::Cpu(event.cpu), event, slice.clone());
        let task = Track::Task(event.tid, event.comm.clone());
        let Some(owner) = event.owner_tid else {
            self.slice(task, event, slice);
            return;
        };
        let comm = event.owner_comm.clone().unwrap_or_default();
        let kept = TrackEvent {
            name: Some(format!("{} waits for {}", event.comm, label.seqcount)),
            terminating_flow_ids: vec![flow],
            ..slice.clone()
        };
        let from = TrackEvent {
            flow_ids: vec![flow],
            ..slice
        };
        self.slice(task, event, from);
        self.slice(Track::Owner(owner, comm), event, kept);
    }

    /// Draws a slice of the time of `event`, or an instant where it has none.
    fn slice(&mut self, track: Track, event: &Occurrence, slice: TrackEvent) {
        let (began_ns, ended_ns) = (event.began_ns(), event.time_ns);
        let track_uuid = self.lane(track, began_ns, ended_ns);
        let has_time = ended_ns > began_ns;
        let begin = TrackEvent {
            r#type: if has_time { kind::BEGIN } else { kind::INSTANT },
            track_uuid,
            ..slice
        };
        self.packets.event(began_ns, begin);
        if has_time {
            let end = TrackEvent {
                r#type: kind::END,
                track_uuid,
                ..TrackEvent::default()
            };
            self.packets.event(ended_ns, end);
        }
    }

    /// The lane of a track that is free at `began_ns`; a new one is told to the trace.
    fn lane(&mut self, track: Track, began_ns: u64, ended_ns: u64) -> u64 {
        let (group, name) = (track.group(), track.name());
        let lanes = match self.tracks.entry(track) {
            Slot::Occupied(known) => known.into_mut(),
            Slot::Vacant(new) => new.insert(Lanes::default()),
        };
        if let Some(free) = lanes.lanes.iter_mut().find(|(_, end)| *end <= began_ns) {
            free.1 = ended_ns;
            return free.0;
        }
        let uuid = self.next_track;
        self.next_track += 1;
        lanes.lanes.push((uuid, ended_ns));
        self.packets.track(TrackDescriptor {
            uuid,
            name,
            parent_uuid: Some(group),
        });
        uuid
    }
}

/// What is told about a slice that is selected.
fn about<R: BufRead>(reader: &Reader<R>, event: &Occurrence, site: &str) -> Vec<DebugAnnotation> {
    let frames: Vec<&str> = reader.frames(event).collect();
    let task = |comm: &str, tid| format!("{comm}/{tid}");
    let owner = event
        .owner_tid
        .map(|tid| task(event.owner_comm.as_deref().unwrap_or("?"), tid));
    let texts = [
        ("site", Some(site.to_owned())),
        ("reader", Some(task(&event.comm, event.tid))),
        ("owner", owner),
        ("slept", event.slept.then(|| "yes".to_owned())),
        ("retries", event.retries.map(|retries| retries.to_string())),
        ("stack", (!frames.is_empty()).then(|| frames.join(";"))),
    ];
    let texts = texts.into_iter();
    texts
        .filter_map(|(name, text)| {
            Some(DebugAnnotation {
                name: name.to_owned(),
                string_value: text?,
            })
        })
        .collect()
}
