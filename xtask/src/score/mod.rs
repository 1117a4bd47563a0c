//! `cargo xtask score`: names of kernels in, a table out of how well the scan finds what their
//! debuginfo says, and a status that tells whether the goals are met.

mod banner;
mod debuginfo;
mod goal;
mod measure;
mod outcome;
mod table;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::ValueEnum as _;

pub(crate) use self::{
    banner::Banner,
    debuginfo::{Debuginfo, identify},
};
use self::{
    goal::{Cell, Kind},
    measure::Programs,
    table::Line,
};
use crate::{
    progress,
    tally::Tally,
    vm::{Cache, Flavour, Kernel},
};

/// The kernel that the tests score: the smallest download, and one that no rule was tuned on.
const TESTED: Flavour = Flavour::V6_12Cloud;

/// Scores the scan of Debian's kernels against their debuginfo
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Only the kernels of these names
    #[arg(long, value_name = "NAME")]
    kernel: Vec<Flavour>,
    /// All modules too: 7 GB on disk for each kernel
    #[arg(long)]
    modules: bool,
    /// Print the table as it stands in docs/sites.md
    #[arg(long)]
    markdown: bool,
    /// Fetches the newest packages of the kernels' names, even if others are cached
    #[arg(long)]
    update: bool,
}

/// Prints the table; the status tells whether every goal is met.
///
/// # Errors
///
/// When a kernel or its debuginfo cannot be fetched or scored.
pub(crate) fn score(args: &Args) -> Result<ExitCode> {
    let flavours = match &args.kernel[..] {
        [] => Flavour::value_variants(),
        chosen => chosen,
    };
    let cache = Cache::open()?;
    let programs = Programs::build()?;
    let lines: Vec<Line> = flavours
        .iter()
        .map(|&flavour| line(&cache, &programs, flavour, args.modules, args.update))
        .collect::<Result<_>>()?;
    #[expect(clippy::print_stdout, reason = "the result of the task")]
    {
        print!(
            "{}",
            if args.markdown {
                table::markdown(&lines)
            } else {
                table::text(&lines)
            }
        );
    }
    let missed = lines
        .iter()
        .flat_map(|(_, cells)| cells)
        .filter(|cell| !cell.met)
        .count();
    progress::line(format_args!("{missed} goals missed"));
    Ok(ExitCode::from(u8::from(missed > 0)))
}

/// Scores one kernel for the tests: a check for each goal that holds on any machine.
///
/// # Errors
///
/// As [`score`].
pub(crate) fn test() -> Result<Tally> {
    let line = line(&Cache::open()?, &Programs::build()?, TESTED, false, false)?;
    let mut tally = Tally::default();
    for cell in line.1.iter().filter(|cell| cell.kind == Kind::Exact) {
        let Cell {
            title,
            goal,
            text,
            met,
            kind: _,
        } = cell;
        if !met {
            progress::line(format_args!(
                "{}: {title} {text}, the goal is {goal}",
                line.0
            ));
        }
        tally.add(Tally::of(*met));
    }
    progress::line(table::text(&[line]).trim_end());
    Ok(tally)
}

fn line(
    cache: &Cache,
    programs: &Programs,
    flavour: Flavour,
    with_modules: bool,
    update: bool,
) -> Result<Line> {
    let kernel = Kernel::named(cache, flavour, update)?;
    let debuginfo = Debuginfo::of(cache, flavour, &kernel, with_modules)?;
    progress::step("Scoring", &kernel.label);
    let outcome = programs
        .measure(&debuginfo)
        .with_context(|| format!("failed to score {}", kernel.label))?;
    Ok((kernel.label, goal::cells(&outcome)))
}
