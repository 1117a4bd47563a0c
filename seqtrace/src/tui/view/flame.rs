//! A flame graph, and a line on the call that is selected.

use ratatui::{buffer::Buffer, layout::Rect};

use super::print;
use crate::{
    export::{
        folded::Weight,
        quantity::{duration_inline, plural, share},
    },
    tui::{
        flame::Box,
        state::State,
        text::cut,
        theme::{PLAIN, SELECTED, STRONG},
    },
};

pub(super) fn draw(
    state: &State,
    (boxes, at, all): (&[Box], usize, u64),
    buffer: &mut Buffer,
    area: Rect,
) {
    let level = state.level();
    if boxes.is_empty() {
        let text = match level.weight {
            Weight::Time => {
                "No time was lost here. Retries have no time: w weighs by events instead."
            }
            Weight::Events | Weight::Retries => "No stack here.",
        };
        print(buffer, area, 0, 0, text, PLAIN);
        return;
    }
    let rows = area.height.saturating_sub(1);
    for (index, one) in boxes.iter().enumerate() {
        let Some(row) = one.depth().checked_sub(level.offset) else {
            continue;
        };
        if row >= usize::from(rows) {
            continue;
        }
        let name = name(one);
        let style = if index == at {
            SELECTED.patch(STRONG)
        } else {
            state.theme.call(name)
        };
        // A bar at the left keeps apart boxes that have no colours.
        let text = format!("▏{name}");
        let text = cut(&text, one.width);
        let text = format!("{text:width$}", width = one.width);
        let place = Rect::new(
            area.x + one.x as u16,
            area.y + row as u16,
            one.width as u16,
            1,
        );
        print(buffer, place, 0, 0, &text, style);
    }
    if let Some(one) = boxes.get(at) {
        let weight = match level.weight {
            Weight::Time => duration_inline(one.weight),
            Weight::Events => plural(one.weight, "event"),
            Weight::Retries => format!("{} retries", one.weight),
        };
        let text = format!("{}: {weight}, {} of all", name(one), share(one.weight, all));
        let below = Rect::new(area.x, area.y + rows, area.width, area.height - rows);
        print(buffer, below, 0, 0, &text, STRONG);
    }
}

/// What is written on a box.
fn name(one: &Box) -> &str {
    one.path.last().map_or("all", String::as_str)
}
