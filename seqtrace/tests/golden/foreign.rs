//! Formats of other tools, read by what is not ours: the schema that speedscope publishes, and a reader of
//! the protobuf encoding that knows nothing of our messages.

use std::{collections::BTreeMap, fs, io::Read as _};

use seqtrace::{
    aggregate::{SiteLabel, occurrence::Occurrence, snapshot::Snapshot},
    export::{perfetto, pprof, speedscope},
    plan::{Backend, Kind},
    recording::{FORMAT, Header, Reader, Writer},
};
use serde_json::Value;

use super::{data, schema, snapshot};

/// A field of a message.
#[derive(Clone, Debug, PartialEq)]
enum Field {
    Number(u64),
    Bytes(Vec<u8>),
}

/// The fields of a message by their numbers, in their order (protobuf's wire format).
type Fields = BTreeMap<u64, Vec<Field>>;

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..).step_by(7) {
        let (byte, rest) = bytes.split_first().expect("a byte");
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}

fn fields(mut bytes: &[u8]) -> Fields {
    let mut fields = Fields::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => {
                let (number, rest) = bytes.split_first_chunk().expect("eight bytes");
                bytes = rest;
                Field::Number(u64::from_le_bytes(*number))
            }
            2 => {
                let length = varint(&mut bytes) as usize;
                let (inside, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(inside.to_vec())
            }
            other => panic!("wire type {other}"),
        };
        fields.entry(key >> 3).or_default().push(field);
    }
    fields
}

fn numbers(fields: &Fields, number: u64) -> Vec<u64> {
    let found = fields.get(&number).into_iter().flatten();
    found
        .flat_map(|field| match field {
            Field::Number(number) => vec![*number],
            Field::Bytes(packed) => {
                let mut packed = packed.as_slice();
                std::iter::from_fn(|| (!packed.is_empty()).then(|| varint(&mut packed))).collect()
            }
        })
        .collect()
}

fn messages(fields: &Fields, number: u64) -> Vec<Fields> {
    texts(fields, number)
        .iter()
        .map(|bytes| self::fields(bytes))
        .collect()
}

fn texts(fields: &Fields, number: u64) -> Vec<Vec<u8>> {
    let found = fields.get(&number).into_iter().flatten();
    found
        .map(|field| match field {
            Field::Bytes(bytes) => bytes.clone(),
            Field::Number(number) => panic!("{number} is no message"),
        })
        .collect()
}

fn totals(snapshot: &Snapshot) -> [u64; 2] {
    let rows = snapshot.rows.iter();
    let events = rows.clone().map(|row| row.count).sum();
    [events, rows.map(|row| row.total_ns).sum()]
}

#[test]
fn pprof_has_the_totals_of_the_table() {
    for name in ["realtime", "losses"] {
        let snapshot = snapshot(name);
        let packed = pprof::profile(&snapshot);
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice())
            .read_to_end(&mut bytes)
            .expect("gzip");
        // profile.proto: 1 sample_type, 2 sample, 4 location, 5 function, 6 string_table.
        let profile = fields(&bytes);
        let strings = texts(&profile, 6);
        assert_eq!(strings[0], b"");
        let text = |number: u64| String::from_utf8(strings[number as usize].clone()).expect("text");
        let types = messages(&profile, 1);
        let units: Vec<String> = types.iter().map(|kind| text(numbers(kind, 2)[0])).collect();
        assert_eq!(units, ["count", "nanoseconds"]);
        let samples = messages(&profile, 2);
        let sum = |at: usize| {
            samples
                .iter()
                .map(|sample| numbers(sample, 2)[at])
                .sum::<u64>()
        };
        assert_eq!([sum(0), sum(1)], totals(&snapshot), "{name}");
        let functions = messages(&profile, 5);
        let locations = messages(&profile, 4);
        for sample in &samples {
            let ids = numbers(sample, 1);
            let names: Vec<String> = ids
                .iter()
                .map(|id| {
                    let location = &locations[*id as usize - 1];
                    assert_eq!(numbers(location, 1), [*id]);
                    let function = numbers(&messages(location, 4)[0], 1)[0];
                    text(numbers(&functions[function as usize - 1], 2)[0])
                })
                .collect();
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
    for name in ["realtime", "losses", "quiet"] {
        let snapshot = snapshot(name);
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
    let drawn = perfetto::trace(&mut Reader::open(bytes.as_slice()).expect("a recording"));
    // trace_packet.proto: 8 timestamp, 11 track_event, 60 track_descriptor.
    let packets = messages(&fields(&drawn), 1);
    let mut tracks = BTreeMap::new();
    let mut told = Vec::new();
    for packet in &packets {
        assert_eq!(numbers(packet, 10), [1], "one sequence");
        for track in messages(packet, 60) {
            let name = String::from_utf8(texts(&track, 2)[0].clone()).expect("text");
            tracks.insert(numbers(&track, 1)[0], name);
        }
        for event in messages(packet, 11) {
            let on = tracks[&numbers(&event, 11)[0]].clone();
            let kind = ["", "begin", "end", "instant"][numbers(&event, 9)[0] as usize];
            let flows = (numbers(&event, 47).len(), numbers(&event, 48).len());
            told.push((on, kind, numbers(packet, 8)[0], flows));
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
