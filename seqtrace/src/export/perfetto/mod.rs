//! The events of a recording → a trace for Perfetto (`perfetto.protos.Trace`): waits as slices on a track
//! for each CPU and for each task, and on the track of each owner of the writers' lock, with an arrow from the
//! reader; holds as slices on a track for each writer, with an arrow to its end from each wait that it is known to
//! have caused. Retries and fallbacks have no duration: they are instants.
//!
//! The recording is read twice, first for the arrows, and no event is kept.

mod causes;
mod packets;
mod tracks;

use std::{
    fmt::Write as _,
    io::{BufRead, Write},
};

use anyhow::Result;
use prost::Message as _;
use rustc_hash::FxHashMap;

use self::{
    causes::Causes,
    packets::{Annotations, DebugAnnotation, PacketWriter, TrackEvent, kind},
    tracks::{Role, TaskNumber, Track, Tracks},
};
use crate::{
    aggregate::{SiteLabel, narrow::Narrowing, occurrence::Occurrence},
    plan::Kind,
    recording::Reader,
};

/// Writes the trace to `out`, from what `open` reads from its beginning each time, and gives back the reader at its
/// end. What it cannot read any more is left out, as [`Reader::ending`] tells. Events that `wanted` does not take are
/// left out too.
///
/// # Errors
///
/// When the recording cannot be opened, or the trace cannot be written.
pub fn trace<R: BufRead>(
    open: impl Fn() -> Result<Reader<R>>,
    wanted: &Narrowing,
    out: impl Write,
) -> Result<Reader<R>> {
    let causes = causes(&mut open()?, wanted);
    let mut reader = open()?;
    let mut packets = PacketWriter::new(out);
    let tracks = Tracks::begin(&mut packets)?;
    let mut drawing = Drawing {
        packets,
        tracks,
        causes,
        waits: 0,
        owned: 0,
        stacks: FxHashMap::default(),
        annotations: Annotations::default(),
        annotated: Vec::new(),
        slice: TrackEvent::default(),
        end: TrackEvent::default(),
        text: String::new(),
    };
    while let Some(event) = reader.next_event() {
        if is_wanted(&reader, &event, wanted) {
            drawing.event(&reader, &event)?;
        }
    }
    drawing.packets.finish()?;
    Ok(reader)
}

fn is_wanted<R: BufRead>(reader: &Reader<R>, event: &Occurrence, wanted: &Narrowing) -> bool {
    if wanted.is_everything() {
        return true;
    }
    let frames: Vec<&str> = reader.frames(event).collect();
    let label = reader.site(event);
    label.is_none_or(|label| wanted.takes(label, event, &frames))
}

fn causes<R: BufRead>(reader: &mut Reader<R>, wanted: &Narrowing) -> Causes {
    let mut causes = Causes::default();
    while let Some(event) = reader.next_event_about_holds() {
        if !is_wanted(reader, &event, wanted) {
            continue;
        }
        if reader.site(&event).is_some_and(is_hold) {
            causes.hold(&event);
        } else {
            causes.wait(&event);
        }
    }
    causes.finish();
    causes
}

fn is_hold(label: &SiteLabel) -> bool {
    label.kind == Kind::Write
}

/// The number of the arrow from a wait to its hold; numbers of arrows to owners are odd.
fn arrow_to_hold(wait: u32) -> u64 {
    2 * u64::from(wait)
}

struct Drawing<W> {
    packets: PacketWriter<W>,
    tracks: Tracks,
    causes: Causes,
    /// Waits so far that name their hold.
    waits: u32,
    /// Waits so far that have an owner.
    owned: u64,
    /// What stacks are called in annotations, by their numbers; those without frames not at all.
    stacks: FxHashMap<u32, Option<u64>>,
    /// What is told about an event, and the same encoded.
    annotations: Annotations,
    annotated: Vec<u8>,
    /// What is drawn on each track of an event, and what ends it: both are used again for the next.
    slice: TrackEvent,
    end: TrackEvent,
    text: String,
}

impl<W: Write> Drawing<W> {
    fn event<R: BufRead>(&mut self, reader: &Reader<R>, event: &Occurrence) -> Result<()> {
        let Some(label) = reader.site(event) else {
            return Ok(());
        };
        let task = self.tracks.task(&mut self.packets, event.tid, &event.comm);
        let owner = event.owner_tid;
        let owner_comm = event.owner_comm.as_deref().unwrap_or("?");
        let owner = owner.map(|tid| self.tracks.task(&mut self.packets, tid, owner_comm));
        self.annotate(reader, event, label, (task, owner))?;
        self.name(format_args!("{} [{}]", label.seqcount, label.kind.word()));
        if is_hold(label) {
            let waits = self.causes.waits_for(event);
            let arrows = waits.map(|wait| arrow_to_hold(wait.get()));
            self.end.terminating_flow_ids.extend(arrows);
            return self.draw(Track::Task(Role::Writer, task), event);
        }
        self.draw(Track::Cpu(event.cpu), event)?;
        let to_hold = self.arrow_to_hold(event);
        self.slice.flow_ids.extend(to_hold);
        let reader = Track::Task(Role::Reader, task);
        let Some(owner) = owner else {
            return self.draw(reader, event);
        };
        let to_owner = 2 * self.owned + 1;
        self.owned += 1;
        self.slice.flow_ids.push(to_owner);
        self.draw(reader, event)?;
        self.name(format_args!("{} waits for {}", event.comm, label.seqcount));
        self.slice.terminating_flow_ids.push(to_owner);
        self.draw(Track::Task(Role::Owner, owner), event)
    }

    /// The arrow of a wait to its hold, where that is recorded.
    fn arrow_to_hold(&mut self, event: &Occurrence) -> Option<u64> {
        event.hold?;
        self.waits = self.waits.checked_add(1)?;
        let is_known = self.causes.has(self.waits) && self.causes.is_recorded(event);
        is_known.then(|| arrow_to_hold(self.waits))
    }

    /// Draws the slice of the time of `event`, or an instant where it has none; its arrows are used up.
    fn draw(&mut self, track: Track, event: &Occurrence) -> Result<()> {
        let Self {
            packets,
            tracks,
            annotated,
            slice,
            end,
            ..
        } = self;
        let (began_ns, ended_ns) = (event.began_ns(), event.time_ns);
        slice.track_uuid = tracks.lane(packets, track, (began_ns, ended_ns))?;
        if ended_ns > began_ns {
            slice.r#type = kind::BEGIN;
            packets.event(began_ns, annotated, slice)?;
            end.r#type = kind::END;
            end.track_uuid = slice.track_uuid;
            packets.event(ended_ns, &[], end)?;
        } else {
            slice.r#type = kind::INSTANT;
            slice
                .terminating_flow_ids
                .append(&mut end.terminating_flow_ids);
            packets.event(began_ns, annotated, slice)?;
        }
        slice.flow_ids.clear();
        slice.terminating_flow_ids.clear();
        end.terminating_flow_ids.clear();
        Ok(())
    }

    fn name(&mut self, name: std::fmt::Arguments<'_>) {
        self.text.clear();
        // A string takes everything.
        let _ = self.text.write_fmt(name);
        self.slice.name_iid = Some(self.packets.event_name(&self.text));
    }

    /// What is told about a slice that is selected.
    fn annotate<R: BufRead>(
        &mut self,
        reader: &Reader<R>,
        event: &Occurrence,
        label: &SiteLabel,
        (task, owner): (TaskNumber, Option<TaskNumber>),
    ) -> Result<()> {
        self.annotations.debug_annotations.clear();
        let packets = &mut self.packets;
        let site = packets.value(&label.site);
        let who = if is_hold(label) { "writer" } else { "reader" };
        let slept = event.slept.then(|| packets.value("yes"));
        let stack = event.stack.and_then(|stack| {
            let value = || {
                let frames: Vec<&str> = reader.frames(event).collect();
                (!frames.is_empty()).then(|| packets.value(&frames.join(";")))
            };
            *self.stacks.entry(stack).or_insert_with(value)
        });
        let told = [
            ("site", None, Some(site)),
            (who, None, Some(self.tracks.value(task))),
            ("owner", None, owner.map(|owner| self.tracks.value(owner))),
            ("slept", None, slept),
            ("retries", event.retries, None),
            ("stack", None, stack),
        ];
        for (name, uint_value, string_value_iid) in told {
            if uint_value.is_none() && string_value_iid.is_none() {
                continue;
            }
            self.annotations.debug_annotations.push(DebugAnnotation {
                name_iid: self.packets.annotation_name(name),
                uint_value,
                string_value_iid,
            });
        }
        self.annotated.clear();
        self.annotations.encode(&mut self.annotated)?;
        Ok(())
    }
}
