//! A table and a width → which columns stand where.

use crate::tui::{
    table::{Sort, Table},
    text::width,
};

/// Columns between two columns of a table.
const GAP: usize = 2;

/// The least that is left of a text that is cut.
const LEAST: usize = 8;

/// The most that a text takes while there is something beside it.
const MOST: usize = 60;

/// A column on the screen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Placed {
    /// Its index in the table.
    pub(super) index: usize,
    pub(super) x: usize,
    pub(super) width: usize,
}

/// The columns that fit, the first one always among them, and the one that is sorted by: where that would
/// not fit, those before it are left out.
pub(super) fn place(table: &Table, sort: Sort, columns: usize) -> Vec<Placed> {
    let widths: Vec<usize> = (0..table.columns.len())
        .map(|index| natural(table, index, sort, columns))
        .collect();
    let mut placed = Vec::new();
    for start in 1..widths.len().max(2) {
        placed = fit(table, &widths, start, columns);
        let fits = |one: &Placed| one.index == sort.column && one.width >= widths[one.index];
        if start >= sort.column || placed.iter().any(fits) {
            break;
        }
    }
    placed
}

fn natural(table: &Table, index: usize, sort: Sort, columns: usize) -> usize {
    let column = &table.columns[index];
    // The sign of the order stands behind the name.
    let header = width(column.name) + usize::from(index == sort.column);
    let cells = table
        .lines
        .iter()
        .map(|line| width(&line.cells[index].text));
    let widest = cells.max().unwrap_or(0).max(header);
    if column.is_number {
        widest
    } else {
        widest.min(MOST).min(columns.div_ceil(2).max(LEAST))
    }
}

fn fit(table: &Table, widths: &[usize], start: usize, columns: usize) -> Vec<Placed> {
    let mut placed = Vec::new();
    let mut x = 0;
    for index in (0..1).chain(start..widths.len()) {
        let room = columns.saturating_sub(x);
        let width = widths[index];
        if width <= room {
            placed.push(Placed { index, x, width });
            x += width + GAP;
            continue;
        }
        if placed.is_empty() || (!table.columns[index].is_number && room >= LEAST) {
            placed.push(Placed {
                index,
                x,
                width: room,
            });
        }
        break;
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::{
        key::Key,
        table::{Cell, Column, Line},
    };

    const COLUMNS: &[Column] = &[
        Column::text("NAME"),
        Column::number("COUNT"),
        Column::text("READER"),
        Column::number("TOTAL"),
    ];

    fn placed(columns: usize, sort: usize) -> Vec<(usize, usize, usize)> {
        let cells = ["rename_lock", "12", "a-reader-of-names", "3.20 ms"];
        let line = Line {
            key: Key::Site(0),
            cells: cells.map(Cell::text).into(),
        };
        let sort = Sort {
            column: sort,
            descending: true,
        };
        place(&Table::new(COLUMNS, vec![line]), sort, columns)
            .iter()
            .map(|one| (one.index, one.x, one.width))
            .collect()
    }

    #[test]
    fn columns_that_do_not_fit_are_left_out_and_a_text_is_cut() {
        let all = [(0, 0, 11), (1, 13, 6), (2, 21, 17), (3, 40, 7)];
        assert_eq!(placed(47, 1), all);
        assert_eq!(placed(46, 1), all[..3]);
        assert_eq!(placed(35, 1), [(0, 0, 11), (1, 13, 6), (2, 21, 14)]);
        assert_eq!(placed(28, 1), all[..2]);
    }

    #[test]
    fn the_column_that_is_sorted_by_is_seen() {
        assert_eq!(placed(30, 3), [(0, 0, 11), (3, 13, 7)]);
        assert_eq!(placed(40, 3), [(0, 0, 11), (2, 13, 17), (3, 32, 7)]);
    }

    #[test]
    fn nothing_stands_outside_of_the_narrowest_screen() {
        for columns in 0..60 {
            for sort in 0..5 {
                for (_, x, width) in placed(columns, sort) {
                    assert!(x + width <= columns, "{columns}, {sort}");
                }
            }
        }
    }
}
