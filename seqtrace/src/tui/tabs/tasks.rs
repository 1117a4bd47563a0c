//! One line for each task: what it lost as a reader, and what others lost because it wrote.

use std::collections::BTreeMap;

use super::{lost_per_second, per_second, time_or_blank};
use crate::{
    aggregate::snapshot::Snapshot,
    plan::Kind,
    tui::{
        data::Data,
        key::{Key, Task},
        table::{Cell, Column, Line, Table},
        text::safe,
    },
};

const COLUMNS: &[Column] = &[
    Column::text("TASK"),
    Column::number("PID"),
    Column::number("WAITS/S"),
    Column::number("LOST/S"),
    CGROUP,
    Column::number("WAITS"),
    Column::number("LOST"),
    Column::number("RETRIES"),
    Column::number("OTHERS LOST"),
    Column::text("WORST SEQCOUNT"),
    Column::number("OTHERS' WAITS"),
    Column::number("HOLDS"),
    Column::number("HELD"),
];

/// Left out where there is nothing to tell.
const CGROUP: Column = Column::text("CGROUP");

/// The column of the time lost for each second.
pub(super) const LOST: usize = 3;

/// What one task did at all sites.
#[derive(Default)]
struct Sum<'a> {
    waits: u64,
    lost_ns: u64,
    retries: u64,
    holds: u64,
    held_ns: u64,
    others_waits: u64,
    others_lost_ns: u64,
    /// Time and events by cgroup.
    cgroups: BTreeMap<u64, (u64, u64)>,
    /// Time and events by seqcount.
    seqcounts: BTreeMap<&'a str, (u64, u64)>,
}

pub(super) fn table(data: &Data) -> Table {
    let mut last = sums(&data.last);
    let lines = sums(&data.total).into_iter().map(|(task, sum)| {
        let last = last.remove(&task).unwrap_or_default();
        line(data, task, &sum, &last)
    });
    let mut table = Table::new(COLUMNS, lines.collect());
    if !data.total.has_cgroups() {
        table.leave_out(CGROUP);
    }
    table
}

fn line(data: &Data, task: Task, sum: &Sum<'_>, last: &Sum<'_>) -> Line {
    let some = |count: u64, time_ns: u64| time_or_blank((count > 0).then_some(time_ns));
    let worst = sum.seqcounts.iter().rev().max_by_key(|(_, lost)| **lost);
    let cells = vec![
        Cell::text(safe(&task.comm)),
        Cell::number(f64::from(task.tgid), task.tgid.to_string()),
        per_second(data, last.waits),
        lost_per_second(data, last.lost_ns, false),
        cgroup(&data.total, sum),
        Cell::count(sum.waits),
        some(sum.waits, sum.lost_ns),
        Cell::count(sum.retries),
        some(sum.others_waits, sum.others_lost_ns),
        worst.map_or_else(Cell::blank, |(name, _)| Cell::text(safe(name))),
        Cell::count(sum.others_waits),
        Cell::count(sum.holds),
        some(sum.holds, sum.held_ns),
    ];
    Line {
        key: Key::Task(task),
        cells,
    }
}

/// The cgroup in which it lost most, and how many others there are.
fn cgroup(snapshot: &Snapshot, sum: &Sum<'_>) -> Cell {
    let most = sum.cgroups.iter().rev().max_by_key(|(_, lost)| **lost);
    let label = most.and_then(|(id, _)| snapshot.cgroup(Some(*id)));
    let more = match sum.cgroups.len() {
        0 | 1 => String::new(),
        number => format!(" +{}", number - 1),
    };
    label.map_or_else(Cell::blank, |label| Cell::text(safe(&label) + &more))
}

fn sums(snapshot: &Snapshot) -> BTreeMap<Task, Sum<'_>> {
    let mut sums = BTreeMap::<Task, Sum<'_>>::new();
    for row in &snapshot.rows {
        for reader in &row.readers {
            let task = Task {
                comm: reader.comm.clone(),
                tgid: reader.tgid,
            };
            let sum = sums.entry(task).or_default();
            match row.kind {
                Kind::Block | Kind::Spin => {
                    sum.waits += reader.count;
                    sum.lost_ns += reader.total_ns;
                }
                Kind::Retry | Kind::Fallback | Kind::Check => sum.retries += reader.count,
                Kind::Write => {
                    sum.holds += reader.count;
                    sum.held_ns += reader.total_ns;
                }
            }
            if let Some(id) = reader.cgroup {
                let own = sum.cgroups.entry(id).or_default();
                own.0 += reader.total_ns;
                own.1 += reader.count;
            }
            let worst = sum.seqcounts.entry(&row.seqcount).or_default();
            worst.0 += reader.total_ns;
            worst.1 += reader.count;
        }
    }
    for blame in &snapshot.blames {
        let task = Task {
            comm: blame.writer.comm.clone(),
            tgid: blame.writer.tgid,
        };
        let sum = sums.entry(task).or_default();
        sum.others_waits += blame.count;
        sum.others_lost_ns += blame.wait_ns;
        let worst = sum.seqcounts.entry(&blame.seqcount).or_default();
        worst.0 += blame.wait_ns;
        worst.1 += blame.count;
    }
    sums
}
