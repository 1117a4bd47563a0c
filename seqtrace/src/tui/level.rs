//! One page of a tab: what it shows, and where on it one is.

use crate::{
    export::folded::Weight,
    tui::{
        flame::Scope,
        key::{Event, Key, Pair},
        table::Sort,
        tabs::{Listing, Tab},
    },
};

/// What a page shows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Page {
    Table(Listing),
    Flame(Scope),
    EventStacks(Event),
    PairStacks(Pair),
    /// Coverage, losses and costs.
    Account,
}

/// A page as it was left.
#[derive(Clone, Debug)]
pub(super) struct Level {
    pub(super) page: Page,
    /// What was opened to come here; empty on the first page of a tab.
    pub(super) title: String,
    pub(super) sort: Sort,
    pub(super) filter: String,
    /// The line that is selected: by what it is about, and by its index where that is gone.
    pub(super) selected: (Option<Key>, usize),
    /// Lines above the first one that is shown.
    pub(super) offset: usize,
    /// In a flame graph: the call that has the whole width, and the one that is selected.
    pub(super) zoom: Vec<String>,
    pub(super) call: Vec<String>,
    pub(super) weight: Weight,
}

impl Level {
    pub(super) fn new(page: Page, title: String) -> Self {
        let sort = match &page {
            Page::Table(listing) => listing.sort(),
            Page::Flame(_) | Page::EventStacks(_) | Page::PairStacks(_) | Page::Account => Sort {
                column: 0,
                descending: true,
            },
        };
        Self {
            page,
            title,
            sort,
            filter: String::new(),
            selected: (None, 0),
            offset: 0,
            zoom: Vec::new(),
            call: Vec::new(),
            weight: Weight::Time,
        }
    }

    /// The first page of a tab.
    pub(super) fn first(tab: Tab) -> Self {
        let page = match tab {
            Tab::Seqcounts => Page::Table(Listing::Seqcounts),
            Tab::Sites => Page::Table(Listing::Sites(None)),
            Tab::Tasks => Page::Table(Listing::Tasks),
            Tab::Blame => Page::Table(Listing::Blame),
            Tab::Events => Page::Table(Listing::Events),
            Tab::Coverage => Page::Account,
        };
        Self::new(page, String::new())
    }
}
