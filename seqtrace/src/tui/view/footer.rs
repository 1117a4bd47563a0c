//! The keys that matter here, the filter, and what became of the last key.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{print, print_right};
use crate::tui::{
    level::Page,
    state::{Mode, Shown, State},
    text::{safe, width},
    theme::{FAINT, PLAIN, STRONG},
};

pub(super) fn draw(state: &State, buffer: &mut Buffer, area: Rect) {
    let level = state.level();
    let is_typed = state.mode == Mode::Filter;
    if let (Shown::Table(table, _), true) = (&state.shown, is_typed || !level.filter.is_empty()) {
        let cursor = if is_typed { "▏" } else { "" };
        let all = table.lines.len() + table.filtered;
        let text = format!("/{}{cursor}", safe(&level.filter));
        let keys = if is_typed {
            "Enter keeps it, Esc ends it"
        } else {
            "Esc ends the filter"
        };
        let found = format!("  {} of {all}  {keys}", table.lines.len());
        print(buffer, area, 0, 0, &text, STRONG);
        print(buffer, area, width(&text) as u16, 0, &found, PLAIN);
        return;
    }
    if let Some(notice) = &state.notice {
        print(buffer, area, 0, 0, notice, STRONG);
        return;
    }
    let (keys, position) = match (&level.page, &state.shown) {
        (Page::Table(_), Shown::Table(table, at)) => {
            let keys = "Enter open  / filter  ←→ sort  i turn  f flame  space hold";
            let position = match table.lines.len() {
                0 => String::new(),
                all => format!("{} of {all}", at + 1),
            };
            (keys, position)
        }
        (Page::Flame(_), _) => (
            "↑↓←→ call  Enter zoom  w time/events  Esc back",
            String::new(),
        ),
        (Page::EventStacks(_) | Page::PairStacks(_), _) => ("↑↓ scroll  Esc back", String::new()),
        (Page::Account | Page::Table(_), _) => ("↑↓ scroll  s save  space hold", String::new()),
    };
    let keys = if state.frozen.is_some() {
        keys.replace("space hold", "space go on")
    } else {
        keys.to_owned()
    };
    let keys = format!("{keys}  ? help  q quit");
    print(buffer, area, 0, 0, &keys, FAINT);
    print_right(buffer, area, width(&keys) as u16 + 2, &position, FAINT);
}
