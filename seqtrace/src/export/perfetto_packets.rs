//! Packets of a Perfetto trace, as far as they are needed: field numbers of `trace_packet.proto`,
//! `track_event.proto`, `track_descriptor.proto` and `debug_annotation.proto`.

use prost::Message;

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

#[derive(Clone, PartialEq, Message)]
struct Trace {
    #[prost(message, repeated, tag = "1")]
    packet: Vec<TracePacket>,
}

#[derive(Clone, PartialEq, Message)]
struct TracePacket {
    #[prost(uint64, optional, tag = "8")]
    timestamp: Option<u64>,
    #[prost(uint32, tag = "10")]
    trusted_packet_sequence_id: u32,
    #[prost(message, optional, tag = "11")]
    track_event: Option<TrackEvent>,
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

#[derive(Clone, PartialEq, Message)]
pub(super) struct TrackEvent {
    #[prost(message, repeated, tag = "4")]
    pub(super) debug_annotations: Vec<DebugAnnotation>,
    #[prost(int32, tag = "9")]
    pub(super) r#type: i32,
    #[prost(uint64, tag = "11")]
    pub(super) track_uuid: u64,
    #[prost(string, optional, tag = "23")]
    pub(super) name: Option<String>,
    #[prost(fixed64, repeated, packed = "false", tag = "47")]
    pub(super) flow_ids: Vec<u64>,
    #[prost(fixed64, repeated, packed = "false", tag = "48")]
    pub(super) terminating_flow_ids: Vec<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct DebugAnnotation {
    #[prost(string, tag = "10")]
    pub(super) name: String,
    #[prost(string, tag = "6")]
    pub(super) string_value: String,
}

/// Writes packets one after the other: a trace is nothing but its packets in a row.
#[derive(Default)]
pub(super) struct PacketWriter(Vec<u8>);

impl PacketWriter {
    /// Tells of a track.
    pub(super) fn track(&mut self, track: TrackDescriptor) {
        self.packet(TracePacket {
            timestamp: None,
            trusted_packet_sequence_id: SEQUENCE,
            track_event: None,
            track_descriptor: Some(track),
        });
    }

    /// Tells of what happened at `time_ns`.
    pub(super) fn event(&mut self, time_ns: u64, event: TrackEvent) {
        self.packet(TracePacket {
            timestamp: Some(time_ns),
            trusted_packet_sequence_id: SEQUENCE,
            track_event: Some(event),
            track_descriptor: None,
        });
    }

    /// The trace.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn packet(&mut self, packet: TracePacket) {
        let trace = Trace {
            packet: vec![packet],
        };
        trace.encode(&mut self.0).expect("memory takes everything");
    }
}
