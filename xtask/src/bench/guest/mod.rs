//! Rows that are measured in a guest which counts its instructions: what a probe costs the reader that meets it.
//!
//! One boot does each piece of work under each *setup*: with nothing armed, with an empty program at the same
//! addresses, with seqtrace, with its peers. The unit is what a setup adds to the work.

mod run;
mod setup;
mod spec;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use guest::Measurements;

use self::{
    run::{RUNS, Run, Way},
    setup::{PREPARE, SETUPS},
    spec::{SPECS, Spec},
};
use super::{
    Wanted, peers,
    row::{Limit, Measured, Peer, Row},
};
use crate::{
    progress, tool,
    vm::{Programs, With},
};

/// Where the folder lies that the guest sees.
const SHARE: &str = "target/bench";

/// Seconds from power-on after which the guest is ended.
const DEADLINE_S: &str = "1800";

/// Instructions of a round, by setup and work.
type Results = BTreeMap<String, BTreeMap<String, Vec<f64>>>;

/// Measures the wanted rows.
///
/// # Errors
///
/// When the guest cannot be started, or does not do what it is told.
pub(crate) fn rows(wanted: &Wanted) -> Result<Vec<Row>> {
    let specs: Vec<&Spec> = SPECS
        .iter()
        .filter(|spec| wanted.takes(spec.name))
        .collect();
    // Times: not in minutes, and nothing that the tests could judge.
    let runs: Vec<&Run> = RUNS
        .iter()
        .filter(|run| !wanted.quick && wanted.takes(run.name))
        .collect();
    if specs.is_empty() && runs.is_empty() {
        return Ok(Vec::new());
    }
    let results = boot(wanted, &specs, &runs)?;
    let works = specs.into_iter().map(|spec| row(spec, &results, wanted));
    let runs = runs.into_iter().map(|run| timed(run, &results, wanted));
    works.chain(runs).collect()
}

/// What the guest's shell does once the sites are known.
fn script(
    specs: &[&Spec],
    runs: &[&Run],
    with_peers: bool,
    plans: &mut BTreeMap<String, Measurements>,
) -> String {
    let mut plan = |setup: &str, takes: &dyn Fn(&Spec) -> bool| {
        let mut works: Vec<(String, u32)> = Vec::new();
        for spec in specs.iter().filter(|spec| takes(spec)) {
            if !works.iter().any(|(work, _)| work == spec.work) {
                works.push((spec.work.to_owned(), spec.rounds));
            }
        }
        let file = format!("/share/out/results/{setup}.json");
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
    lines.extend(runs.iter().flat_map(|run| run.ways()).map(Way::lines));
    lines.join("\n")
}

/// A line whose output goes to files. A peer that cannot do its part leaves no numbers, which its row then says.
fn redirected(setup: &str, line: &str) -> String {
    let or_else = if line.contains("/share/peers") {
        " || true"
    } else {
        ""
    };
    format!("( {line}\n) > /share/out/{setup}.txt 2> /share/out/{setup}.log{or_else}")
}

/// Boots the kernel, and reads what the script left.
fn boot(wanted: &Wanted, specs: &[&Spec], runs: &[&Run]) -> Result<Results> {
    if wanted.last {
        return read(&share(wanted).join("out/results"));
    }
    let mut plans = BTreeMap::new();
    let kernel = wanted.kernel;
    let with_peers = !wanted.quick;
    let script = script(specs, runs, with_peers, &mut plans);
    let share = share(wanted);
    let results = share.join("out/results");
    if results.exists() {
        fs::remove_dir_all(&results).context("failed to remove the results of an earlier run")?;
    }
    fs::create_dir_all(&results).context("failed to create the shared folder")?;
    let program = Programs::build(With::Tests)?.path("bench-guest");
    fs::copy(&program, share.join("bench-guest"))
        .with_context(|| format!("failed to share `{}`", program.display()))?;
    fs::write(share.join("script"), script).context("failed to share the script")?;
    fs::write(share.join("prepare"), PREPARE).context("failed to share a script")?;
    fs::create_dir_all(share.join("plans")).context("failed to share the plans")?;
    for (setup, plan) in &plans {
        let text = serde_json::to_vec(plan).context("failed to write a plan")?;
        fs::write(share.join("plans").join(format!("{setup}.json")), text)
            .context("failed to share a plan")?;
    }
    if with_peers {
        peers::tree(&share, kernel)?;
    }
    progress::step(
        "Counting",
        format_args!("instructions on {}", kernel.name()),
    );
    let mut guest = Command::new(env::current_exe().context("failed to find the xtask")?);
    guest
        .args(["vm", "--kernel", kernel.name(), "--timeout", DEADLINE_S])
        // With one processor nothing is done beside what is measured.
        .args(["--smp", "1", "--seqstress", "--count-instructions"])
        // Built as for the live tests: another set of features would be another build.
        .arg("--tests")
        .arg("--share")
        .arg(&share)
        .args(["--", "sh", "/share/prepare"]);
    tool::run(&mut guest)?;
    read(&results)
}

fn read(folder: &Path) -> Result<Results> {
    let mut results = Results::new();
    let entries = fs::read_dir(folder).context("failed to list the results")?;
    for entry in entries {
        let path: PathBuf = entry?.path();
        let setup = path.file_stem().unwrap_or_default().to_string_lossy();
        let text =
            fs::read(&path).with_context(|| format!("failed to read `{}`", path.display()))?;
        let measured = serde_json::from_slice(&text)
            .with_context(|| format!("failed to parse `{}`", path.display()))?;
        results.insert(setup.into_owned(), measured);
    }
    Ok(results)
}

/// What is measured under a setup, by the name of the work.
fn samples<'a>(results: &'a Results, setup: &str, work: &str) -> Result<&'a [f64]> {
    results
        .get(setup)
        .and_then(|works| works.get(work))
        .filter(|samples| !samples.is_empty())
        .map(Vec::as_slice)
        .with_context(|| format!("the guest did not measure `{work}` under `{setup}`"))
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
    let peers = spec.peers.iter().filter(|_| !wanted.quick);
    Ok(Row {
        name: spec.name.to_owned(),
        unit: "instructions".to_owned(),
        what: spec.what.to_owned(),
        place: format!("{}, emulated, instructions counted", wanted.kernel.name()),
        limit: Some(Limit {
            what: what.to_owned(),
            measured: added(of(spec.limit)?),
        }),
        own: added(of(spec.setup)?),
        peers: peers
            .map(|(setup, how)| Peer {
                name: (*how).to_owned(),
                result: of(setup)
                    .map(added)
                    .map_err(|error| why(setup, &error, wanted)),
            })
            .collect(),
        bound: Some(spec.bound),
    })
}

/// Times of whole runs, in milliseconds of the guest.
fn timed(run: &Run, results: &Results, wanted: &Wanted) -> Result<Row> {
    let of = |Way(setup, _): Way| {
        let samples = samples(results, setup, "time")?;
        anyhow::Ok(samples.iter().map(|ns| ns / 1e6).collect::<Measured>())
    };
    let limit = match run.limit {
        Some((what, way)) => Some(Limit {
            what: what.to_owned(),
            measured: of(way)?,
        }),
        None => None,
    };
    let peers = run.peers.iter().map(|(how, way)| Peer {
        name: (*how).to_owned(),
        result: of(*way).map_err(|error| why(way.0, &error, wanted)),
    });
    Ok(Row {
        name: run.name.to_owned(),
        unit: "ms of the guest".to_owned(),
        what: run.what.to_owned(),
        place: format!(
            "{}, emulated, a nanosecond an instruction",
            wanted.kernel.name()
        ),
        limit,
        own: of(run.own)?,
        peers: peers.collect(),
        bound: None,
    })
}

/// Why a peer has no numbers: the last line it wrote, if it did.
fn why(setup: &str, error: &anyhow::Error, wanted: &Wanted) -> String {
    let log = share(wanted).join(format!("out/{setup}.log"));
    let log = fs::read_to_string(log).unwrap_or_default();
    let line = log.lines().rfind(|line| !line.trim().is_empty());
    line.map_or_else(|| error.to_string(), |line| line.trim().to_owned())
}

/// The folder that the guest sees.
fn share(wanted: &Wanted) -> PathBuf {
    tool::workspace().join(SHARE).join(wanted.kernel.name())
}
