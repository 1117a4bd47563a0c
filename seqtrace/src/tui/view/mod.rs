//! A state → the cells of a screen.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use crate::tui::{
    help,
    layout::tabs,
    state::{Mode, Shown, State},
    text::{cut, safe, width},
    theme::{PLAIN, SELECTED, STRONG},
};

mod flame;
mod footer;
mod header;
mod table;

/// Draws everything.
pub(super) fn draw(state: &State, buffer: &mut Buffer) {
    let areas = state.areas();
    header::draw(state, buffer, areas.header);
    draw_tabs(state, buffer, areas.tabs);
    let titles = state.levels().iter().skip(1);
    let titles: Vec<String> = titles.map(|level| safe(&level.title)).collect();
    let way = format!("{} › {}", state.tab.name(), titles.join(" › "));
    print(buffer, areas.title, 0, 0, &way, STRONG);
    match &state.shown {
        Shown::Nothing => print(
            buffer,
            areas.page,
            0,
            0,
            "The first numbers are on their way.",
            PLAIN,
        ),
        Shown::Table(table, at) => table::draw(state, (table, *at), buffer, areas.page),
        Shown::Flame(boxes, at, weight) => {
            flame::draw(state, (boxes, *at, *weight), buffer, areas.page);
        }
        Shown::Text(lines) => {
            let lines = lines.iter().skip(state.level().offset);
            for (y, line) in (0..areas.page.height).zip(lines) {
                print(buffer, areas.page, 0, y, line, PLAIN);
            }
        }
    }
    footer::draw(state, buffer, areas.footer);
    if let Mode::Help(from) = state.mode {
        let screen = Rect::new(0, 0, state.size.width, state.size.height);
        draw_help(buffer, screen, from);
    }
}

fn draw_tabs(state: &State, buffer: &mut Buffer, area: Rect) {
    for (tab, label, (x, _)) in tabs() {
        let style = if tab == state.tab {
            SELECTED.patch(STRONG)
        } else {
            PLAIN
        };
        print(buffer, area, x, 0, &label, style);
    }
}

/// Over everything else.
fn draw_help(buffer: &mut Buffer, area: Rect, from: usize) {
    let area = area.intersection(buffer.area);
    let mut lines = help::from(from);
    for y in 0..area.height {
        let line = lines.next().unwrap_or_default();
        let is_title = line.starts_with(|letter: char| letter.is_uppercase());
        let style = if is_title { STRONG } else { PLAIN };
        let blank = " ".repeat(usize::from(area.width));
        print(buffer, area, 0, y, &blank, PLAIN);
        print(buffer, area, 0, y, line, style);
    }
}

/// Writes `text` into a line of `area`, from column `x` on, cut at its right edge.
fn print(buffer: &mut Buffer, area: Rect, x: u16, y: u16, text: &str, style: Style) {
    let area = area.intersection(buffer.area);
    if x < area.width && y < area.height {
        let room = usize::from(area.width - x);
        buffer.set_stringn(area.x + x, area.y + y, cut(text, room), room, style);
    }
}

/// Writes `text` so that it ends at the right edge, if there is room for it beside `used` columns.
fn print_right(buffer: &mut Buffer, area: Rect, used: u16, text: &str, style: Style) {
    let columns = width(text) as u16;
    if let Some(x) = area.width.checked_sub(columns)
        && x >= used
    {
        print(buffer, area, x, 0, text, style);
    }
}
