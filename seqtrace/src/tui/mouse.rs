//! What the mouse does: as the keys, where it points.

use ratatui::{
    crossterm::event::{MouseButton, MouseEvent, MouseEventKind},
    layout::Position,
};

use crate::tui::{
    columns::place,
    drill,
    flame::Step,
    keys,
    layout::tabs,
    level::Page,
    state::{Mode, Shown, State},
};

/// Lines that one turn of the wheel scrolls.
const WHEEL: usize = 3;

pub(super) fn used(state: &mut State, event: MouseEvent) {
    match event.kind {
        MouseEventKind::Down(MouseButton::Left) => {
            if matches!(state.mode, Mode::Help(_)) {
                state.mode = Mode::Browse;
                return;
            }
            click(state, Position::new(event.column, event.row));
        }
        MouseEventKind::ScrollUp => wheel(state, true),
        MouseEventKind::ScrollDown => wheel(state, false),
        _ => {}
    }
}

fn wheel(state: &mut State, up: bool) {
    let moved = |at: usize| {
        if up {
            at.saturating_sub(WHEEL)
        } else {
            at + WHEEL
        }
    };
    match &state.shown {
        _ if matches!(state.mode, Mode::Help(_)) => {}
        Shown::Table(_, at) => {
            let to = moved(*at);
            keys::select(state, to);
        }
        Shown::Flame(..) => drill::step(state, if up { Step::Out } else { Step::In }),
        Shown::Text(_) => {
            let level = state.level_mut();
            level.offset = moved(level.offset);
        }
        Shown::Nothing => {}
    }
}

fn click(state: &mut State, at: Position) {
    let areas = state.areas();
    if areas.tabs.contains(at) {
        let hit = tabs().find(|(_, _, (x, width))| (*x..x + width).contains(&at.x));
        if let Some((tab, _, _)) = hit {
            state.tab = tab;
        }
    } else if areas.title.contains(at) {
        drill::back(state);
    } else if areas.page.contains(at) {
        let row = usize::from(at.y - areas.page.y);
        match state.level().page {
            Page::Table(_) => click_table(state, usize::from(at.x), row),
            Page::Flame(_) => click_flame(state, usize::from(at.x), row),
            Page::EventStacks(_) | Page::PairStacks(_) | Page::Account => {}
        }
    }
}

fn click_table(state: &mut State, x: usize, row: usize) {
    let Shown::Table(table, selected) = &state.shown else {
        return;
    };
    let level = state.level();
    let Some(row) = row.checked_sub(1) else {
        let placed = place(table, level.sort, usize::from(state.size.width));
        let hit = placed.iter().rfind(|one| one.x <= x);
        if let Some(index) = hit.map(|one| one.index) {
            keys::sort_column(state, index);
        }
        return;
    };
    let at = level.offset + row;
    if at >= table.lines.len() {
        return;
    }
    if at == *selected {
        drill::open(state);
    } else {
        keys::select(state, at);
    }
}

fn click_flame(state: &mut State, x: usize, row: usize) {
    let Shown::Flame(boxes, selected, _) = &state.shown else {
        return;
    };
    let depth = state.level().offset + row;
    let hit = boxes
        .iter()
        .position(|one| one.depth() == depth && (one.x..one.x + one.width).contains(&x));
    let Some(hit) = hit else {
        return;
    };
    if hit == *selected {
        drill::open(state);
    } else {
        let call = boxes[hit].path.clone();
        state.level_mut().call = call;
    }
}
