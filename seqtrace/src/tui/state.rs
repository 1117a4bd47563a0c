//! What a screen knows and shows, and what changes it.

use std::{sync::Arc, time::Duration};

use ratatui::{Frame, layout::Size};

use crate::{
    aggregate::snapshot::Snapshot,
    export::table::account,
    tui::{
        data::Data,
        flame::{self, Box, boxes},
        input::{Effect, Input},
        keys,
        layout::{Areas, bars},
        level::{Level, Page},
        mouse, stacks,
        table::Table,
        tabs::Tab,
        text::safe,
        theme::Theme,
        view,
    },
};

/// How a screen begins.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Time between two snapshots.
    pub interval: Duration,
    /// Whether it has colours.
    pub colour: bool,
    /// The size of the terminal.
    pub size: Size,
}

/// What the keys mean at the moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mode {
    Browse,
    /// They are the filter that is being typed.
    Filter,
    /// The help is shown, from this line on.
    Help(usize),
}

/// The page as it is drawn.
#[derive(Clone, Debug)]
pub(super) enum Shown {
    /// No numbers have come yet.
    Nothing,
    /// A table, and the index of the line that is selected.
    Table(Table, usize),
    /// Boxes, the index of the one that is selected, and the weight of all.
    Flame(Vec<Box>, usize, u64),
    Text(Vec<String>),
}

/// A screen.
#[derive(Debug)]
pub struct State {
    pub(super) size: Size,
    pub(super) theme: Theme,
    pub(super) interval: Duration,
    /// The newest numbers.
    pub(super) data: Option<Data>,
    /// Those that are shown while it is paused.
    pub(super) frozen: Option<Data>,
    pub(super) tab: Tab,
    /// The pages of each tab, the one that is shown at the end; one at least.
    levels: [Vec<Level>; Tab::ALL.len()],
    pub(super) mode: Mode,
    pub(super) notice: Option<String>,
    pub(super) shown: Shown,
}

impl State {
    /// A screen on which no numbers have come yet.
    pub fn new(options: Options) -> Self {
        let Options {
            interval,
            colour,
            size,
        } = options;
        Self {
            size,
            theme: Theme::new(colour),
            interval,
            data: None,
            frozen: None,
            tab: Tab::Seqcounts,
            levels: Tab::ALL.map(|tab| vec![Level::first(tab)]),
            mode: Mode::Browse,
            notice: None,
            shown: Shown::Nothing,
        }
    }

    /// Takes in what happened; returns what is to be done about it.
    pub fn update(&mut self, input: Input) -> Option<Effect> {
        let effect = match input {
            Input::Snapshot(snapshot) => {
                self.add(snapshot);
                None
            }
            Input::Key(key) => keys::press(self, key),
            Input::Mouse(event) => {
                mouse::used(self, event);
                None
            }
            Input::Resize(size) => {
                self.size = size;
                None
            }
            Input::Told(notice) => {
                self.notice = Some(safe(&notice));
                None
            }
        };
        self.prepare();
        effect
    }

    /// Draws the screen.
    pub fn view(&self, frame: &mut Frame<'_>) {
        view::draw(self, frame.buffer_mut());
    }

    fn add(&mut self, snapshot: Arc<Snapshot>) {
        match &mut self.data {
            Some(data) => data.add(snapshot),
            None => self.data = Some(Data::first(snapshot)),
        }
    }

    /// The numbers that are shown.
    pub(super) fn current(&self) -> Option<&Data> {
        self.frozen.as_ref().or(self.data.as_ref())
    }

    pub(super) fn levels(&self) -> &[Level] {
        &self.levels[self.tab.index()]
    }

    pub(super) fn levels_mut(&mut self) -> &mut Vec<Level> {
        &mut self.levels[self.tab.index()]
    }

    /// The page that is shown.
    pub(super) fn level(&self) -> &Level {
        self.levels().last().expect("the first page stays")
    }

    pub(super) fn level_mut(&mut self) -> &mut Level {
        self.levels_mut().last_mut().expect("the first page stays")
    }

    pub(super) fn areas(&self) -> Areas {
        Areas::new(self.size, self.levels().len() > 1)
    }

    /// Makes of numbers and page what is drawn, and keeps the selection in sight.
    pub(super) fn prepare(&mut self) {
        let areas = self.areas();
        let Some(data) = self.current() else {
            return;
        };
        let level = self.level();
        let shown = match &level.page {
            Page::Table(listing) => {
                let mut table = listing.table(data, bars(self.size.width));
                table.filter(&level.filter);
                table.sort(level.sort);
                let (key, index) = &level.selected;
                let known = key.as_ref().and_then(|key| table.position(key));
                let last = table.lines.len().saturating_sub(1);
                let at = known.unwrap_or((*index).min(last));
                Shown::Table(table, at)
            }
            Page::Flame(scope) => {
                let tree = flame::tree(&data.total, scope, level.weight);
                let columns = usize::from(self.size.width);
                // A call may be gone after a reset.
                let zoom = tree.at(&level.zoom).map_or(&[][..], |_| &level.zoom[..]);
                let boxes = boxes(&tree, zoom, columns);
                let known = boxes.iter().position(|one| one.path == level.call);
                let at = known
                    .or_else(|| boxes.iter().position(|one| one.path == zoom))
                    .unwrap_or(0);
                Shown::Flame(boxes, at, tree.weight)
            }
            Page::EventStacks(event) => Shown::Text(stacks::of_event(&data.total, event)),
            Page::PairStacks(pair) => Shown::Text(stacks::of_pair(&data.total, pair)),
            Page::Account => {
                let width = usize::from(self.size.width);
                let text = account(&data.newest, &[], Some(width));
                Shown::Text(text.lines().map(safe).collect())
            }
        };
        self.shown = shown;
        self.keep_in_sight(areas);
    }

    fn keep_in_sight(&mut self, areas: Areas) {
        let page = usize::from(areas.page.height);
        let (at, rows, all) = match &self.shown {
            Shown::Nothing => return,
            Shown::Table(table, at) => (Some(*at), areas.lines(), table.lines.len()),
            // The last line tells of the box that is selected.
            Shown::Flame(boxes, at, _) => (
                boxes.get(*at).map(Box::depth),
                page.saturating_sub(1),
                boxes.last().map_or(0, |one| one.depth() + 1),
            ),
            Shown::Text(lines) => (None, page, lines.len()),
        };
        let level = self.level_mut();
        if let Some(at) = at {
            level.offset = level.offset.min(at).max((at + 1).saturating_sub(rows));
        }
        level.offset = level.offset.min(all.saturating_sub(rows));
    }
}
