//! How starting and ending grows with the number of sites, and with that of processors.

use std::fs;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{
    super::{
        Wanted,
        curve::{Curve, Point},
        row::{Measured, Row},
    },
    boot::{Boot, folder, milliseconds, out},
    place,
};

const SITES: &str = "growth/sites";
const CPUS: &str = "growth/cpus";

/// Numbers of sites, and what it takes that there are so many.
const SEVERAL_SITES: [u32; 5] = [50, 100, 200, 400, 600];
const EACH: &str = "--retries '*' --writers '*'";
/// Numbers of processors.
const SEVERAL_CPUS: [u32; 4] = [1, 2, 4, 8];

/// Runs at each size.
const RUNS: u32 = 3;

/// Measures the wanted rows.
pub(super) fn rows(wanted: &Wanted) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, measure) in [(SITES, sites as fn(&Wanted) -> Result<Row>), (CPUS, cpus)] {
        if wanted.takes(name) {
            rows.push(measure(wanted)?);
        }
    }
    Ok(rows)
}

fn sites(wanted: &Wanted) -> Result<Row> {
    const BOOT: &str = "sites";
    let lines = SEVERAL_SITES.map(|sites| {
        let places = format!("{{--site:probe#{sites}}}");
        let command =
            format!("seqtrace stat -q --json --budget off --backend probe {EACH} {places} -- true");
        time(BOOT, &sites.to_string(), &command)
    });
    let boot = Boot {
        sites: EACH,
        ..Boot::new(BOOT, 1, lines.join("\n"))
    };
    let results = boot.run(wanted)?;
    let points = SEVERAL_SITES.map(|sites| {
        anyhow::Ok(Point {
            size: probed(wanted, BOOT, sites)?,
            measured: milliseconds(&results, &sites.to_string())?,
        })
    });
    let what = "`seqtrace stat -- true` with probes at some sites, from first to last, those of `--retries '*'` and \
                `--writers '*'` among them: put in place, begun, ended, taken off";
    let points = points.into_iter().collect::<Result<_>>()?;
    grown(wanted, SITES, what, "sites", points)
}

fn cpus(wanted: &Wanted) -> Result<Row> {
    let points = SEVERAL_CPUS.map(|processors| {
        let name = format!("cpus-{processors}");
        let script = time(&name, "run", "seqtrace stat -q --backend probe -- true");
        let results = Boot::new(&name, processors, script).run(wanted)?;
        anyhow::Ok(Point {
            size: f64::from(processors),
            measured: milliseconds(&results, "run")?,
        })
    });
    let what = "`seqtrace stat -- true` with all probes of the default set, in guests with several processors, which \
                take turns: what all of them do adds up";
    grown(
        wanted,
        CPUS,
        what,
        "processors",
        points.into_iter().collect::<Result<_>>()?,
    )
}

/// The line that times a command a few times.
fn time(boot: &str, name: &str, command: &str) -> String {
    let out = out(boot);
    // In memory: waiting for the host would let the clock leap.
    let (text, log) = (format!("/tmp/{name}.txt"), format!("/tmp/{name}.log"));
    format!(
        "/share/bench-guest time {out}/{name}.json {RUNS} -- {command} > {text} 2> {log}\n\
         cp {text} {log} {out}/"
    )
}

/// How many sites were probed, as the last of the runs tells.
fn probed(wanted: &Wanted, boot: &str, sites: u32) -> Result<f64> {
    let path = folder(wanted, boot).join(format!("{sites}.txt"));
    let text = fs::read(&path).with_context(|| format!("failed to read `{}`", path.display()))?;
    let documents = serde_json::Deserializer::from_slice(&text).into_iter::<Value>();
    let document = documents.last().context("nothing was printed")?;
    let document = document.with_context(|| format!("failed to parse `{}`", path.display()))?;
    let probed = document["coverage"]["probed"].as_f64();
    probed.context("it does not say how many sites were probed")
}

fn grown(wanted: &Wanted, name: &str, what: &str, axis: &str, points: Vec<Point>) -> Result<Row> {
    let place = place(wanted, "a nanosecond an instruction");
    let nothing = Measured::from_iter([0.0]);
    let axis = axis.to_owned();
    Row::of(name, "ms of the guest", what, &place, nothing).grown(Curve { axis, points })
}
