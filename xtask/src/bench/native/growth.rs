//! How what needs no guest grows: discovery with text and modules, the reading of recordings with stacks and tasks.
//! What counts is the time on processors, which does not depend much on who else uses the machine.

use std::{fs, process::Command};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::{
    super::{
        Wanted,
        curve::{Curve, Point},
        row::{Measured, Row},
    },
    Programs, row, timed,
};
use crate::{
    cache, tool,
    vm::{Cache, Kernel},
};

pub(super) const TEXT: &str = "growth/text";
pub(super) const MODULES: &str = "growth/modules";
pub(super) const STACKS: &str = "growth/stacks";
pub(super) const TASKS: &str = "growth/tasks";

/// Different stacks of a recording, and tasks; as many as a usual one has of the other.
const SEVERAL_STACKS: [u32; 5] = [500, 2000, 8000, 32_000, 64_000];
const USUAL_STACKS: u32 = 2000;
const SEVERAL_TASKS: [u32; 5] = [1000, 5000, 20_000, 50_000, 100_000];
const USUAL_TASKS: u32 = 5000;

/// What `cost` prints for each size.
#[derive(Deserialize)]
struct Times {
    size: f64,
    times_ns: Vec<f64>,
}

pub(super) fn text(programs: &Programs, wanted: &Wanted) -> Result<Row> {
    let kernel = kernel(wanted)?;
    let points = cost(
        programs
            .example("cost")
            .arg("growing-text")
            .arg(&kernel.image),
    )?;
    let what = "finding the sites in parts of one kernel's text, taken from all over it";
    grown(TEXT, what, "MiB of text", points)
}

pub(super) fn modules(programs: &Programs, wanted: &Wanted) -> Result<Row> {
    let kernel = kernel(wanted)?;
    let mut cost_of = programs.example("cost");
    cost_of
        .arg("growing-modules")
        .args([&kernel.image, &kernel.modules]);
    let what = "finding the sites in several modules with about as much text as most, each once, which are read before";
    grown(MODULES, what, "modules", cost(&mut cost_of)?)
}

pub(super) fn stacks(programs: &Programs, _: &Wanted) -> Result<Row> {
    let points = SEVERAL_STACKS.map(|stacks| {
        let measured = reading(programs, stacks, USUAL_TASKS, "stack")?;
        anyhow::Ok(point(stacks, measured))
    });
    let what = "`seqtrace report --by stack --stack function` of a million recorded events, each looked at and added up";
    grown(
        STACKS,
        what,
        "stacks",
        points.into_iter().collect::<Result<_>>()?,
    )
}

pub(super) fn tasks(programs: &Programs, _: &Wanted) -> Result<Row> {
    let points = SEVERAL_TASKS.map(|tasks| {
        let measured = reading(programs, USUAL_STACKS, tasks, "task")?;
        anyhow::Ok(point(tasks, measured))
    });
    let what = "`seqtrace report --by task --stack function` of a million recorded events, each looked at and added up";
    grown(
        TASKS,
        what,
        "tasks",
        points.into_iter().collect::<Result<_>>()?,
    )
}

/// The times of a report of a recording with so many stacks and tasks, with a filter that all events pass.
fn reading(programs: &Programs, stacks: u32, tasks: u32, by: &str) -> Result<Measured> {
    let parent = cache::directory()?.join("bench");
    fs::create_dir_all(&parent)
        .with_context(|| format!("failed to create `{}`", parent.display()))?;
    let folder = tempfile::tempdir_in(&parent).context("failed to create a folder")?;
    let recording = folder.path().join("grown.seqtrace");
    let numbers = [stacks, tasks].map(|number| number.to_string());
    tool::run(programs.example("million").arg(&recording).args(numbers))?;
    let mut report = programs.seqtrace();
    report
        .args(["report", "--by", by, "--stack", "function"])
        .arg(&recording);
    timed::processor_milliseconds(&mut report)
}

fn kernel(wanted: &Wanted) -> Result<Kernel> {
    Kernel::named(&Cache::open()?, wanted.kernel, false)
}

/// The points that `cost` measures.
fn cost(cost: &mut Command) -> Result<Vec<Point>> {
    let text = tool::text(cost)?;
    let times: Vec<Times> =
        serde_json::from_str(&text).with_context(|| format!("failed to read `{text}`"))?;
    let point = |Times { size, times_ns }| Point {
        size,
        measured: times_ns.iter().map(|ns| ns / 1e6).collect(),
    };
    Ok(times.into_iter().map(point).collect())
}

fn point(size: u32, measured: Measured) -> Point {
    Point {
        size: f64::from(size),
        measured,
    }
}

/// A row of milliseconds on processors.
fn grown(name: &str, what: &str, axis: &str, points: Vec<Point>) -> Result<Row> {
    let axis = axis.to_owned();
    let nothing = Measured::from_iter([0.0]);
    row(name, "ms of processors", what, nothing).grown(Curve { axis, points })
}
