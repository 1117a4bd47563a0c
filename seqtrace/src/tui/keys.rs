//! What each key does.

use std::{sync::Arc, time::Duration};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::{
    export::folded::Weight,
    tui::{
        drill, help,
        input::Effect,
        level::Page,
        state::{Mode, Shown, State},
        tabs::Tab,
    },
};

/// Times between two snapshots that can be chosen, in milliseconds.
const INTERVALS_MS: [u64; 9] = [100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000];

pub(super) fn press(state: &mut State, key: KeyEvent) -> Option<Effect> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    state.notice = None;
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match (key.code, state.mode) {
        // In raw mode it is no signal.
        (KeyCode::Char('c'), _) if control => Some(Effect::Quit),
        (code, Mode::Filter) => {
            type_filter(state, code, control);
            None
        }
        (code, Mode::Help(from)) => {
            read_help(state, code, from);
            None
        }
        (code, Mode::Browse) => browse(state, code),
    }
}

fn browse(state: &mut State, code: KeyCode) -> Option<Effect> {
    match code {
        KeyCode::Char('q') => return Some(Effect::Quit),
        KeyCode::Char('s') => {
            let data = state.current()?;
            return Some(Effect::Save(Arc::clone(&data.newest)));
        }
        KeyCode::Char('+') => return change_interval(state, true),
        KeyCode::Char('-') => return change_interval(state, false),
        KeyCode::Char('?') | KeyCode::F(1) => state.mode = Mode::Help(0),
        KeyCode::Char(' ') => {
            state.frozen = match state.frozen {
                Some(_) => None,
                None => state.data.clone(),
            };
        }
        KeyCode::Char('r') => reset(state),
        KeyCode::Tab => turn(state, 1),
        KeyCode::BackTab => turn(state, Tab::ALL.len() - 1),
        KeyCode::Char(digit @ '1'..='6') => {
            state.tab = Tab::ALL[digit as usize - '1' as usize];
        }
        KeyCode::Enter => drill::open(state),
        KeyCode::Esc | KeyCode::Backspace => drill::back(state),
        KeyCode::Char('f') => drill::flame(state),
        code => on_page(state, code),
    }
    None
}

fn on_page(state: &mut State, code: KeyCode) {
    match state.level().page {
        Page::Table(_) => on_table(state, code),
        Page::Flame(_) => on_flame(state, code),
        Page::EventStacks(_) | Page::PairStacks(_) | Page::Account => {
            let page = usize::from(state.areas().page.height);
            let level = state.level_mut();
            level.offset = scrolled(level.offset, code, page);
        }
    }
}

fn on_table(state: &mut State, code: KeyCode) {
    let page = state.areas().lines();
    let Shown::Table(table, at) = &state.shown else {
        return;
    };
    let (at, columns) = (*at, table.columns.len());
    let level = state.level_mut();
    match code {
        KeyCode::Char('/') => state.mode = Mode::Filter,
        KeyCode::Char('i') => level.sort.descending = !level.sort.descending,
        KeyCode::Left | KeyCode::Char('h') => sort_by(state, -1, columns),
        KeyCode::Right | KeyCode::Char('l') => sort_by(state, 1, columns),
        code => select(state, scrolled(at, code, page)),
    }
}

fn on_flame(state: &mut State, code: KeyCode) {
    use crate::tui::flame::Step;
    let step = match code {
        KeyCode::Up | KeyCode::Char('k') => Step::Out,
        KeyCode::Down | KeyCode::Char('j') => Step::In,
        KeyCode::Left | KeyCode::Char('h') => Step::Left,
        KeyCode::Right | KeyCode::Char('l') => Step::Right,
        KeyCode::Char('w') => {
            let level = state.level_mut();
            level.weight = match level.weight {
                Weight::Time => Weight::Events,
                Weight::Events | Weight::Retries => Weight::Time,
            };
            return;
        }
        _ => return,
    };
    drill::step(state, step);
}

/// Where a key leads from line `at`, when `page` lines are seen. What is beyond the end is cut later.
fn scrolled(at: usize, code: KeyCode, page: usize) -> usize {
    match code {
        KeyCode::Up | KeyCode::Char('k') => at.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') => at + 1,
        KeyCode::PageUp => at.saturating_sub(page),
        KeyCode::PageDown => at + page,
        KeyCode::Home | KeyCode::Char('g') => 0,
        KeyCode::End | KeyCode::Char('G') => usize::MAX / 2,
        _ => at,
    }
}

/// Selects a line of the table, or the last one where there are fewer.
pub(super) fn select(state: &mut State, at: usize) {
    let Shown::Table(table, _) = &state.shown else {
        return;
    };
    let at = at.min(table.lines.len().saturating_sub(1));
    let key = table.lines.get(at).map(|line| line.key.clone());
    state.level_mut().selected = (key, at);
}

/// Sorts by the column so many further on, texts from A to Z and numbers from the largest.
fn sort_by(state: &mut State, by: isize, columns: usize) {
    let column = state.level().sort.column as isize + by;
    let column = column.rem_euclid(columns.max(1) as isize) as usize;
    sort_column(state, column);
}

pub(super) fn sort_column(state: &mut State, column: usize) {
    let Shown::Table(table, _) = &state.shown else {
        return;
    };
    let Some(is_number) = table.columns.get(column).map(|column| column.is_number) else {
        return;
    };
    let sort = &mut state.level_mut().sort;
    sort.descending = if sort.column == column {
        !sort.descending
    } else {
        is_number
    };
    sort.column = column;
}

fn turn(state: &mut State, by: usize) {
    state.tab = Tab::ALL[(state.tab.index() + by) % Tab::ALL.len()];
}

/// Counts from now on; a screen that is paused goes on.
fn reset(state: &mut State) {
    state.frozen = None;
    if let Some(data) = &mut state.data {
        data.reset();
        state.notice = Some("counting from now on".to_owned());
    }
}

fn change_interval(state: &mut State, longer: bool) -> Option<Effect> {
    let now_ms = state.interval.as_millis();
    let mut choices = INTERVALS_MS.into_iter();
    let next_ms = if longer {
        choices.find(|ms| u128::from(*ms) > now_ms)
    } else {
        choices.rfind(|ms| u128::from(*ms) < now_ms)
    };
    state.interval = Duration::from_millis(next_ms?);
    Some(Effect::Interval(state.interval))
}

fn type_filter(state: &mut State, code: KeyCode, control: bool) {
    let filter = &mut state.level_mut().filter;
    match code {
        KeyCode::Char('u') if control => filter.clear(),
        KeyCode::Char(character) if !control => filter.push(character),
        KeyCode::Backspace if !filter.is_empty() => {
            filter.pop();
        }
        KeyCode::Esc | KeyCode::Backspace => {
            filter.clear();
            state.mode = Mode::Browse;
        }
        KeyCode::Enter => state.mode = Mode::Browse,
        KeyCode::Up | KeyCode::Down => on_table(state, code),
        _ => {}
    }
}

fn read_help(state: &mut State, code: KeyCode, from: usize) {
    let page = usize::from(state.size.height);
    let to = scrolled(from, code, page).min(help::lines().saturating_sub(1));
    state.mode = match code {
        KeyCode::Up
        | KeyCode::Down
        | KeyCode::PageUp
        | KeyCode::PageDown
        | KeyCode::Home
        | KeyCode::End
        | KeyCode::Char('j' | 'k' | 'g' | 'G') => Mode::Help(to),
        _ => Mode::Browse,
    };
}
