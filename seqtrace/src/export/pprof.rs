//! A snapshot → a profile for pprof (`profile.proto` of google/pprof, gzip): two values for each stack of
//! readers, how often they waited or retried and the nanoseconds they lost.

use std::collections::HashMap;

use flate2::{Compression, GzBuilder};
use prost::Message;

use crate::{
    aggregate::snapshot::Snapshot,
    export::{samples, samples::Sample, table::headline},
};

#[derive(Clone, PartialEq, Message)]
struct Profile {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<Counted>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "10")]
    duration_nanos: i64,
    #[prost(int64, repeated, tag = "13")]
    comment: Vec<i64>,
    #[prost(int64, tag = "14")]
    default_sample_type: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    kind: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

/// `Sample` of the format.
#[derive(Clone, PartialEq, Message)]
struct Counted {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
    #[prost(int64, tag = "3")]
    system_name: i64,
}

/// The strings of a profile; the first is empty, as the format asks for.
struct Strings {
    table: Vec<String>,
    known: HashMap<String, i64>,
}

impl Strings {
    fn new() -> Self {
        Self {
            table: vec![String::new()],
            known: HashMap::from([(String::new(), 0)]),
        }
    }

    fn number(&mut self, text: &str) -> i64 {
        if let Some(number) = self.known.get(text) {
            return *number;
        }
        let number = self.table.len() as i64;
        self.table.push(text.to_owned());
        self.known.insert(text.to_owned(), number);
        number
    }
}

/// The profile. A location stands for a name, since a snapshot has no addresses.
pub fn profile(snapshot: &Snapshot) -> Vec<u8> {
    let mut strings = Strings::new();
    let mut value_type = |kind, unit| ValueType {
        kind: strings.number(kind),
        unit: strings.number(unit),
    };
    let sample_type = vec![
        value_type("events", "count"),
        value_type("lost", "nanoseconds"),
    ];
    let default_sample_type = sample_type[1].kind;
    let mut places = HashMap::new();
    let mut location = Vec::new();
    let mut function = Vec::new();
    let mut sample = Vec::new();
    for Sample {
        frames,
        events,
        lost_ns,
    } in samples::samples(snapshot)
    {
        let ids = frames.iter().rev().map(|frame| {
            *places.entry(frame.clone()).or_insert_with(|| {
                let id = location.len() as u64 + 1;
                let name = strings.number(frame);
                function.push(Function {
                    id,
                    name,
                    system_name: name,
                });
                location.push(Location {
                    id,
                    line: vec![Line { function_id: id }],
                });
                id
            })
        });
        sample.push(Counted {
            location_id: ids.collect(),
            value: vec![signed(events), signed(lost_ns)],
        });
    }
    let comment = vec![strings.number(&headline(snapshot))];
    let profile = Profile {
        sample_type,
        sample,
        location,
        function,
        string_table: strings.table,
        duration_nanos: signed(snapshot.elapsed_ns),
        comment,
        default_sample_type,
    };
    packed(&profile.encode_to_vec())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// With gzip, without a time in its header: the same snapshot gives the same bytes.
fn packed(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}
