//! A table, its names of columns on top.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::print;
use crate::tui::{
    columns::{Placed, place},
    level::Page,
    state::State,
    table::Table,
    text::{cut, width},
    theme::{PLAIN, SELECTED},
};

/// The column of bars.
const BARS: &str = "LAST MINUTE";

pub(super) fn draw(state: &State, (table, at): (&Table, usize), buffer: &mut Buffer, area: Rect) {
    let level = state.level();
    if table.lines.is_empty() {
        let text = match &level.page {
            Page::Table(_) if table.filtered > 0 => "No line has the text of the filter.",
            Page::Table(listing) => listing.nothing(),
            _ => "",
        };
        for (y, line) in (0..).zip(wrapped(text, usize::from(area.width))) {
            print(buffer, area, 0, y, &line, PLAIN);
        }
        return;
    }
    let placed = place(table, level.sort, usize::from(area.width));
    for one in &placed {
        let column = &table.columns[one.index];
        let is_sorted = one.index == level.sort.column;
        let (text, style) = if is_sorted {
            let sign = if level.sort.descending { '▼' } else { '▲' };
            (format!("{}{sign}", column.name), state.theme.sorted())
        } else {
            (column.name.to_owned(), state.theme.head())
        };
        put(buffer, area, 0, *one, &text, column.is_number, style);
    }
    let lines = table.lines.iter().enumerate().skip(level.offset);
    for (y, (index, line)) in (1..area.height).zip(lines) {
        let is_selected = index == at;
        if is_selected {
            let blank = " ".repeat(usize::from(area.width));
            print(buffer, area, 0, y, &blank, SELECTED);
        }
        for one in &placed {
            let column = &table.columns[one.index];
            let style = match (is_selected, column.name) {
                (true, _) => SELECTED,
                (false, BARS) => state.theme.bars(),
                (false, _) => PLAIN,
            };
            let text = &line.cells[one.index].text;
            put(buffer, area, y, *one, text, column.is_number, style);
        }
    }
}

fn put(
    buffer: &mut Buffer,
    area: Rect,
    y: u16,
    place: Placed,
    text: &str,
    is_number: bool,
    style: Style,
) {
    let Placed {
        x, width: columns, ..
    } = place;
    let text = cut(text, columns);
    let indent = if is_number { columns - width(&text) } else { 0 };
    print(buffer, area, (x + indent) as u16, y, &text, style);
}

/// The words in lines of at most `columns` columns.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is one");
        if !line.is_empty() && width(line) + 1 + width(word) > columns {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
