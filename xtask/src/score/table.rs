//! Scores of kernels → one table, as text or as Markdown. Pure.

use std::fmt::Write as _;

use super::goal::Cell;

/// A kernel's line: its release, and its cells.
pub(crate) type Line = (String, Vec<Cell>);

/// The table for a terminal; what misses its goal has a `!` behind it.
pub(crate) fn text(lines: &[Line]) -> String {
    let rows = rows(lines, |cell| {
        let mark = if cell.met { "" } else { "!" };
        format!("{}{mark}", cell.text)
    });
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let widths = rows.iter().map(|row| row[column].chars().count());
            widths.max().unwrap_or_default()
        })
        .collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = format!("{:<1$}", row[0], widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            write!(line, "  {cell:>width$}").expect("a string takes any text");
        }
        writeln!(text, "{}", line.trim_end()).expect("a string takes any text");
    }
    text
}

/// The table for `docs/sites.md`; what misses its goal is bold.
pub(crate) fn markdown(lines: &[Line]) -> String {
    let rows = rows(lines, |cell| {
        if cell.met {
            cell.text.clone()
        } else {
            format!("**{}**", cell.text)
        }
    });
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        writeln!(text, "| {} |", row.join(" | ")).expect("a string takes any text");
        if number == 0 {
            let rule = "--:|".repeat(row.len().saturating_sub(1));
            writeln!(text, "|---|{rule}").expect("a string takes any text");
        }
    }
    text
}

/// Titles, goals, and a row for each kernel.
fn rows(lines: &[Line], show: impl Fn(&Cell) -> String) -> Vec<Vec<String>> {
    let Some((_, first)) = lines.first() else {
        return Vec::new();
    };
    let row = |head: &str, cells: Vec<String>| -> Vec<String> {
        std::iter::once(head.to_owned()).chain(cells).collect()
    };
    let mut rows = vec![
        row(
            "kernel",
            first.iter().map(|cell| cell.title.to_owned()).collect(),
        ),
        row("goal", first.iter().map(|cell| cell.goal.clone()).collect()),
    ];
    for (release, cells) in lines {
        rows.push(row(release, cells.iter().map(&show).collect()));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::{super::goal::Kind, *};

    fn line(release: &str, text: &str, met: bool) -> Line {
        let cell = Cell {
            title: "begin",
            goal: "≥ 99.5 %".to_owned(),
            text: text.to_owned(),
            met,
            kind: Kind::Exact,
        };
        (release.to_owned(), vec![cell])
    }

    #[test]
    fn what_misses_its_goal_is_marked() {
        let lines = [
            line("6.1", "100.00 %", true),
            line("6.12-rt", "99.40 %", false),
        ];
        assert_eq!(
            text(&lines),
            "kernel      begin\n\
             goal     ≥ 99.5 %\n\
             6.1      100.00 %\n\
             6.12-rt  99.40 %!\n"
        );
        assert_eq!(
            markdown(&lines),
            "| kernel | begin |\n|---|--:|\n| goal | ≥ 99.5 % |\n| 6.1 | 100.00 % |\n\
             | 6.12-rt | **99.40 %** |\n"
        );
    }
}
