//! Columns of text → a table without borders that keeps to a width.
//!
//! Nothing is wrapped or cut: what does not fit beside the names goes into a further table below,
//! which repeats the last name column.

use comfy_table::{CellAlignment, Table, presets};

/// Spaces between two columns.
const GAP: usize = 2;

/// One column.
pub(super) struct Column {
    header: &'static str,
    alignment: CellAlignment,
    cells: Vec<String>,
}

impl Column {
    /// A column of text, aligned left.
    pub(super) fn text(header: &'static str, cells: impl Iterator<Item = String>) -> Self {
        Self {
            header,
            alignment: CellAlignment::Left,
            cells: cells.map(one_line).collect(),
        }
    }

    /// A column of numbers, aligned right.
    pub(super) fn number(header: &'static str, cells: impl Iterator<Item = String>) -> Self {
        Self {
            header,
            alignment: CellAlignment::Right,
            cells: cells.map(one_line).collect(),
        }
    }

    /// Whether this is its header.
    pub(super) fn is_called(&self, header: &str) -> bool {
        self.header == header
    }

    /// Whether every cell says that there is nothing to say.
    pub(super) fn is_blank(&self) -> bool {
        self.cells.iter().all(|cell| cell == "-" || cell.is_empty())
    }

    fn width(&self) -> usize {
        let cells = self.cells.iter().map(|cell| cell.chars().count());
        cells.max().unwrap_or(0).max(self.header.len())
    }
}

/// A cell is one line, whatever a file that is shown says.
fn one_line(cell: String) -> String {
    if cell.contains(char::is_control) {
        cell.replace(char::is_control, " ")
    } else {
        cell
    }
}

/// What to do with columns that do not fit beside the names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Overflow {
    /// Put them into further tables.
    Continue,
    /// Leave them out.
    Drop,
}

/// The table: `names` at the left, then `values`, in lines of at most `width` characters where
/// that is possible (`None`: as long as need be). Ends with a newline; no line ends with a space.
pub(super) fn render(
    names: &[&Column],
    values: &[&Column],
    width: Option<usize>,
    overflow: Overflow,
) -> String {
    let mut tables = Vec::new();
    let mut names = names;
    let mut rest = values;
    loop {
        let fit = how_many_fit(names, rest, width);
        let (now, later) = rest.split_at(fit);
        tables.push(one_table(&[names, now].concat()));
        if later.is_empty() || overflow == Overflow::Drop {
            return tables.join("\n");
        }
        names = &names[names.len().saturating_sub(1)..];
        rest = later;
    }
}

/// As [`render`] with one name, under headings: `headings` has the heading of each row, rows of one
/// heading stand together.
pub(super) fn render_grouped(
    headings: &[String],
    name: &Column,
    values: &[&Column],
    width: Option<usize>,
) -> String {
    const INDENT: &str = "  ";
    let width = width.map(|width| width.saturating_sub(INDENT.len()));
    let fit = how_many_fit(&[name], values, width);
    let (now, later) = values.split_at(fit);
    let table = one_table(&[&[name], now].concat());
    let mut text = String::new();
    let mut previous = None;
    let no_heading = [None];
    let heading_of_line = no_heading.into_iter().chain(headings.iter().map(Some));
    for (line, heading) in table.lines().zip(heading_of_line) {
        if let Some(heading) = heading.filter(|heading| previous != Some(*heading)) {
            text = text + heading + "\n";
            previous = Some(heading);
        }
        text = text + INDENT + line + "\n";
    }
    if !later.is_empty() {
        text += "\n";
        text += &render(&[name], later, width, Overflow::Continue);
    }
    text
}

/// Whether `names` and `values` fit into one table.
pub(super) fn fits(names: &[&Column], values: &[&Column], width: Option<usize>) -> bool {
    how_many_fit(names, values, width) == values.len()
}

/// How many of `values` fit beside `names`; one at least, so that there is an end.
fn how_many_fit(names: &[&Column], values: &[&Column], width: Option<usize>) -> usize {
    let Some(width) = width else {
        return values.len();
    };
    let mut used: usize = names.iter().map(|name| name.width() + GAP).sum();
    let fitting = values.iter().take_while(|value| {
        used += value.width() + GAP;
        used - GAP <= width
    });
    fitting.count().clamp(1.min(values.len()), values.len())
}

fn one_table(columns: &[&Column]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(columns.iter().map(|column| column.header));
    let rows = columns.iter().map(|column| column.cells.len()).max();
    for row in 0..rows.unwrap_or(0) {
        table.add_row(columns.iter().map(|column| &column.cells[row]));
    }
    for (column, settings) in columns.iter().zip(table.column_iter_mut()) {
        settings.set_padding((0, GAP as u16));
        settings.set_cell_alignment(column.alignment);
    }
    table.trim_fmt() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(header: &'static str, cell: &str) -> Column {
        Column::number(header, [cell.to_owned()].into_iter())
    }

    /// Two names and two values.
    fn draw(width: Option<usize>, overflow: Overflow) -> String {
        let names =
            ["SEQCOUNT", "SITE"].map(|header| Column::text(header, ["a".to_owned()].into_iter()));
        let values = [column("COUNT", "12"), column("TOTAL", "3.00 s")];
        assert_eq!(
            fits(&names.each_ref(), &values.each_ref(), width),
            width.is_none_or(|width| width >= 29)
        );
        render(&names.each_ref(), &values.each_ref(), width, overflow)
    }

    #[test]
    fn without_a_width_everything_is_one_table() {
        assert_eq!(
            draw(None, Overflow::Continue),
            "SEQCOUNT  SITE  COUNT   TOTAL\na         a        12  3.00 s\n"
        );
    }

    #[test]
    fn what_does_not_fit_goes_below_with_the_last_name() {
        assert_eq!(
            draw(Some(22), Overflow::Continue),
            "SEQCOUNT  SITE  COUNT\na         a        12\n\nSITE   TOTAL\na     3.00 s\n"
        );
    }

    #[test]
    fn what_does_not_fit_can_be_left_out() {
        assert_eq!(
            draw(Some(22), Overflow::Drop),
            "SEQCOUNT  SITE  COUNT\na         a        12\n"
        );
    }

    #[test]
    fn groups_stand_under_their_headings() {
        let cells = |cells: [&'static str; 3]| cells.into_iter().map(str::to_owned);
        let site = Column::text("SITE", cells(["a", "b", "c"]));
        let count = Column::number("COUNT", cells(["1", "2", "3"]));
        let total = Column::number("TOTAL", cells(["7", "8", "9"]));
        let headings: Vec<String> = cells(["one", "one", "two"]).collect();
        assert_eq!(
            render_grouped(&headings, &site, &[&count, &total], Some(13)),
            "  SITE  COUNT\none\n  a         1\n  b         2\ntwo\n  c         3\n\n\
             SITE  TOTAL\na         7\nb         8\nc         9\n"
        );
    }

    #[test]
    fn a_cell_stays_on_its_line() {
        let column = Column::text("SITE", ["two\nlines".to_owned()].into_iter());
        assert_eq!(
            render(&[&column], &[], None, Overflow::Continue),
            "SITE\ntwo lines\n"
        );
    }

    #[test]
    fn a_width_too_small_for_anything_still_shows_everything() {
        let text = draw(Some(1), Overflow::Continue);
        assert_eq!(text.lines().filter(|line| line.contains("SITE")).count(), 2);
        assert!(text.contains("12") && text.contains("3.00 s"));
    }

    #[test]
    fn lines_that_fit_exactly_are_not_split() {
        let whole = draw(None, Overflow::Continue);
        let width = whole.lines().map(str::len).max();
        assert_eq!(draw(width, Overflow::Continue), whole);
    }
}
