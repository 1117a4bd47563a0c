//! `cargo xtask bench`: how fast seqtrace is, beside what people would use instead and the limit of what can be
//! done. Rows of numbers in, a table, a page and a status that tells whether all bounds hold out.

mod criterion;
mod curve;
mod guest;
mod native;
mod page;
mod peers;
mod plot;
mod row;
mod table;
mod taken;

use std::{env, process::ExitCode};

use anyhow::{Context as _, Result, ensure};

use self::row::Row;
use crate::{progress, tally::Tally, vm::Flavour};

/// Measures seqtrace beside its peers and the limit; fails when a row exceeds its bound
#[derive(clap::Args, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(crate) struct Args {
    /// Only the rows whose names are this or begin with it and a slash
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// The rows as one JSON document
    #[arg(long)]
    json: bool,
    /// Only rows of ratios and counts of instructions, in minutes
    #[arg(long)]
    quick: bool,
    /// Takes what the last guest left instead of booting one
    #[arg(long)]
    last: bool,
    /// Boots each guest twice, for what is ours; fails where two differ by a hundredth or more
    #[arg(long, conflicts_with = "last")]
    repeat: bool,
    /// Writes the rows into docs/performance.md, as SEQTRACE_BLESS=1 does
    #[arg(long)]
    write: bool,
    /// The kernel of the guests; with --criterion its vmlinux is measured too
    #[arg(long, value_name = "NAME")]
    kernel: Option<Flavour>,
    /// Runs criterion's benches of discovery instead
    #[arg(long, conflicts_with_all = ["only", "json", "quick", "last", "repeat", "write"])]
    criterion: bool,
    /// For criterion: a filter, `--save-baseline NAME`, `--baseline NAME`
    #[arg(last = true, value_name = "ARGUMENT", requires = "criterion")]
    arguments: Vec<String>,
}

/// The kernel of the guests if none is named: with PREEMPT_RT, where readers block.
const KERNEL: Flavour = Flavour::V6_12Rt;

/// Two boots may be so far apart: that part of the first.
const REPEATABLE: f64 = 0.01;

/// Who measures rows: those that are wanted.
type Source = fn(&Wanted) -> Result<Vec<Row>>;
const SOURCES: &[Source] = &[guest::rows, native::rows];

/// Which rows are to be measured.
#[derive(Debug)]
pub(crate) struct Wanted {
    only: Vec<String>,
    /// What takes long, or is a time, is left out.
    pub(crate) quick: bool,
    /// What the last guests left is told again.
    pub(crate) last: bool,
    /// Guests are booted once more, for what is ours alone.
    again: bool,
    /// The kernel of guests.
    pub(crate) kernel: Flavour,
}

impl Wanted {
    /// Whether other tools are measured as well.
    pub(crate) fn has_peers(&self) -> bool {
        !self.quick && !self.again
    }

    /// Whether the row of this name is one of them.
    pub(crate) fn takes(&self, name: &str) -> bool {
        let is_in = |only: &String| {
            name.strip_prefix(only.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.only.is_empty() || self.only.iter().any(is_in)
    }
}

/// Runs the task.
///
/// # Errors
///
/// When something does not build or run, or no row has a wanted name.
pub(crate) fn bench(args: &Args) -> Result<ExitCode> {
    if args.criterion {
        criterion::run(args.kernel, &args.arguments)?;
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = Wanted {
        only: args.only.clone(),
        quick: args.quick,
        last: args.last,
        again: false,
        kernel: args.kernel.unwrap_or(KERNEL),
    };
    let mut rows = rows(&wanted)?;
    ensure!(!rows.is_empty(), "no row has such a name");
    let is_same = !args.repeat || repeat(&mut rows, wanted)?;
    #[expect(clippy::print_stdout, reason = "the result of the task")]
    if args.json {
        println!(
            "{}",
            serde_json::to_string_pretty(&rows).context("failed to write the rows")?
        );
    } else {
        print!("{}", table::text(&rows));
    }
    if args.write || env::var_os("SEQTRACE_BLESS").is_some_and(|value| value == "1") {
        page::write(&rows)?;
    }
    let holds = tally(&rows).failed == 0;
    Ok(ExitCode::from(u8::from(!(holds && is_same))))
}

/// Adds what another boot brings to the rows that are measured in guests; whether all are the same but for a hundredth.
fn repeat(rows: &mut [Row], wanted: Wanted) -> Result<bool> {
    let again = guest::rows(&Wanted {
        again: true,
        ..wanted
    })?;
    let mut is_same = true;
    for row in rows {
        let Some(other) = again.iter().find(|other| other.name == row.name) else {
            continue;
        };
        row.repeated = Some(other.own.median);
        let apart = (other.own.median / row.own.median - 1.0).abs();
        if apart >= REPEATABLE {
            is_same = false;
            progress::line(format_args!(
                "{}: two boots are {:.1} % apart",
                row.name,
                100.0 * apart
            ));
        }
    }
    Ok(is_same)
}

/// The rows of [`Args::quick`], for the tests: a check for each.
///
/// # Errors
///
/// As [`bench`].
pub(crate) fn test() -> Result<Tally> {
    progress::step("Comparing", "what probes cost with what they may");
    let rows = rows(&Wanted {
        only: Vec::new(),
        quick: true,
        last: false,
        again: false,
        kernel: KERNEL,
    })?;
    progress::line(table::text(&rows).trim_end());
    Ok(tally(&rows))
}

fn rows(wanted: &Wanted) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for source in SOURCES {
        rows.extend(source(wanted)?);
    }
    Ok(rows)
}

/// Which rows are within their bounds; those that are not are told.
fn tally(rows: &[Row]) -> Tally {
    let mut tally = Tally::default();
    for row in rows {
        if !row.holds() {
            progress::line(format_args!("{}: the bound is exceeded", row.name));
        }
        tally.add(Tally::of(row.holds()));
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_chooses_a_row_or_a_group() {
        let wanted = |only: &[&str]| Wanted {
            only: only.iter().map(|&name| name.to_owned()).collect(),
            quick: false,
            last: false,
            again: false,
            kernel: Flavour::V6_12Rt,
        };
        assert!(wanted(&[]).takes("event/block"));
        assert!(wanted(&["event"]).takes("event/block"));
        assert!(wanted(&["read", "event/block"]).takes("event/block"));
        assert!(!wanted(&["even"]).takes("event/block"));
        assert!(!wanted(&["event/blocks"]).takes("event/block"));
    }
}
