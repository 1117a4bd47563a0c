//! A snapshot → the cells of a list by seqcount, site, process, cgroup or stack.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::{
    checks,
    listing::{Cell, Heading},
    table::lock,
};
use crate::{
    aggregate::{
        histogram,
        snapshot::{Row, SeqcountRow, Snapshot, TaskRow},
    },
    plan::Kind,
};

/// Columns, how many of them are names, and the lines.
pub(super) type Lines = (&'static [Heading], usize, Vec<Vec<Cell>>);

macro_rules! headings {
    ($($name:literal $header:literal),* $(,)?) => {
        &[$(Heading { name: $name, header: $header }),*]
    };
}

const SEQCOUNTS: &[Heading] = headings![
    "seqcount" "SEQCOUNT", "total_ns" "TOTAL", "max_ns" "MAX", "p99_ns" "~P99", "blocks" "BLOCKS",
    "slept" "SLEPT", "spins" "SPINS", "retries" "RETRIES", "fallbacks" "FALLBACKS",
    "samples" "SAMPLES", "retrying_ns" "RETRYING", "sites" "SITES", "lock" "WRITERS' LOCK",
];

const SITES: &[Heading] = headings![
    "seqcount" "SEQCOUNT", "site" "SITE", "kind" "KIND", "backend" "BACKEND", "count" "COUNT",
    "total_ns" "TOTAL", "max_ns" "MAX", "p99_ns" "~P99", "p50_ns" "~P50", "slept" "SLEPT",
    "hits" "HITS", "module" "MODULE",
];

const TASKS: &[Heading] = headings![
    "task" "TASK", "pid" "PID", "total_ns" "TOTAL", "count" "WAITS AND RETRIES",
    "blamed_ns" "OTHERS WAITED", "blamed_waits" "THEIR WAITS", "cgroup" "CGROUP",
];

const CGROUPS: &[Heading] = headings![
    "cgroup" "CGROUP", "total_ns" "TOTAL", "count" "WAITS AND RETRIES", "tasks" "TASKS", "id" "ID",
    "path" "PATH",
];

const STACKS: &[Heading] = headings![
    "seqcount" "SEQCOUNT", "task" "TASK", "kind" "KIND", "total_ns" "TOTAL", "count" "COUNT",
    "stack" "STACK",
];

pub(super) fn seqcounts(snapshot: &Snapshot) -> Lines {
    let lines = snapshot.seqcounts.iter().map(|sum| {
        let SeqcountRow {
            seqcount,
            lockname,
            sites,
            samples,
            blocks,
            slept,
            spins,
            retries,
            fallbacks,
            total_ns,
            max_ns,
            run_ns,
            histogram,
        } = sum;
        vec![
            Cell::Text(seqcount.clone()),
            Cell::Time(*total_ns),
            Cell::Time(*max_ns),
            time(histogram::quantile(histogram, *max_ns, 0.99)),
            Cell::Number(*blocks),
            Cell::Number(*slept),
            Cell::Number(*spins),
            Cell::Number(*retries),
            Cell::Number(*fallbacks),
            Cell::Number(*samples),
            Cell::Time(*run_ns),
            Cell::Number(*sites),
            Cell::Text(lock(*lockname)),
        ]
    });
    (SEQCOUNTS, 1, lines.collect())
}

pub(super) fn sites(snapshot: &Snapshot) -> Lines {
    let rows = snapshot.rows.iter().filter(|row| checks::is_loss(row));
    let lines = rows.map(|row| {
        let has_time = lasts(row);
        let time_of = |duration_ns| {
            if has_time {
                time(duration_ns)
            } else {
                Cell::None
            }
        };
        vec![
            Cell::Text(row.seqcount.clone()),
            Cell::Text(row.site.clone()),
            Cell::Text(row.kind.word().to_owned()),
            Cell::Text(row.backend.word().to_owned()),
            Cell::Number(row.count),
            time_of(Some(row.total_ns)),
            time_of(row.longest_ns()),
            time_of(row.p99_ns),
            time_of(row.p50_ns),
            known(row.slept, !row.is_part()),
            known(row.hits, row.hits > 0),
            Cell::Text(row.image.clone()),
        ]
    });
    (SITES, 2, lines.collect())
}

/// A number, unless it is not known.
fn known(number: u64, is_known: bool) -> Cell {
    if is_known {
        Cell::Number(number)
    } else {
        Cell::None
    }
}

/// Time and number of what a task lost, and of what others lost to it.
#[derive(Default)]
struct Sums {
    lost: (u64, u64),
    blamed: (u64, u64),
}

/// Time is that of blocks and spins: runs of failed checks have it in them too.
pub(super) fn tasks(snapshot: &Snapshot) -> Lines {
    let mut sums: BTreeMap<(&str, u32, Option<u64>), Sums> = BTreeMap::new();
    for (task, lost) in readers(snapshot) {
        let key = (task.comm.as_str(), task.tgid, task.cgroup);
        let sum = &mut sums.entry(key).or_default().lost;
        sum.0 += lost.0;
        sum.1 += lost.1;
    }
    for blame in &snapshot.blames {
        // Where a writer is, is not known; it stands with what it lost itself.
        let (comm, tgid) = (blame.writer.comm.as_str(), blame.writer.tgid);
        let mut own = sums.range((comm, tgid, None)..=(comm, tgid, Some(u64::MAX)));
        let key = own.next().map_or((comm, tgid, None), |(key, _)| *key);
        let sum = &mut sums.entry(key).or_default().blamed;
        sum.0 += blame.wait_ns;
        sum.1 += blame.count;
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, sums)| Reverse((sums.lost, sums.blamed)));
    let has_cgroups = snapshot.has_cgroups();
    let lines = sums.into_iter().map(|((comm, tgid, cgroup), sums)| {
        let cgroup = snapshot.cgroup(cgroup).filter(|_| has_cgroups);
        vec![
            Cell::Text(comm.to_owned()),
            Cell::Number(tgid.into()),
            Cell::Time(sums.lost.0),
            Cell::Number(sums.lost.1),
            Cell::Time(sums.blamed.0),
            Cell::Number(sums.blamed.1),
            cgroup.map_or(Cell::None, Cell::Text),
        ]
    });
    (TASKS, 2, lines.collect())
}

/// What readers of one cgroup lost.
#[derive(Default)]
struct OfCgroup<'a> {
    lost: (u64, u64),
    tasks: BTreeSet<(&'a str, u32)>,
}

pub(super) fn cgroups(snapshot: &Snapshot) -> Lines {
    let mut sums: BTreeMap<Option<u64>, OfCgroup<'_>> = BTreeMap::new();
    for (task, lost) in readers(snapshot) {
        let sum = sums.entry(task.cgroup).or_default();
        sum.lost.0 += lost.0;
        sum.lost.1 += lost.1;
        sum.tasks.insert((&task.comm, task.tgid));
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(id, sum)| (Reverse(sum.lost), *id));
    let lines = sums.into_iter().map(|(id, sum)| {
        let row = snapshot.cgroups.iter().find(|row| Some(row.id) == id);
        let path = row.and_then(|row| row.path.clone());
        let label = snapshot.cgroup(id);
        vec![
            Cell::Text(label.unwrap_or_else(|| "[not known]".to_owned())),
            Cell::Time(sum.lost.0),
            Cell::Number(sum.lost.1),
            Cell::Number(sum.tasks.len() as u64),
            id.map_or(Cell::None, Cell::Number),
            path.map_or(Cell::None, Cell::Text),
        ]
    });
    (CGROUPS, 1, lines.collect())
}

/// Every reader at every site, with the time and the number of what it lost there.
fn readers(snapshot: &Snapshot) -> impl Iterator<Item = (&TaskRow, (u64, u64))> {
    let rows = snapshot.rows.iter().filter(|row| row.kind != Kind::Write);
    rows.flat_map(|row| {
        let is_wait = matches!(row.kind, Kind::Block | Kind::Spin);
        let readers = row.readers.iter();
        readers.map(move |task| {
            let time_ns = if is_wait { task.total_ns } else { 0 };
            (task, (time_ns, task.count))
        })
    })
}

pub(super) fn stacks(snapshot: &Snapshot) -> Lines {
    let lines = snapshot.stacks.iter().filter_map(|stack| {
        let row = snapshot.rows.get(stack.row)?;
        let total = if lasts(row) {
            Cell::Time(stack.total_ns)
        } else {
            Cell::None
        };
        let frames = if stack.frames.is_empty() {
            "[stack lost]".to_owned()
        } else {
            stack.frames.join(";")
        };
        Some(vec![
            Cell::Text(row.seqcount.clone()),
            Cell::Text(stack.comm.clone()),
            Cell::Text(row.kind.word().to_owned()),
            total,
            Cell::Number(stack.count),
            Cell::Text(frames),
        ])
    });
    (STACKS, 2, lines.collect())
}

/// Whether events of a site have a time.
fn lasts(row: &Row) -> bool {
    match row.kind {
        Kind::Block | Kind::Spin | Kind::Write => true,
        Kind::Retry | Kind::Fallback => false,
        Kind::Check => row.runs.is_some(),
    }
}

fn time(duration_ns: Option<u64>) -> Cell {
    duration_ns.map_or(Cell::None, Cell::Time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::cgroups::CgroupRow;

    #[test]
    fn cgroups_add_up_what_their_readers_lost() {
        let text = include_str!("../../tests/data/snapshots/realtime.json");
        let mut snapshot: Snapshot = serde_json::from_str(text).expect("a snapshot");
        snapshot.cgroups = vec![CgroupRow {
            id: 40,
            path: Some("/system.slice/cron.service".to_owned()),
            name: Some("cron.service".to_owned()),
        }];
        let mut expected = BTreeMap::<Option<u64>, (u64, u64)>::new();
        for row in &mut snapshot.rows {
            let is_wait = matches!(row.kind, Kind::Block | Kind::Spin);
            for (place, task) in row.readers.iter_mut().enumerate() {
                task.cgroup = [Some(40), Some(41), None][place % 3];
                if row.kind != Kind::Write {
                    let sum = expected.entry(task.cgroup).or_default();
                    sum.0 += if is_wait { task.total_ns } else { 0 };
                    sum.1 += task.count;
                }
            }
        }
        let (headings, names, lines) = cgroups(&snapshot);
        assert_eq!((headings.len(), names), (6, 1));
        assert_eq!(lines.len(), expected.len());
        for line in &lines {
            let (id, label, path) = match &line[4] {
                Cell::Number(40) => (Some(40), "cron.service", "/system.slice/cron.service"),
                Cell::Number(id) => (Some(*id), "id 41", ""),
                _ => (None, "[not known]", ""),
            };
            assert_eq!(line[0], Cell::Text(label.to_owned()));
            let (total_ns, count) = expected[&id];
            assert_eq!(line[1..3], [Cell::Time(total_ns), Cell::Number(count)]);
            let told = match &line[5] {
                Cell::Text(told) => told.as_str(),
                _ => "",
            };
            assert_eq!(told, path);
        }
        let (_, _, tasks) = tasks(&snapshot);
        let told = tasks
            .iter()
            .filter(|line| line[6] == Cell::Text("cron.service".to_owned()));
        assert!(told.count() > 0);
    }
}
