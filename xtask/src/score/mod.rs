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

pub(crate) use self::debuginfo::Debuginfo;
use self::{measure::Programs, table::Line};
use crate::{
    progress,
    vm::{Cache, Flavour, Kernel},
};

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
        .measure(&kernel, &debuginfo)
        .with_context(|| format!("failed to score {}", kernel.label))?;
    Ok((kernel.label, goal::cells(&outcome)))
}
