//! One line for each site: of all seqcounts, of one, or as one task met them.

use super::{has_times, is_sampled, lost_per_second, per_second, time, time_or_blank, with_share};
use crate::{
    aggregate::snapshot::{Row, TaskRow},
    export::table::module,
    plan::{Backend, Kind},
    tui::{
        data::Data,
        key::{Key, Seqcount, Task},
        table::{Cell, Column, Line, Table},
        text::safe,
    },
};

const COLUMNS: &[Column] = &[
    Column::text("SITE"),
    Column::text("KIND"),
    Column::number("/S"),
    Column::number("LOST/S"),
    Column::number("COUNT"),
    Column::number("TOTAL"),
    Column::number("MAX"),
    Column::text("SEQCOUNT"),
    Column::text("TOP READER/PID"),
    Column::text("TOP OWNER/TID"),
    Column::number("~P50"),
    Column::number("~P99"),
    Column::number("SLEPT"),
    Column::text("BACKEND"),
    Column::text("MODULE"),
];

const OF_TASK: &[Column] = &[
    Column::text("SITE"),
    Column::text("KIND"),
    Column::number("/S"),
    Column::number("LOST/S"),
    Column::number("COUNT"),
    Column::number("TOTAL"),
    Column::text("SEQCOUNT"),
];

/// The column of the time lost for each second, in both.
pub(super) const LOST: usize = 3;

pub(super) fn table(data: &Data, of: Option<&Seqcount>) -> Table {
    let rows = data.total.rows.iter().filter(|row| {
        let is_of = |id: &Seqcount| row.seqcount == id.name && row.lockname == id.lockname;
        (row.count > 0 || row.in_flight > 0) && of.is_none_or(is_of)
    });
    Table::new(COLUMNS, rows.map(|row| line(data, row)).collect())
}

fn line(data: &Data, row: &Row) -> Line {
    let last = data.last_row(row.slot);
    let last = |number: fn(&Row) -> u64| last.map_or(0, number);
    let when = |has: bool, cell: Cell| if has { cell } else { Cell::blank() };
    let times = has_times(row);
    let mut longest = time(row.max_ns, false);
    if data.is_bound(std::iter::once(row), row.max_ns) {
        longest.text.insert(0, '<');
    }
    let slept = row.kind == Kind::Block && !is_sampled(row);
    // Writers lose nothing by holding.
    let lost_ns = last(|row| {
        if row.kind == Kind::Write {
            0
        } else {
            row.total_ns
        }
    });
    let top = |tasks: &[TaskRow], id: fn(&TaskRow) -> u32| {
        let top = tasks.first();
        top.map_or_else(Cell::blank, |task| {
            with_share(task, id(task), row.total_ns, row.count)
        })
    };
    let cells = vec![
        Cell::text(safe(&row.site)),
        Cell::text(row.kind.word()),
        per_second(data, last(|row| row.count)),
        lost_per_second(data, lost_ns, is_sampled(row)),
        Cell::count(row.count),
        when(
            times || is_sampled(row),
            time(row.total_ns, is_sampled(row)),
        ),
        when(times, longest),
        Cell::text(safe(&row.seqcount)),
        top(&row.readers, |task| task.tgid),
        top(&row.owners, |task| task.tid),
        time_or_blank(row.p50_ns.filter(|_| times)),
        time_or_blank(row.p99_ns.filter(|_| times)),
        when(slept, Cell::count(row.slept)),
        when(
            row.backend != Backend::Probe,
            Cell::text(row.backend.word()),
        ),
        Cell::text(safe(&module(&row.image))),
    ];
    Line {
        key: Key::Site(row.slot),
        cells,
    }
}

pub(super) fn of_task(data: &Data, task: &Task) -> Table {
    let lines = data.total.rows.iter().filter_map(|row| {
        let whole = find(row, task)?;
        let last = data.last_row(row.slot).and_then(|row| find(row, task));
        let (count, lost_ns) = last.map_or((0, 0), |task| (task.count, task.total_ns));
        let lost_ns = if row.kind == Kind::Write { 0 } else { lost_ns };
        let has_time = has_times(row) || is_sampled(row);
        let total = time(whole.total_ns, is_sampled(row));
        let cells = vec![
            Cell::text(safe(&row.site)),
            Cell::text(row.kind.word()),
            per_second(data, count),
            lost_per_second(data, lost_ns, is_sampled(row)),
            Cell::count(whole.count),
            if has_time { total } else { Cell::blank() },
            Cell::text(safe(&row.seqcount)),
        ];
        Some(Line {
            key: Key::Site(row.slot),
            cells,
        })
    });
    Table::new(OF_TASK, lines.collect())
}

/// What the task did at a site, as a reader or, at an increment, as a writer; in all its cgroups.
fn find(row: &Row, task: &Task) -> Option<TaskRow> {
    let own = |other: &&TaskRow| other.comm == task.comm && other.tgid == task.tgid;
    let rows = row.readers.iter().filter(own);
    rows.cloned().reduce(|sum, more| TaskRow {
        count: sum.count + more.count,
        total_ns: sum.total_ns.saturating_add(more.total_ns),
        ..sum
    })
}
