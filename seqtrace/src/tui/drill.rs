//! The way from a line to what it is made of, and back.

use crate::tui::{
    flame::{Scope, Step, next},
    key::Key,
    level::{Level, Page},
    state::{Shown, State},
    tabs::Listing,
};

/// Opens what is selected: the sites of a seqcount or of a task, the stacks of a site, both stacks of an
/// event or of a pair; in a flame graph gives the call the whole width.
pub(super) fn open(state: &mut State) {
    match &state.shown {
        Shown::Table(table, at) => {
            let Some(line) = table.lines.get(*at) else {
                return;
            };
            let (page, title) = match (&line.key, &state.level().page) {
                (Key::Seqcount(id), _) => (
                    Page::Table(Listing::Sites(Some(id.clone()))),
                    id.name.clone(),
                ),
                (Key::Task(task), _) => (
                    Page::Table(Listing::SitesOfTask(task.clone())),
                    format!("{}/{}", task.comm, task.tgid),
                ),
                (Key::Site(slot), page) => (Page::Flame(of_site(*slot, page)), first_cell(state)),
                (Key::Pair(pair), _) => (
                    Page::PairStacks(pair.clone()),
                    format!("{} → {}", pair.reader.comm, pair.writer.comm),
                ),
                (Key::Event(event), _) => (
                    Page::EventStacks(event.clone()),
                    format!("event of {}", first_cell(state)),
                ),
            };
            push(state, page, title);
        }
        Shown::Flame(boxes, at, _) => {
            if let Some(call) = boxes.get(*at).map(|one| one.path.clone()) {
                let level = state.level_mut();
                level.call.clone_from(&call);
                level.zoom = call;
            }
        }
        Shown::Text(_) | Shown::Nothing => {}
    }
}

/// The stacks of what is selected, or of everything where nothing is.
pub(super) fn flame(state: &mut State) {
    let (scope, title) = match &state.shown {
        Shown::Table(table, at) => match table.lines.get(*at).map(|line| &line.key) {
            Some(Key::Seqcount(id)) => {
                let seqcount = Some(id.clone());
                let scope = Scope {
                    seqcount,
                    ..Scope::default()
                };
                (scope, id.name.clone())
            }
            Some(Key::Site(slot)) => (of_site(*slot, &state.level().page), first_cell(state)),
            Some(Key::Task(task)) => {
                let comm = Some(task.comm.clone());
                let scope = Scope {
                    comm,
                    ..Scope::default()
                };
                (scope, task.comm.clone())
            }
            Some(Key::Pair(_) | Key::Event(_)) | None => all(),
        },
        Shown::Text(_) => all(),
        Shown::Flame(..) | Shown::Nothing => return,
    };
    push(state, Page::Flame(scope), title);
}

fn all() -> (Scope, String) {
    (Scope::default(), "all stacks".to_owned())
}

/// The stacks of a site, of one task's name where it was opened from a task.
fn of_site(slot: u32, from: &Page) -> Scope {
    let comm = match from {
        Page::Table(Listing::SitesOfTask(task)) => Some(task.comm.clone()),
        _ => None,
    };
    Scope {
        slot: Some(slot),
        comm,
        seqcount: None,
    }
}

/// The text at the left of the selected line.
fn first_cell(state: &State) -> String {
    let Shown::Table(table, at) = &state.shown else {
        return String::new();
    };
    let cell = table.lines.get(*at).and_then(|line| line.cells.first());
    cell.map_or_else(String::new, |cell| cell.text.clone())
}

fn push(state: &mut State, page: Page, title: String) {
    // What it was opened from has to be found again.
    if let Shown::Table(table, at) = &state.shown {
        let key = table.lines.get(*at).map(|line| line.key.clone());
        let at = *at;
        state.level_mut().selected = (key, at);
    }
    state.levels_mut().push(Level::new(page, title));
}

/// One step back: from a zoomed call to all, from a filter to none, from a page to the one before.
pub(super) fn back(state: &mut State) {
    let level = state.level_mut();
    if !level.zoom.is_empty() {
        level.zoom.clear();
    } else if !level.filter.is_empty() {
        level.filter.clear();
    } else if state.levels().len() > 1 {
        state.levels_mut().pop();
    }
}

/// Selects the call beside the one that is selected.
pub(super) fn step(state: &mut State, step: Step) {
    if let Shown::Flame(boxes, at, _) = &state.shown
        && let Some(one) = boxes.get(next(boxes, *at, step))
    {
        let call = one.path.clone();
        state.level_mut().call = call;
    }
}
