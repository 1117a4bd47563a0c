//! The numbers of one moment → the table of each tab.

use crate::{
    aggregate::snapshot::{Row, TaskRow},
    export::quantity::{duration, share, three_digits},
    plan::{Backend, Kind},
    tui::{
        data::Data,
        key::{Seqcount, Task},
        table::{Cell, Sort, Table},
        text::safe,
    },
};

mod blame;
mod events;
mod seqcounts;
mod sites;
mod tasks;

pub(super) use blame::pair_of;

/// The tabs, in their order on the screen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tab {
    Seqcounts,
    Sites,
    Tasks,
    Blame,
    Events,
    Coverage,
}

impl Tab {
    pub(super) const ALL: [Self; 6] = [
        Self::Seqcounts,
        Self::Sites,
        Self::Tasks,
        Self::Blame,
        Self::Events,
        Self::Coverage,
    ];

    /// Its name on the screen.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Seqcounts => "seqcounts",
            Self::Sites => "sites",
            Self::Tasks => "tasks",
            Self::Blame => "blame",
            Self::Events => "events",
            Self::Coverage => "coverage and losses",
        }
    }

    /// Where it stands among all.
    pub(super) fn index(self) -> usize {
        Self::ALL.iter().position(|tab| *tab == self).unwrap_or(0)
    }
}

/// A table that can be shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Listing {
    Seqcounts,
    /// All sites, or those of one seqcount.
    Sites(Option<Seqcount>),
    /// What one task lost at which sites.
    SitesOfTask(Task),
    Tasks,
    Blame,
    Events,
}

impl Listing {
    /// The table, neither filtered nor sorted; with bars of so many columns.
    pub(super) fn table(&self, data: &Data, bars: usize) -> Table {
        match self {
            Self::Seqcounts => seqcounts::table(data, bars),
            Self::Sites(of) => sites::table(data, of.as_ref()),
            Self::SitesOfTask(task) => sites::of_task(data, task),
            Self::Tasks => tasks::table(data),
            Self::Blame => blame::table(data),
            Self::Events => events::table(data),
        }
    }

    /// How it is sorted until somebody asks for something else: the most time lost in the last interval
    /// first, or the longest event.
    pub(super) fn sort(&self) -> Sort {
        let column = match self {
            Self::Seqcounts => seqcounts::LOST,
            Self::Sites(_) | Self::SitesOfTask(_) => sites::LOST,
            Self::Tasks => tasks::LOST,
            Self::Blame => blame::LOST,
            Self::Events => events::LASTED,
        };
        Sort {
            column,
            descending: true,
        }
    }

    /// What to say when nothing is there.
    pub(super) fn nothing(&self) -> &'static str {
        match self {
            Self::Seqcounts | Self::Sites(_) | Self::SitesOfTask(_) | Self::Tasks => {
                "No reader has waited or retried so far."
            }
            Self::Blame => {
                "No wait has a known writer so far. Without PREEMPT_RT writers are known where they are \
                 probed: --writers, --blame-above."
            }
            Self::Events => "No event has been longer than --threshold so far.",
        }
    }
}

/// So many for each second.
fn per_second(data: &Data, number: u64) -> Cell {
    if number == 0 {
        return Cell::blank();
    }
    let rate = data.rate(number);
    Cell::number(rate, three_digits(rate))
}

/// So much time for each second.
fn lost_per_second(data: &Data, time_ns: u64, is_estimate: bool) -> Cell {
    if time_ns == 0 {
        return Cell::blank();
    }
    time(data.rate(time_ns) as u64, is_estimate)
}

/// A time, marked where it is an estimate.
fn time(time_ns: u64, is_estimate: bool) -> Cell {
    let mark = if is_estimate { "~" } else { "" };
    Cell::number(time_ns as f64, format!("{mark}{}", duration(time_ns)))
}

/// A time, where there is one.
fn time_or_blank(time_ns: Option<u64>) -> Cell {
    time_ns.map_or_else(Cell::blank, |time_ns| time(time_ns, false))
}

/// A task and its share of what was lost: `walker/165 44%`.
fn with_share(task: &TaskRow, id: u32, whole_ns: u64, whole: u64) -> Cell {
    let share = if whole_ns > 0 {
        share(task.total_ns, whole_ns)
    } else {
        share(task.count, whole)
    };
    Cell::text(format!("{}/{id} {share}", safe(&task.comm)))
}

/// Whether its time is an estimate.
fn is_sampled(row: &Row) -> bool {
    row.backend == Backend::Sample
}

/// Whether single events have times.
fn has_times(row: &Row) -> bool {
    let has = match row.kind {
        Kind::Block | Kind::Spin | Kind::Write => true,
        Kind::Retry | Kind::Fallback => false,
        Kind::Check => row.runs.is_some(),
    };
    has && !is_sampled(row)
}
