//! Lines of cells → what of them is shown, in which order. Knows nothing of seqcounts or screens.

use std::cmp::Ordering;

use crate::tui::key::Key;

/// One column.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Column {
    pub(super) name: &'static str,
    /// Numbers stand at the right, and the largest come first when they are sorted.
    pub(super) is_number: bool,
}

impl Column {
    pub(super) const fn text(name: &'static str) -> Self {
        Self {
            name,
            is_number: false,
        }
    }

    pub(super) const fn number(name: &'static str) -> Self {
        Self {
            name,
            is_number: true,
        }
    }
}

/// What a cell is sorted by.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Order {
    /// By this number.
    Number(f64),
    /// As its text.
    Text,
    /// It says nothing: after all others, whichever way the column is sorted.
    Blank,
}

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) order: Order,
}

impl Cell {
    pub(super) fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        let order = if text == "-" {
            Order::Blank
        } else {
            Order::Text
        };
        Self { text, order }
    }

    pub(super) fn number(number: f64, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            order: Order::Number(number),
        }
    }

    /// A cell that says that there is nothing to say.
    pub(super) fn blank() -> Self {
        Self::text("-")
    }

    /// The count, `-` for none.
    pub(super) fn count(count: u64) -> Self {
        if count == 0 {
            Self::blank()
        } else {
            Self::number(count as f64, count.to_string())
        }
    }
}

/// One line: what it is about, and a cell for each column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) key: Key,
    pub(super) cells: Vec<Cell>,
}

impl Line {
    /// Whether some cell has the lower-case text `wanted` in it.
    fn has(&self, wanted: &str) -> bool {
        let mut cells = self.cells.iter();
        wanted.is_empty() || cells.any(|cell| cell.text.to_lowercase().contains(wanted))
    }
}

/// How a table is sorted: by which column, and which end comes first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Sort {
    pub(super) column: usize,
    pub(super) descending: bool,
}

/// Columns and lines.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) lines: Vec<Line>,
    /// Lines that the filter leaves out.
    pub(super) filtered: usize,
}

impl Table {
    pub(super) fn new(columns: &'static [Column], lines: Vec<Line>) -> Self {
        debug_assert!(lines.iter().all(|line| line.cells.len() == columns.len()));
        Self {
            columns: columns.to_vec(),
            lines,
            filtered: 0,
        }
    }

    /// Leaves out a column.
    pub(super) fn leave_out(&mut self, column: Column) {
        let Some(at) = self.columns.iter().position(|other| *other == column) else {
            return;
        };
        self.columns.remove(at);
        for line in &mut self.lines {
            line.cells.remove(at);
        }
    }

    /// Leaves out the lines without `filter`, in capitals or not.
    pub(super) fn filter(&mut self, filter: &str) {
        let (wanted, before) = (filter.to_lowercase(), self.lines.len());
        self.lines.retain(|line| line.has(&wanted));
        self.filtered += before - self.lines.len();
    }

    /// Sorts the lines; those that are equal stay in their order.
    pub(super) fn sort(&mut self, sort: Sort) {
        let Sort { column, descending } = sort;
        if column >= self.columns.len() {
            return;
        }
        self.lines
            .sort_by(|a, b| compare(&a.cells[column], &b.cells[column], descending));
    }

    /// Where the line with this key stands.
    pub(super) fn position(&self, key: &Key) -> Option<usize> {
        self.lines.iter().position(|line| line.key == *key)
    }
}

fn compare(a: &Cell, b: &Cell, descending: bool) -> Ordering {
    let turn = |order: Ordering| if descending { order.reverse() } else { order };
    match (&a.order, &b.order) {
        (Order::Number(a), Order::Number(b)) => turn(a.total_cmp(b)),
        (Order::Text, Order::Text) => turn(a.text.cmp(&b.text)),
        (a, b) => rank(a).cmp(&rank(b)),
    }
}

/// Numbers before texts, and what says nothing at the end.
fn rank(order: &Order) -> u8 {
    match order {
        Order::Number(_) => 0,
        Order::Text => 1,
        Order::Blank => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[Column::text("NAME"), Column::number("COUNT")];

    fn table(rows: &[(&str, u64)]) -> Table {
        let lines = (0..).zip(rows).map(|(slot, (name, count))| Line {
            key: Key::Site(slot),
            cells: vec![Cell::text(*name), Cell::count(*count)],
        });
        Table::new(COLUMNS, lines.collect())
    }

    fn names(table: &Table) -> Vec<&str> {
        let lines = table.lines.iter();
        lines.map(|line| line.cells[0].text.as_str()).collect()
    }

    #[test]
    fn numbers_are_sorted_as_numbers_and_blanks_stay_last() {
        let mut table = table(&[("a", 9), ("b", 0), ("c", 10), ("d", 9)]);
        for (descending, expected) in [(true, ["c", "a", "d", "b"]), (false, ["a", "d", "c", "b"])]
        {
            table.sort(Sort {
                column: 1,
                descending,
            });
            assert_eq!(names(&table), expected);
        }
        table.sort(Sort {
            column: 7,
            descending: true,
        });
        assert_eq!(names(&table), ["a", "d", "c", "b"]);
    }

    #[test]
    fn a_filter_finds_text_in_any_cell_in_capitals_or_not() {
        for (filter, expected) in [
            ("", &["Rename", "mount"][..]),
            ("rEN", &["Rename"]),
            ("12", &["mount"]),
            ("nothing", &[]),
        ] {
            let mut table = table(&[("Rename", 3), ("mount", 123)]);
            table.filter(filter);
            assert_eq!(names(&table), expected);
            assert_eq!(table.filtered, 2 - expected.len());
        }
    }
}
