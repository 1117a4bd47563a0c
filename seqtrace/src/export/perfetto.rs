//! The events of a recording → a trace for Perfetto (`perfetto.protos.Trace`): waits as slices on a track
//! for each CPU and for each task, and on the track of each owner of the writers' lock, with an arrow from the
//! reader; holds as slices on a track for each writer, with an arrow to its end from each wait that it is known to
//! have caused. Retries and fallbacks have no duration: they are instants.

use std::{
    collections::{BTreeMap, btree_map::Entry as Slot},
    io::BufRead,
};

use crate::{
    aggregate::{
        narrow::Narrowing,
        occurrence::{HoldBegin, Occurrence},
    },
    export::perfetto_packets::{DebugAnnotation, PacketWriter, TrackDescriptor, TrackEvent, kind},
    plan::Kind,
    recording::{Entry, Reader},
};

/// Tracks that hold the others.
const GROUPS: [(u64, &str); 4] = [
    (1, "Waits by CPU"),
    (2, "Waits by task"),
    (3, "Waits by owner of the writers' lock"),
    (4, "Holds by writer"),
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
    /// Who held the sequence odd.
    Writer(u32, String),
}

impl Track {
    fn group(&self) -> u64 {
        match self {
            Self::Cpu(_) => 1,
            Self::Task(..) => 2,
            Self::Owner(..) => 3,
            Self::Writer(..) => 4,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Cpu(cpu) => format!("CPU {cpu}"),
            Self::Task(tid, comm) | Self::Owner(tid, comm) | Self::Writer(tid, comm) => {
                format!("{comm}/{tid}")
            }
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
        causes: causes(reader, &events),
    };
    for (uuid, name) in GROUPS {
        drawing.packets.track(TrackDescriptor {
            uuid,
            name: name.to_owned(),
            parent_uuid: None,
        });
    }
    for (index, event) in events.iter().enumerate() {
        drawing.event(reader, event, index);
    }
    drawing.packets.into_bytes()
}

fn is_wanted<R: BufRead>(reader: &Reader<R>, event: &Occurrence, wanted: &Narrowing) -> bool {
    let frames: Vec<&str> = reader.frames(event).collect();
    let label = reader.site(event);
    label.is_none_or(|label| wanted.takes(label, event, &frames))
}

/// Which waits, by their place among the events, each hold has caused.
type Causes = BTreeMap<HoldBegin, Vec<usize>>;

/// Two holds that began at one place at the same moment cannot be told apart: neither has an arrow.
fn causes<R: BufRead>(reader: &Reader<R>, events: &[Occurrence]) -> Causes {
    let mut causes = Causes::new();
    let mut doubtful = Vec::new();
    for event in events.iter().filter(|event| is_hold(reader, event)) {
        if causes.insert(begin_of(event), Vec::new()).is_some() {
            doubtful.push(begin_of(event));
        }
    }
    for hold in doubtful {
        causes.remove(&hold);
    }
    for (index, event) in events.iter().enumerate() {
        if let Some(waits) = event.hold.and_then(|hold| causes.get_mut(&hold)) {
            waits.push(index);
        }
    }
    causes
}

fn is_hold<R: BufRead>(reader: &Reader<R>, event: &Occurrence) -> bool {
    reader
        .site(event)
        .is_some_and(|label| label.kind == Kind::Write)
}

/// How the waits for a hold name it.
fn begin_of(hold: &Occurrence) -> HoldBegin {
    HoldBegin {
        site: hold.site,
        began_ns: hold.began_ns(),
    }
}

/// Numbers of the arrows of an event, by its place among the events: to the owner, to the hold.
fn flows(index: usize) -> [u64; 2] {
    let first = 2 * index as u64 + 1;
    [first, first + 1]
}

struct Drawing {
    packets: PacketWriter,
    tracks: BTreeMap<Track, Lanes>,
    next_track: u64,
    causes: Causes,
}

impl Drawing {
    fn event<R: BufRead>(&mut self, reader: &Reader<R>, event: &Occurrence, index: usize) {
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
        if label.kind == Kind::Write {
            let track = Track::Writer(event.tid, event.comm.clone());
            let waits = self.causes.get(&begin_of(event)).cloned();
            let waits = waits.unwrap_or_default().into_iter();
            let arrows = waits.map(|wait| flows(wait)[1]).collect();
            self.slice(track, event, slice, arrows);
            return;
        }
        self.slice(Track::Cpu(event.cpu), event, slice.clone(), Vec::new());
        let [to_owner, to_hold] = flows(index);
        let is_caused = event
            .hold
            .is_some_and(|hold| self.causes.contains_key(&hold));
        let mut from = TrackEvent {
            flow_ids: Vec::from_iter(is_caused.then_some(to_hold)),
            ..slice.clone()
        };
        let task = Track::Task(event.tid, event.comm.clone());
        let Some(owner) = event.owner_tid else {
            self.slice(task, event, from, Vec::new());
            return;
        };
        let comm = event.owner_comm.clone().unwrap_or_default();
        let kept = TrackEvent {
            name: Some(format!("{} waits for {}", event.comm, label.seqcount)),
            terminating_flow_ids: vec![to_owner],
            ..slice
        };
        from.flow_ids.push(to_owner);
        self.slice(task, event, from, Vec::new());
        self.slice(Track::Owner(owner, comm), event, kept, Vec::new());
    }

    /// Draws a slice of the time of `event`, or an instant where it has none. `arrows` lead to its end.
    fn slice(&mut self, track: Track, event: &Occurrence, slice: TrackEvent, arrows: Vec<u64>) {
        let (began_ns, ended_ns) = (event.began_ns(), event.time_ns);
        let track_uuid = self.lane(track, began_ns, ended_ns);
        let has_time = ended_ns > began_ns;
        let mut begin = TrackEvent {
            r#type: if has_time { kind::BEGIN } else { kind::INSTANT },
            track_uuid,
            ..slice
        };
        if !has_time {
            begin.terminating_flow_ids.extend(arrows);
            self.packets.event(began_ns, begin);
            return;
        }
        self.packets.event(began_ns, begin);
        let end = TrackEvent {
            r#type: kind::END,
            track_uuid,
            terminating_flow_ids: arrows,
            ..TrackEvent::default()
        };
        self.packets.event(ended_ns, end);
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
    let who = if is_hold(reader, event) {
        "writer"
    } else {
        "reader"
    };
    let texts = [
        ("site", Some(site.to_owned())),
        (who, Some(task(&event.comm, event.tid))),
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
