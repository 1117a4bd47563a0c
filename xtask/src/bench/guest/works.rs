//! Rows of works that are done again and again: what a probe costs the reader that meets it.
//!
//! One boot does each piece of work under each *setup*: with nothing armed, with an empty program at the same
//! addresses, with seqtrace, with its peers. The unit is what a setup adds to the work.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use guest::Measurements;

use super::{
    super::{
        Wanted,
        row::{Limit, Measured, Peer, Row},
    },
    boot::{Boot, Results, last_words, out, samples},
    place,
    setup::SETUPS,
    spec::{SPECS, Spec},
};

/// The boot in which they are measured.
const BOOT: &str = "works";

/// Measures the wanted rows.
pub(super) fn rows(wanted: &Wanted) -> Result<Vec<Row>> {
    let specs: Vec<&Spec> = SPECS
        .iter()
        .filter(|spec| wanted.takes(spec.name))
        .collect();
    if specs.is_empty() {
        return Ok(Vec::new());
    }
    let mut plans = BTreeMap::new();
    let script = script(&specs, wanted.has_peers(), &mut plans);
    let boot = Boot {
        name: BOOT.to_owned(),
        processors: 1,
        script,
        plans,
        sites: "",
        with_peers: wanted.has_peers(),
    };
    let results = boot.run(wanted)?;
    specs
        .into_iter()
        .map(|spec| row(spec, &results, wanted))
        .collect()
}

/// What the guest's shell does once the sites are known.
fn script(specs: &[&Spec], with_peers: bool, plans: &mut BTreeMap<String, Measurements>) -> String {
    let out = out(BOOT);
    let mut plan = |setup: &str, takes: &dyn Fn(&Spec) -> bool| {
        let mut works: Vec<(String, u32)> = Vec::new();
        for spec in specs.iter().filter(|spec| takes(spec)) {
            if !works.iter().any(|(work, _)| work == spec.work) {
                works.push((spec.work.to_owned(), spec.rounds));
            }
        }
        let file = format!("{out}/{setup}.json");
        let is_done = !works.is_empty();
        if is_done {
            plans.insert(setup.to_owned(), Measurements { works, file });
        }
        is_done.then(|| format!("/share/bench-guest measure /share/plans/{setup}.json"))
    };
    let mut lines: Vec<String> = plan("none", &|_| true).into_iter().collect();
    let limits: BTreeSet<&str> = specs.iter().map(|spec| spec.limit).collect();
    for limit in limits {
        let is_of = |spec: &Spec| spec.limit == limit && !spec.places.is_empty();
        if let Some(run) = plan(limit, &is_of) {
            let specs = specs.iter().filter(|spec| is_of(spec));
            let places: BTreeSet<&str> = specs.flat_map(|spec| spec.places).copied().collect();
            let places: Vec<&str> = places.into_iter().collect();
            let places = places.join(" ");
            lines.push(format!("/share/bench-guest empty {places} -- {run}"));
        }
    }
    for (setup, line) in SETUPS {
        let is_peer = |spec: &Spec| with_peers && spec.peers.iter().any(|(name, _)| *name == setup);
        if let Some(run) = plan(setup, &|spec| spec.setup == setup || is_peer(spec)) {
            lines.push(redirected(setup, &line.replace("RUN", &run)));
        }
    }
    lines.join("\n")
}

/// A line whose output goes to files. A peer that cannot do its part leaves no numbers, which its row then says.
fn redirected(setup: &str, line: &str) -> String {
    let or_else = if line.contains("/share/peers") {
        " || true"
    } else {
        ""
    };
    let out = out(BOOT);
    format!("( {line}\n) > {out}/{setup}.txt 2> {out}/{setup}.log{or_else}")
}

/// Where there is a probe, what is added to the work; else the whole work, whose limit is that of nothing armed.
fn row(spec: &Spec, results: &Results, wanted: &Wanted) -> Result<Row> {
    let of = |setup: &str| samples(results, setup, spec.work);
    let (what, base) = if spec.places.is_empty() {
        ("nothing armed", 0.0)
    } else {
        let none: Measured = of("none")?.iter().copied().collect();
        ("an empty program there", none.median)
    };
    let added = |samples: &[f64]| -> Measured { samples.iter().map(|n| n - base).collect() };
    let peers = spec.peers.iter().filter(|_| wanted.has_peers());
    Ok(Row {
        limit: Some(Limit {
            what: what.to_owned(),
            measured: added(of(spec.limit)?),
        }),
        peers: peers
            .map(|(setup, how)| Peer {
                name: (*how).to_owned(),
                result: of(setup).map(added).map_err(|error| {
                    last_words(wanted, BOOT, setup).unwrap_or_else(|| error.to_string())
                }),
            })
            .collect(),
        bound: Some(spec.bound),
        ..Row::of(
            spec.name,
            "instructions",
            spec.what,
            &place(wanted, "instructions counted"),
            added(of(spec.setup)?),
        )
    })
}
