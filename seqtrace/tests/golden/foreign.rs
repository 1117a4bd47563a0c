//! Formats of other tools, read by what is not ours: the definitions that pprof, Perfetto and speedscope
//! publish.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read as _,
};

use prost_reflect::DynamicMessage;
use seqtrace::{
    aggregate::{
        SiteLabel,
        narrow::Narrowing,
        occurrence::{HoldBegin, Occurrence},
        snapshot::Snapshot,
    },
    export::{perfetto, pprof, speedscope},
    plan::{Backend, Kind},
    recording::{Entry, FORMAT, Header, Reader, Writer},
};
use serde_json::Value;

use super::{
    data,
    published::{self, Published, inside, messages, number, numbers, text},
    schema, snapshot,
};

fn totals(snapshot: &Snapshot) -> [u64; 2] {
    let rows = snapshot.rows.iter();
    let events = rows.clone().map(|row| row.count).sum();
    [events, rows.map(|row| row.total_ns).sum()]
}

/// A recording of a real kernel, made by `seqtrace record`.
const RECORDED: &[u8] = include_bytes!("../data/recordings/6.12-rt.seqtrace");

fn recorded() -> Reader<&'static [u8]> {
    Reader::open(RECORDED).expect("a recording")
}

/// The snapshots of these names, and the last one of the recording.
fn snapshots<'a>(names: &'a [&str]) -> impl Iterator<Item = (&'a str, Snapshot)> {
    let last = recorded().last_snapshot().expect("it has one").snapshot;
    let made = names.iter().map(|name| (*name, snapshot(name)));
    made.chain([("recorded", last)])
}

#[test]
fn pprof_has_the_totals_of_the_table() {
    let published = Published::compile("profile.proto");
    for (name, snapshot) in snapshots(&["realtime", "losses"]) {
        let packed = pprof::profile(&snapshot);
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice())
            .read_to_end(&mut bytes)
            .expect("gzip");
        let profile = published.read("perftools.profiles.Profile", &bytes);
        let strings = published::texts(&profile, "string_table");
        assert_eq!(strings[0], "");
        let text = |number: u64| strings[number as usize].as_str();
        let types = messages(&profile, "sample_type");
        let units = types.iter().map(|kind| text(number(kind, "unit")));
        assert_eq!(units.collect::<Vec<_>>(), ["count", "nanoseconds"]);
        let samples = messages(&profile, "sample");
        let values = samples.iter().map(|sample| numbers(sample, "value"));
        let sums = values.fold([0, 0], |sums, of| [sums[0] + of[0], sums[1] + of[1]]);
        assert_eq!(sums, totals(&snapshot), "{name}");
        let functions = messages(&profile, "function");
        let locations = messages(&profile, "location");
        for sample in &samples {
            let ids = numbers(sample, "location_id");
            let function = |id: &u64| {
                let location = &locations[*id as usize - 1];
                assert_eq!(number(location, "id"), *id);
                let line = &messages(location, "line")[0];
                let function = &functions[number(line, "function_id") as usize - 1];
                text(number(function, "name"))
            };
            let names: Vec<&str> = ids.iter().map(function).collect();
            assert!(
                names[0].ends_with(']'),
                "the seqcount is innermost: {names:?}"
            );
        }
    }
}

#[test]
fn speedscope_takes_the_document() {
    let path = data("schemas/speedscope.json");
    let published = fs::read_to_string(path).expect("the schema is there");
    let published: Value = serde_json::from_str(&published).expect("JSON");
    for (name, snapshot) in snapshots(&["realtime", "losses", "quiet"]) {
        let document = speedscope::document(&snapshot);
        let document: Value = serde_json::from_str(&document).expect("JSON");
        assert_eq!(
            schema::violations_of(&published, &document),
            Vec::<String>::new(),
            "{name}"
        );
        let sums = [1, 0].map(|at| {
            let weights = document["profiles"][at]["weights"]
                .as_array()
                .expect("a list");
            weights.iter().filter_map(Value::as_u64).sum::<u64>()
        });
        assert_eq!(sums, totals(&snapshot), "{name}");
    }
    let wrong =
        serde_json::json!({"$schema": "https://www.speedscope.app/file-format-schema.json"});
    assert_ne!(
        schema::violations_of(&published, &wrong),
        Vec::<String>::new()
    );
}

/// The trace of a recording.
fn drawn(recording: &[u8]) -> Vec<u8> {
    let mut trace = Vec::new();
    let open = || Reader::open(recording);
    perfetto::trace(open, &Narrowing::default(), &mut trace).expect("memory takes it");
    trace
}

fn waits() -> Vec<u8> {
    let header = Header {
        format: FORMAT,
        ..Header::default()
    };
    let label = || SiteLabel {
        seqcount: "rename_lock".to_owned(),
        lockname: None,
        image: "vmlinux".to_owned(),
        site: "d_lookup+0x4b".to_owned(),
        kind: Kind::Block,
        backend: Backend::Probe,
    };
    let mut writer = Writer::begin(Vec::new(), &header).expect("memory takes it");
    // The second begins while the first goes on; the third is a retry.
    for (time_ns, duration_ns, owner_tid) in [(100, 80, Some(7)), (150, 90, None), (200, 0, None)] {
        let event = Occurrence {
            time_ns,
            duration_ns,
            site: 1,
            tid: 5,
            comm: "reader".to_owned(),
            owner_tid,
            owner_comm: owner_tid.map(|_| "writer".to_owned()),
            retries: owner_tid.map(|_| 3),
            stack: Some(3),
            ..Occurrence::default()
        };
        let frames = || vec!["getcwd".to_owned()];
        writer
            .event(&event, label, frames)
            .expect("memory takes it");
    }
    writer.finish().expect("memory takes it")
}

#[test]
fn perfetto_has_a_slice_for_each_wait_and_an_arrow_to_its_owner() {
    let bytes = waits();
    let drawn = drawn(&bytes);
    let published = Published::compile("perfetto_trace.proto.zst");
    let trace = published.read("perfetto.protos.Trace", &drawn);
    let mut tracks = BTreeMap::new();
    let mut told = Vec::new();
    for packet in messages(&trace, "packet") {
        assert_eq!(number(&packet, "trusted_packet_sequence_id"), 1);
        if let Some(track) = inside(&packet, "track_descriptor") {
            tracks.insert(number(&track, "uuid"), text(&track, "name"));
        }
        if let Some(event) = inside(&packet, "track_event") {
            let on = tracks[&number(&event, "track_uuid")].clone();
            let kind = ["", "begin", "end", "instant"][number(&event, "type") as usize];
            let flows = ["flow_ids", "terminating_flow_ids"];
            let [from, to] = flows.map(|field| numbers(&event, field).len());
            told.push((on, kind, number(&packet, "timestamp"), (from, to)));
        }
    }
    let cpu = told.iter().filter(|(on, ..)| on == "CPU 0");
    let expected = [
        ("begin", 20),
        ("end", 100),
        ("begin", 60),
        ("end", 150),
        ("instant", 200),
    ];
    assert_eq!(
        cpu.map(|(_, kind, at, _)| (*kind, *at)).collect::<Vec<_>>(),
        expected
    );
    assert!(
        told.contains(&("reader/5".to_owned(), "begin", 20, (1, 0))),
        "{told:?}"
    );
    assert!(
        told.contains(&("writer/7".to_owned(), "begin", 20, (0, 1))),
        "{told:?}"
    );
    let lanes = tracks.values().filter(|name| *name == "CPU 0").count();
    assert_eq!(lanes, 2, "two waits went on at once: {tracks:?}");
}

/// Two holds, two waits for the first of them, one for a hold that is not recorded.
fn waits_and_holds() -> Vec<u8> {
    let header = Header {
        format: FORMAT,
        ..Header::default()
    };
    let label = |kind, site: &str| SiteLabel {
        seqcount: "rename_lock".to_owned(),
        lockname: None,
        image: "vmlinux".to_owned(),
        site: site.to_owned(),
        kind,
        backend: Backend::Probe,
    };
    let mut writer = Writer::begin(Vec::new(), &header).expect("memory takes it");
    let hold = |began_ns| Some(HoldBegin { site: 2, began_ns });
    for (site, time_ns, duration_ns, tid, hold) in [
        (2, 100, 90, 7, None),
        (1, 95, 70, 5, hold(10)),
        (1, 120, 80, 6, hold(10)),
        (1, 150, 20, 6, hold(110)),
        (2, 200, 50, 7, None),
    ] {
        let event = Occurrence {
            time_ns,
            duration_ns,
            site,
            tid,
            comm: if site == 2 { "writer" } else { "reader" }.to_owned(),
            hold,
            ..Occurrence::default()
        };
        let label = || match site {
            2 => label(Kind::Write, "d_move+0x40"),
            _ => label(Kind::Spin, "d_lookup+0x4b"),
        };
        writer
            .event(&event, label, Vec::new)
            .expect("memory takes it");
    }
    writer.finish().expect("memory takes it")
}

#[test]
fn perfetto_has_a_track_of_holds_and_an_arrow_from_each_wait_to_its_own() {
    let bytes = waits_and_holds();
    let drawn = drawn(&bytes);
    let published = Published::compile("perfetto_trace.proto.zst");
    let trace = published.read("perfetto.protos.Trace", &drawn);
    let packets = messages(&trace, "packet");
    let tracks = packets.iter();
    let tracks = tracks.filter_map(|packet| inside(packet, "track_descriptor"));
    let tracks: BTreeMap<u64, String> = tracks
        .map(|track| (number(&track, "uuid"), text(&track, "name")))
        .collect();
    let (mut holds, mut from, mut to) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    for packet in &packets {
        let Some(event) = inside(packet, "track_event") else {
            continue;
        };
        let on = &tracks[&number(&event, "track_uuid")];
        let at = number(packet, "timestamp");
        if on == "writer/7" {
            holds.push((number(&event, "type"), at));
        }
        for flow in numbers(&event, "flow_ids") {
            assert_eq!(from.insert(flow, (on.clone(), at)), None);
        }
        for flow in numbers(&event, "terminating_flow_ids") {
            assert_eq!(to.insert(flow, (on.clone(), at)), None);
        }
    }
    assert_eq!(holds, [(1, 10), (2, 100), (1, 150), (2, 200)]);
    let arrows: Vec<_> = from
        .iter()
        .map(|(flow, begin)| (begin, &to[flow]))
        .collect();
    let end = ("writer/7".to_owned(), 100);
    let begins = [("reader/5".to_owned(), 25), ("reader/6".to_owned(), 40)];
    assert_eq!(arrows, [(&begins[0], &end), (&begins[1], &end)]);
    assert_eq!(to.len(), 2);
    assert!(tracks.values().any(|name| name == "Holds by writer"));
    let on_cpus = tracks.iter().filter(|(_, name)| name.starts_with("CPU"));
    let on_cpus: Vec<u64> = on_cpus.map(|(uuid, _)| *uuid).collect();
    let events = packets.iter();
    let events = events.filter_map(|packet| inside(packet, "track_event"));
    let begun = events.filter(|event| {
        on_cpus.contains(&number(event, "track_uuid")) && number(event, "type") == 1
    });
    assert_eq!(begun.count(), 3, "a hold is no wait");
}

#[test]
fn perfetto_takes_each_event_of_a_real_recording() {
    let mut reader = recorded();
    let mut events = 0;
    while let Some(entry) = reader.next(true) {
        events += u64::from(matches!(entry, Entry::Event(_)));
    }
    let drawn = drawn(RECORDED);
    let published = Published::compile("perfetto_trace.proto.zst");
    let trace = published.read("perfetto.protos.Trace", &drawn);
    let packets = messages(&trace, "packet");
    let tracks = packets
        .iter()
        .filter_map(|packet| inside(packet, "track_descriptor"));
    let cpus: BTreeSet<u64> = tracks
        .filter(|track| text(track, "name").starts_with("CPU "))
        .map(|track| number(&track, "uuid"))
        .collect();
    let mut begun = 0;
    let mut ended = 0;
    for event in packets
        .iter()
        .filter_map(|packet| inside(packet, "track_event"))
    {
        let on_cpu = u64::from(cpus.contains(&number(&event, "track_uuid")));
        match number(&event, "type") {
            2 => ended += on_cpu,
            _ => begun += on_cpu,
        }
    }
    assert!(
        events > 20 && ended > 20,
        "{events} events, {ended} of them last"
    );
    assert_eq!(begun, events);
}

/// Texts that a packet gives numbers, by the number; none may be given twice.
fn learn(packet: &DynamicMessage, field: &str, of: &str, known: &mut BTreeMap<u64, String>) {
    let Some(data) = inside(packet, "interned_data") else {
        return;
    };
    for entry in messages(&data, field) {
        let text = match entry.get_field_by_name(of).expect("it has one").as_ref() {
            prost_reflect::Value::Bytes(bytes) => String::from_utf8(bytes.to_vec()).expect("UTF-8"),
            value => value.as_str().expect("text").to_owned(),
        };
        let iid = number(&entry, "iid");
        assert_ne!(iid, 0, "{text}");
        assert_eq!(known.insert(iid, text), None, "{field} {iid}");
    }
}

#[test]
fn perfetto_finds_the_text_behind_each_number() {
    let published = Published::compile("perfetto_trace.proto.zst");
    let (mut names, mut keys, mut values) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut told = BTreeSet::new();
    let trace = published.read("perfetto.protos.Trace", &drawn(&waits()));
    for (index, packet) in messages(&trace, "packet").iter().enumerate() {
        // SEQ_INCREMENTAL_STATE_CLEARED, then SEQ_NEEDS_INCREMENTAL_STATE.
        let flags = if index == 0 { 1 } else { 2 };
        assert_eq!(number(packet, "sequence_flags"), flags);
        learn(packet, "event_names", "name", &mut names);
        learn(packet, "debug_annotation_names", "name", &mut keys);
        learn(packet, "debug_annotation_string_values", "str", &mut values);
        let Some(event) = inside(packet, "track_event") else {
            continue;
        };
        let is_end = number(&event, "type") == 2;
        assert_eq!(event.has_field_by_name("name_iid"), !is_end);
        let name = names.get(&number(&event, "name_iid"));
        for annotation in messages(&event, "debug_annotations") {
            let key = &keys[&number(&annotation, "name_iid")];
            let value = if annotation.has_field_by_name("uint_value") {
                number(&annotation, "uint_value").to_string()
            } else {
                values[&number(&annotation, "string_value_iid")].clone()
            };
            told.insert(format!("{}: {key} {value}", name.expect("it is known")));
        }
    }
    let expected = [
        "reader waits for rename_lock: owner writer/7",
        "reader waits for rename_lock: reader reader/5",
        "reader waits for rename_lock: retries 3",
        "reader waits for rename_lock: site d_lookup+0x4b",
        "reader waits for rename_lock: stack getcwd",
        "rename_lock [block]: owner writer/7",
        "rename_lock [block]: reader reader/5",
        "rename_lock [block]: retries 3",
        "rename_lock [block]: site d_lookup+0x4b",
        "rename_lock [block]: stack getcwd",
    ];
    assert_eq!(Vec::from_iter(told), expected);
}
