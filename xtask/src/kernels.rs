//! `docs/kernels.md`: what the live tests have shown on each kernel, and what it took.
//!
//! The page is written by a run (`SEQTRACE_BLESS=1`), and every other run of all cases of a kernel fails
//! when the page says something else than it has shown. Of a kernel without a column nothing is said.
//! Figures are not compared: they differ from run to run. Columns of kernels that did not run stay.

use std::{env, fmt::Write as _, fs};

use anyhow::{Context as _, Result};

use crate::{live::Outcome, progress, tally::Tally, tool};

/// The page, in the workspace.
const FILE: &str = "docs/kernels.md";

/// First words of the rows of a table: the name of its first column.
const FEATURE: &str = "feature";
const FIGURE: &str = "figure";

const HEAD: &str = "\
# Kernels

`SEQTRACE_BLESS=1 cargo xtask test --live` writes this page; `cargo xtask test` fails when a run does not show what it says.
Kernels have Debian's names: `cargo xtask vm --list`.

## What was tested

A feature is *tested* on a kernel when each live case that covers it passed there, in a guest with that kernel; which case covers
what stands in `seqtrace/tests/live/covers.rs`. *in part*: this kernel lacks what some cases need. Cases that take minutes run on
6.12-rt; a feature that only they cover is tested *elsewhere* on the others. On a kernel without PREEMPT_RT readers never block,
and the cases of blocks see to it that none is counted.

";

const MIDDLE: &str = "
## What it took

In a guest of two emulated processors, beside another one: what a real machine takes is a small part of the times.

";

/// Compares the page with what the runs have shown, or writes it when blessing.
///
/// # Errors
///
/// When the page cannot be read or written.
pub(crate) fn check(outcomes: &[&Outcome]) -> Result<Tally> {
    let file = tool::workspace().join(FILE);
    let committed = fs::read_to_string(&file).unwrap_or_default();
    let mut page = Page::parse(&committed);
    let mut differs = Vec::new();
    for outcome in outcomes {
        let is_told = page.kernels.contains(&outcome.kernel);
        let lines = page.take(outcome);
        if is_told {
            differs.extend(lines);
        } else {
            progress::line(format_args!("{FILE}: no column for {}", outcome.kernel));
        }
    }
    if env::var_os("SEQTRACE_BLESS").is_some_and(|value| value == "1") {
        fs::write(&file, page.text())
            .with_context(|| format!("failed to write `{}`", file.display()))?;
        progress::step("Writing", FILE);
        return Ok(Tally::of(true));
    }
    for line in &differs {
        progress::line(format_args!("{FILE}: {line}"));
    }
    Ok(Tally::of(differs.is_empty()))
}

/// The two tables.
#[derive(Debug, Default, Eq, PartialEq)]
struct Page {
    kernels: Vec<String>,
    features: Rows,
    figures: Rows,
}

/// Names of rows, and a cell for each kernel.
type Rows = Vec<(String, Vec<String>)>;

/// A cell that nothing is known about.
const UNKNOWN: &str = "-";

impl Page {
    fn parse(text: &str) -> Self {
        let mut page = Self::default();
        let mut in_figures = false;
        for line in text.lines().filter(|line| line.starts_with("| ")) {
            let mut cells = line
                .trim_matches('|')
                .split('|')
                .map(|cell| cell.trim().to_owned());
            let name = cells.next().unwrap_or_default();
            let cells: Vec<String> = cells.collect();
            match &*name {
                FEATURE => page.kernels = cells,
                FIGURE => in_figures = true,
                _ if in_figures => page.figures.push((name, cells)),
                _ => page.features.push((name, cells)),
            }
        }
        page
    }

    /// Puts a run of all cases into its column; what differs in the features.
    fn take(&mut self, outcome: &Outcome) -> Vec<String> {
        let known = self.kernels.iter().position(|name| *name == outcome.kernel);
        let column = known.unwrap_or_else(|| {
            self.kernels.push(outcome.kernel.clone());
            self.kernels.len() - 1
        });
        let mut differs = Vec::new();
        for (feature, shown) in outcome.features() {
            let cell = cell(&mut self.features, &feature, column);
            if *cell != shown {
                let kernel = &outcome.kernel;
                differs.push(format!(
                    "{feature} on {kernel}: `{cell}`, this run: `{shown}`"
                ));
            }
            *cell = shown;
        }
        for (figure, value) in &outcome.figures {
            value.clone_into(cell(&mut self.figures, figure, column));
        }
        differs
    }

    fn text(&self) -> String {
        let mut text = HEAD.to_owned();
        self.table(&mut text, FEATURE, &self.features);
        text.push_str(MIDDLE);
        self.table(&mut text, FIGURE, &self.figures);
        text
    }

    fn table(&self, text: &mut String, first: &str, rows: &Rows) {
        let line = |text: &mut String, name: &str, cells: &[String]| {
            write!(text, "| {name} |").expect("a string takes any text");
            for column in 0..self.kernels.len() {
                let cell = cells.get(column).map_or(UNKNOWN, String::as_str);
                write!(text, " {cell} |").expect("a string takes any text");
            }
            text.push('\n');
        };
        line(text, first, &self.kernels);
        text.push_str("|---|");
        text.push_str(&"---|".repeat(self.kernels.len()));
        text.push('\n');
        for (name, cells) in rows {
            line(text, name, cells);
        }
    }
}

/// The cell of a row, which is made if need be.
fn cell<'a>(rows: &'a mut Rows, name: &str, column: usize) -> &'a mut String {
    let known = rows.iter().position(|(other, _)| other == name);
    let row = known.unwrap_or_else(|| {
        rows.push((name.to_owned(), Vec::new()));
        rows.len() - 1
    });
    let cells = &mut rows[row].1;
    if cells.len() <= column {
        cells.resize(column + 1, UNKNOWN.to_owned());
    }
    &mut cells[column]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(kernel: &str, lines: &[&str]) -> Outcome {
        let mut outcome = Outcome::of(kernel);
        for line in lines {
            outcome.read(line).unwrap();
        }
        outcome
    }

    const LINES: [&str; 10] = [
        "live: kernel 6.12.1 realtime=false",
        "live: covers spins a_case b_case",
        "live: covers blocks a_case",
        "live: covers audit c_case",
        "live: covers disturbances d_case",
        "live: a_case ok: in 2 s",
        "live: figure sites 154",
        "live: b_case FAIL: no",
        "live: c_case skip since 7.0: no such feature",
        "live: d_case elsewhere",
    ];

    #[test]
    fn a_page_tells_what_the_run_showed_and_keeps_other_columns() {
        let mut page = Page::default();
        page.take(&outcome("6.12", &LINES));
        let passed: Vec<&str> = LINES
            .into_iter()
            .filter(|line| !line.contains("FAIL"))
            .collect();
        let told = page.take(&outcome("7", &passed));
        assert_eq!(told.len(), 4, "{told:?}");
        let text = page.text();
        assert!(
            text.contains("| feature | 6.12 | 7 |\n|---|---|---|\n"),
            "{text}"
        );
        assert!(text.contains("| spins | fails | not run |\n"), "{text}");
        assert!(text.contains("| blocks | tested | tested |\n"), "{text}");
        assert!(text.contains("| audit | too old | too old |\n"), "{text}");
        assert!(
            text.contains("| disturbances | elsewhere | elsewhere |\n"),
            "{text}"
        );
        assert!(text.contains("| sites | 154 | 154 |\n"), "{text}");
        assert_eq!(Page::parse(&text), page);
    }

    #[test]
    fn a_page_that_says_something_else_differs() {
        let mut page = Page::default();
        page.take(&outcome("6.12", &LINES));
        let text = page.text();
        assert_eq!(Page::parse(&text).take(&outcome("6.12", &LINES)), [""; 0]);
        let mut claims = Page::parse(&text.replace("fails", "tested"));
        let differs = claims.take(&outcome("6.12", &LINES));
        assert_eq!(differs, ["spins on 6.12: `tested`, this run: `fails`"]);
    }
}
