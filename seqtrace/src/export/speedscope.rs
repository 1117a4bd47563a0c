//! A snapshot → a document for speedscope (its `file-format-schema.json`): one profile of the time that
//! readers lost, one of their waits and retries.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::{
    aggregate::snapshot::Snapshot,
    export::{
        samples::{self, Sample},
        table::headline,
    },
};

/// The document, with a newline at its end.
pub fn document(snapshot: &Snapshot) -> String {
    let samples = samples::samples(snapshot);
    let mut known: HashMap<&str, usize> = HashMap::new();
    let mut frames = Vec::new();
    for frame in samples.iter().flat_map(|sample| &sample.frames) {
        known.entry(frame).or_insert_with(|| {
            frames.push(json!({ "name": frame }));
            frames.len() - 1
        });
    }
    let number = |frame: &String| known[frame.as_str()];
    let profile = |name: &str, unit: &str, weight: fn(&Sample) -> u64| -> Value {
        let heavy = || samples.iter().filter(|sample| weight(sample) > 0);
        let stacks: Vec<Vec<usize>> = heavy()
            .map(|sample| sample.frames.iter().map(number).collect())
            .collect();
        let weights: Vec<u64> = heavy().map(weight).collect();
        json!({
            "type": "sampled",
            "name": name,
            "unit": unit,
            "startValue": 0,
            "endValue": weights.iter().sum::<u64>(),
            "samples": stacks,
            "weights": weights,
        })
    };
    let document = json!({
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "name": headline(snapshot),
        "exporter": concat!("seqtrace ", env!("CARGO_PKG_VERSION")),
        "activeProfileIndex": 0,
        "profiles": [
            profile("time lost", "nanoseconds", |sample| sample.lost_ns),
            profile("waits and retries", "none", |sample| sample.events),
        ],
        "shared": { "frames": frames },
    });
    format!("{document}\n")
}
