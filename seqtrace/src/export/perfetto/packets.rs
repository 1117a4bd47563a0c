//! Packets of a Perfetto trace, as far as they are needed: field numbers of `trace_packet.proto`,
//! `interned_data.proto`, `track_event.proto`, `track_descriptor.proto` and `debug_annotation.proto`. A text is
//! written once, and meant by its number from then on.

use std::{
    io::{self, Write},
    mem,
};

use prost::Message;
use rustc_hash::FxHashMap;

/// Kinds of track events.
pub(super) mod kind {
    /// A slice begins.
    pub(in super::super) const BEGIN: i32 = 1;
    /// The slice that began last on the track ends.
    pub(in super::super) const END: i32 = 2;
    /// Something without a duration.
    pub(in super::super) const INSTANT: i32 = 3;
}

/// All packets come from one writer, so that their order is kept where times are equal.
const SEQUENCE: u32 = 1;

/// `SEQ_INCREMENTAL_STATE_CLEARED`: no number of a text means anything yet.
const CLEARED: u32 = 1;
/// `SEQ_NEEDS_INCREMENTAL_STATE`: the packet has numbers of texts that came before.
const NEEDS_TEXTS: u32 = 2;

/// What stands before each packet: field 1 of `Trace`, of which it is told how long it is.
const PACKET: u8 = 1 << 3 | 2;

/// So many bytes are written at once.
const CHUNK_BYTES: usize = 1 << 18;

#[derive(Clone, PartialEq, Message)]
struct TracePacket {
    #[prost(uint64, optional, tag = "8")]
    timestamp: Option<u64>,
    #[prost(uint32, tag = "10")]
    trusted_packet_sequence_id: u32,
    /// An encoded `TrackEvent`.
    #[prost(bytes = "vec", optional, tag = "11")]
    track_event: Option<Vec<u8>>,
    #[prost(message, optional, tag = "12")]
    interned_data: Option<InternedData>,
    #[prost(uint32, tag = "13")]
    sequence_flags: u32,
    #[prost(message, optional, tag = "60")]
    track_descriptor: Option<TrackDescriptor>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TrackDescriptor {
    #[prost(uint64, tag = "1")]
    pub(super) uuid: u64,
    #[prost(string, tag = "2")]
    pub(super) name: String,
    #[prost(uint64, optional, tag = "5")]
    pub(super) parent_uuid: Option<u64>,
}

/// The part of a `TrackEvent` that is the same wherever an event is drawn.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Annotations {
    #[prost(message, repeated, tag = "4")]
    pub(super) debug_annotations: Vec<DebugAnnotation>,
}

/// The rest of a `TrackEvent`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TrackEvent {
    #[prost(int32, tag = "9")]
    pub(super) r#type: i32,
    #[prost(uint64, optional, tag = "10")]
    pub(super) name_iid: Option<u64>,
    #[prost(uint64, tag = "11")]
    pub(super) track_uuid: u64,
    #[prost(fixed64, repeated, packed = "false", tag = "47")]
    pub(super) flow_ids: Vec<u64>,
    #[prost(fixed64, repeated, packed = "false", tag = "48")]
    pub(super) terminating_flow_ids: Vec<u64>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct DebugAnnotation {
    #[prost(uint64, tag = "1")]
    pub(super) name_iid: u64,
    #[prost(uint64, optional, tag = "3")]
    pub(super) uint_value: Option<u64>,
    #[prost(uint64, optional, tag = "17")]
    pub(super) string_value_iid: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct InternedData {
    #[prost(message, repeated, tag = "2")]
    event_names: Vec<InternedText>,
    #[prost(message, repeated, tag = "3")]
    debug_annotation_names: Vec<InternedText>,
    #[prost(message, repeated, tag = "29")]
    debug_annotation_string_values: Vec<InternedText>,
}

/// `EventName`, `DebugAnnotationName` and `InternedString`, which are written alike.
#[derive(Clone, PartialEq, Message)]
struct InternedText {
    #[prost(uint64, tag = "1")]
    iid: u64,
    #[prost(string, tag = "2")]
    text: String,
}

/// Which texts have which numbers: from 1, because 0 is none.
#[derive(Default)]
struct Numbers(FxHashMap<Box<str>, u64>);

impl Numbers {
    /// The number of a text; one that is new is added to `unwritten`.
    fn of(&mut self, text: &str, unwritten: &mut Vec<InternedText>) -> u64 {
        if let Some(number) = self.0.get(text) {
            return *number;
        }
        let iid = self.0.len() as u64 + 1;
        self.0.insert(text.into(), iid);
        unwritten.push(InternedText {
            iid,
            text: text.to_owned(),
        });
        iid
    }
}

/// Writes packets one after the other: a trace is nothing but its packets in a row.
pub(super) struct PacketWriter<W> {
    out: W,
    /// What is not written yet.
    bytes: Vec<u8>,
    packet: TracePacket,
    /// Room for an encoded event.
    event: Vec<u8>,
    event_names: Numbers,
    annotation_names: Numbers,
    values: Numbers,
    /// Texts that no packet has told yet.
    unwritten: InternedData,
}

impl<W: Write> PacketWriter<W> {
    pub(super) fn new(out: W) -> Self {
        let packet = TracePacket {
            trusted_packet_sequence_id: SEQUENCE,
            sequence_flags: CLEARED,
            ..TracePacket::default()
        };
        Self {
            out,
            bytes: Vec::with_capacity(2 * CHUNK_BYTES),
            packet,
            event: Vec::new(),
            event_names: Numbers::default(),
            annotation_names: Numbers::default(),
            values: Numbers::default(),
            unwritten: InternedData::default(),
        }
    }

    /// The number of the name of a slice, for the packets that follow.
    pub(super) fn event_name(&mut self, name: &str) -> u64 {
        let unwritten = &mut self.unwritten.event_names;
        self.event_names.of(name, unwritten)
    }

    /// The number of the name of an annotation, for the packets that follow.
    pub(super) fn annotation_name(&mut self, name: &str) -> u64 {
        let unwritten = &mut self.unwritten.debug_annotation_names;
        self.annotation_names.of(name, unwritten)
    }

    /// The number of what an annotation says, for the packets that follow.
    pub(super) fn value(&mut self, value: &str) -> u64 {
        let unwritten = &mut self.unwritten.debug_annotation_string_values;
        self.values.of(value, unwritten)
    }

    /// Tells of a track.
    pub(super) fn track(&mut self, track: TrackDescriptor) -> io::Result<()> {
        self.packet.timestamp = None;
        self.packet.track_descriptor = Some(track);
        self.write()?;
        self.packet.track_descriptor = None;
        Ok(())
    }

    /// Tells of what happened at `time_ns`. `annotations` are encoded [`Annotations`], or nothing.
    pub(super) fn event(
        &mut self,
        time_ns: u64,
        annotations: &[u8],
        event: &TrackEvent,
    ) -> io::Result<()> {
        let mut bytes = mem::take(&mut self.event);
        bytes.clear();
        // A message is what its parts are, one after the other.
        bytes.extend_from_slice(annotations);
        event.encode(&mut bytes).map_err(io::Error::other)?;
        self.packet.timestamp = Some(time_ns);
        self.packet.track_event = Some(bytes);
        self.write()?;
        self.event = self.packet.track_event.take().unwrap_or_default();
        Ok(())
    }

    /// Writes what is left.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.out.write_all(&self.bytes)?;
        self.out.flush()
    }

    fn write(&mut self) -> io::Result<()> {
        let has_texts = self.unwritten != InternedData::default();
        self.packet.interned_data = has_texts.then(|| mem::take(&mut self.unwritten));
        self.bytes.push(PACKET);
        let encoded = self.packet.encode_length_delimited(&mut self.bytes);
        encoded.map_err(io::Error::other)?;
        self.packet.sequence_flags = NEEDS_TEXTS;
        if self.bytes.len() >= CHUNK_BYTES {
            self.out.write_all(&self.bytes)?;
            self.bytes.clear();
        }
        Ok(())
    }
}
