//! A snapshot → one line for each seqcount, site, process, cgroup or stack: as a table, or as comma-separated
//! values (RFC 4180) with plain numbers, times in nanoseconds.

use std::cmp::{Ordering, Reverse};

use anyhow::{Result, bail};

use crate::export::{
    columns::{self, Column, Overflow},
    lines_by,
    quantity::duration,
};

use crate::aggregate::snapshot::Snapshot;

/// What a line is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum By {
    /// A seqcount.
    Seqcount,
    /// A site.
    Site,
    /// A process and its command name.
    Task,
    /// A cgroup, by the container or unit that it is.
    Cgroup,
    /// A kernel stack of readers, with the seqcount it led to.
    Stack,
}

/// One value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Cell {
    /// A name or a word.
    Text(String),
    /// A number of something.
    Number(u64),
    /// A time, nanoseconds.
    Time(u64),
    /// Nothing, because there can be none.
    None,
}

/// One column.
pub(super) struct Heading {
    /// Name with its unit: `total_ns`.
    pub(super) name: &'static str,
    /// What stands above it in a table: `TOTAL`.
    pub(super) header: &'static str,
}

/// Lines of one kind, most time lost first.
pub struct Listing {
    headings: &'static [Heading],
    /// How many of the columns are names, and stand left of all others.
    names: usize,
    lines: Vec<Vec<Cell>>,
}

impl Listing {
    /// The lines of `snapshot`.
    pub fn new(snapshot: &Snapshot, by: By) -> Self {
        let (headings, names, lines) = match by {
            By::Seqcount => lines_by::seqcounts(snapshot),
            By::Site => lines_by::sites(snapshot),
            By::Task => lines_by::tasks(snapshot),
            By::Cgroup => lines_by::cgroups(snapshot),
            By::Stack => lines_by::stacks(snapshot),
        };
        Self {
            headings,
            names,
            lines,
        }
    }

    /// Sorts by a column: numbers from the largest, names by the alphabet. What is equal stays in its
    /// order.
    ///
    /// # Errors
    ///
    /// When there is no such column; the message lists them.
    pub fn sort(&mut self, column: &str) -> Result<()> {
        let wanted = column.to_lowercase();
        let found = self
            .headings
            .iter()
            .position(|heading| heading.name == wanted || short(heading.name) == wanted);
        let Some(at) = found else {
            let names: Vec<&str> = self
                .headings
                .iter()
                .map(|heading| short(heading.name))
                .collect();
            bail!(
                "there is no column `{column}`: sort by {}",
                names.join(", ")
            );
        };
        self.lines.sort_by(|one, other| order(&one[at], &other[at]));
        Ok(())
    }

    /// The lines as a table that keeps to `width` where that is possible.
    pub fn table(&self, width: Option<usize>) -> String {
        let columns: Vec<Column> = self
            .headings
            .iter()
            .enumerate()
            .map(|(at, heading)| {
                let cells = self.lines.iter().map(|line| shown(&line[at]));
                let is_text = self
                    .lines
                    .iter()
                    .any(|line| matches!(line[at], Cell::Text(_)));
                if is_text {
                    Column::text(heading.header, cells)
                } else {
                    Column::number(heading.header, cells)
                }
            })
            .collect();
        let (names, values) = columns.split_at(self.names);
        let names: Vec<&Column> = names.iter().collect();
        let values: Vec<&Column> = values.iter().filter(|column| !column.is_blank()).collect();
        columns::render(&names, &values, width, Overflow::Continue)
    }

    /// The lines as comma-separated values, with the names of the columns before them.
    pub fn csv(&self) -> String {
        let head: Vec<String> = self
            .headings
            .iter()
            .map(|heading| heading.name.to_owned())
            .collect();
        let lines = self
            .lines
            .iter()
            .map(|line| line.iter().map(field).collect());
        std::iter::once(head)
            .chain(lines)
            .map(|line: Vec<String>| line.join(",") + "\r\n")
            .collect()
    }
}

/// The name without its unit.
fn short(name: &str) -> &str {
    name.strip_suffix("_ns").unwrap_or(name)
}

fn order(one: &Cell, other: &Cell) -> Ordering {
    match (one, other) {
        (Cell::Text(one), Cell::Text(other)) => one.cmp(other),
        _ => Reverse(rank(one)).cmp(&Reverse(rank(other))),
    }
}

fn rank(cell: &Cell) -> Option<u64> {
    match cell {
        Cell::Number(number) | Cell::Time(number) => Some(*number),
        Cell::Text(_) | Cell::None => None,
    }
}

fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => text.clone(),
        Cell::Number(number) => number.to_string(),
        Cell::Time(duration_ns) => duration(*duration_ns),
        Cell::None => "-".to_owned(),
    }
}

fn field(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) if text.contains([',', '"', '\r', '\n']) => {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        Cell::Text(text) => text.clone(),
        Cell::Number(number) | Cell::Time(number) => number.to_string(),
        Cell::None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADINGS: &[Heading] = &[
        Heading {
            name: "site",
            header: "SITE",
        },
        Heading {
            name: "total_ns",
            header: "TOTAL",
        },
    ];

    fn listing() -> Listing {
        let line = |name: &str, total| vec![Cell::Text(name.to_owned()), total];
        Listing {
            headings: HEADINGS,
            names: 1,
            lines: vec![
                line("b", Cell::Time(5)),
                line("a, \"q\"", Cell::None),
                line("c", Cell::Time(7000)),
            ],
        }
    }

    #[test]
    fn numbers_are_sorted_from_the_largest_and_names_by_the_alphabet() {
        let mut listing = listing();
        listing.sort("TOTAL").expect("a column");
        assert_eq!(
            listing.csv(),
            "site,total_ns\r\nc,7000\r\nb,5\r\n\"a, \"\"q\"\"\",\r\n"
        );
        listing.sort("site").expect("a column");
        assert_eq!(
            listing.table(None),
            "SITE      TOTAL\na, \"q\"        -\nb          5 ns\nc       7.00 us\n"
        );
        let error = listing.sort("height").expect_err("none");
        assert_eq!(
            error.to_string(),
            "there is no column `height`: sort by site, total"
        );
    }
}
