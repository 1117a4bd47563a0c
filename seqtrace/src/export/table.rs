//! A snapshot → the closing text table.
//!
//! Plain text, the same on a terminal and in a pipe; durations marked `~` are estimates from the
//! histogram, everything else is exact as far as the losses say.

use crate::{
    aggregate::{
        histogram,
        identity::Broken,
        rates::per_second,
        snapshot::{EventRow, Row, SeqcountRow, Snapshot, TaskRow},
    },
    discover::catalog::Lockname,
    export::{
        account, blame, checks,
        columns::{self, Column, Overflow},
        command, filters, governor, holds,
        quantity::{dash_if_zero, duration, duration_inline, plural, share, three_digits},
        repeats,
    },
    plan::{Backend, Kind},
};

/// How many of the longest events are shown.
const EVENTS: usize = 5;

/// The whole report: sites, seqcounts, longest events, coverage, losses, costs. Lines keep to
/// `width` characters where that is possible; `None`: as long as need be.
pub fn closing(snapshot: &Snapshot, width: Option<usize>) -> String {
    whole(snapshot, &snapshot.check(), width)
}

/// As [`closing`], of a snapshot that was taken while events went on: its numbers were read one after
/// the other, so that they need not add up.
pub fn interim(snapshot: &Snapshot, width: Option<usize>) -> String {
    whole(snapshot, &[], width)
}

fn whole(snapshot: &Snapshot, broken: &[Broken], width: Option<usize>) -> String {
    let mut parts = vec![account::line("seqtrace", &headline(snapshot), width)];
    if snapshot.rows.iter().any(checks::is_loss) {
        parts.push(sites(snapshot, width));
        if snapshot.seqcounts.iter().any(|sum| sum.sites > 1) {
            parts.push(seqcounts(&snapshot.seqcounts, width));
        }
        if !snapshot.events.is_empty() {
            parts.push(events(&snapshot.events, width));
        }
    } else {
        parts.push(nothing(snapshot));
    }
    parts.extend(checks::section(snapshot, width));
    parts.extend(holds::section(snapshot, width));
    parts.extend(blame::section(snapshot, width));
    parts.extend(repeats::section(snapshot, width));
    parts.push(account(snapshot, broken, width));
    parts.join("\n")
}

/// What stands below the tables: what goes on, coverage, losses, what does not add up (of a closing
/// snapshot; nothing can be said of a live one), costs, and which numbers are estimates.
pub fn account(snapshot: &Snapshot, broken: &[Broken], width: Option<usize>) -> String {
    account::ended(snapshot, width)
        + &command::line(snapshot, width)
        + &filters::lines(snapshot, width)
        + &in_flight(&snapshot.rows, width)
        + &checks::in_flight(&snapshot.rows, width)
        + &checks::limit(snapshot, width)
        + &blame::demands(snapshot, width)
        + &blame::unblamed(snapshot, width)
        + &account::coverage(&snapshot.coverage, width)
        + &account::samples(snapshot, width)
        + &account::losses(snapshot, width)
        + &account::broken(broken, width)
        + &account::costs(&snapshot.costs, width)
        + &governor::section(snapshot.governor.as_ref(), width)
        + &estimates(&snapshot.rows, width)
}

/// Which kernel, how long, on how many sites.
pub(super) fn headline(snapshot: &Snapshot) -> String {
    let realtime = if snapshot.realtime {
        " (PREEMPT_RT)"
    } else {
        ""
    };
    format!(
        "{}{realtime}, watched for {} on {}",
        snapshot.release,
        duration_inline(snapshot.elapsed_ns),
        plural(snapshot.coverage.covered(), "site"),
    )
}

/// What to say when no site was hit.
pub(super) fn nothing(snapshot: &Snapshot) -> String {
    if snapshot.coverage.covered() == 0 {
        return "No site is probed, so nothing could be seen.\n".to_owned();
    }
    format!(
        "No reader waited or retried: nothing happened on {} in {}.\n",
        plural(
            snapshot.coverage.covered(),
            &format!("{} site", account::covered_word(&snapshot.coverage))
        ),
        duration_inline(snapshot.elapsed_ns),
    )
}

/// A line for each site, in as many tables as the width asks for: first the numbers, under headings
/// of the seqcounts where those do not fit beside, then the tasks.
fn sites(snapshot: &Snapshot, width: Option<usize>) -> String {
    let rows = snapshot.rows.iter();
    let mut rows: Vec<&Row> = rows.filter(|row| checks::is_loss(row)).collect();
    let [seqcount, site] = names(rows.iter().copied());
    let SiteColumns { numbers, tasks } = SiteColumns::new(&rows, snapshot.elapsed_ns);
    let all = without_blanks(numbers.iter().chain(&tasks));
    if columns::fits(&[&seqcount, &site], &all, width) {
        return columns::render(&[&seqcount, &site], &all, width, Overflow::Continue);
    }
    let numbers = without_blanks(numbers.iter());
    let tasks = without_blanks(tasks.iter());
    if columns::fits(&[&seqcount, &site], &numbers, width) {
        return columns::render(&[&seqcount, &site], &numbers, width, Overflow::Continue)
            + "\n"
            + &columns::render(&[&site], &tasks, width, Overflow::Continue);
    }
    rows.sort_by_key(|row| {
        snapshot
            .seqcounts
            .iter()
            .position(|sum| sum.seqcount == row.seqcount && sum.lockname == row.lockname)
    });
    let headings: Vec<String> = rows.iter().map(|row| row.seqcount.clone()).collect();
    let [_, site] = names(rows.iter().copied());
    let SiteColumns { numbers, tasks } = SiteColumns::new(&rows, snapshot.elapsed_ns);
    let numbers = without_blanks(numbers.iter());
    let tasks = without_blanks(tasks.iter());
    columns::render_grouped(&headings, &site, &numbers, width)
        + "\n"
        + &columns::render(&[&site], &tasks, width, Overflow::Continue)
}

/// What is told about a site beside its name.
struct SiteColumns {
    numbers: [Column; 10],
    tasks: [Column; 2],
}

impl SiteColumns {
    fn new(rows: &[&Row], elapsed_ns: u64) -> Self {
        let rows = || rows.iter();
        let rate = |row: &Row| three_digits(per_second(row.count, elapsed_ns));
        let time = |header, get: fn(&Row) -> Option<u64>| {
            Column::number(header, rows().map(|row| waited(row, get(row))))
        };
        // What matters most first: it stands in the first table of a narrow screen.
        let numbers = [
            Column::text("KIND", rows().map(|row| row.kind.word().to_owned())),
            backends(rows().copied()),
            Column::number("COUNT", rows().map(|row| row.count.to_string())),
            Column::number("TOTAL", rows().map(|row| total(row))),
            time("MAX", Row::longest_ns),
            time("~P99", |row| row.p99_ns),
            Column::number("SLEPT", rows().map(|row| slept(row))),
            time("~P50", |row| row.p50_ns),
            Column::number("/S", rows().map(|row| rate(row))),
            Column::text("MODULE", rows().map(|row| module(&row.image))),
        ];
        let tasks = [
            Column::text("TOP READER/PID", rows().map(|row| top_reader(row))),
            Column::text("TOP OWNER/TID", rows().map(|row| top_owner(row))),
        ];
        Self { numbers, tasks }
    }
}

/// The header of [`backends`].
pub(super) const BACKEND: &str = "BACKEND";

/// What counted, where it is not kprobes alone.
pub(super) fn backends<'a>(rows: impl Iterator<Item = &'a Row> + Clone) -> Column {
    let is_plain = rows.clone().all(|row| row.backend == Backend::Probe);
    let word = |row: &Row| if is_plain { "-" } else { row.backend.word() }.to_owned();
    Column::text(BACKEND, rows.map(word))
}

fn without_blanks<'a>(columns: impl Iterator<Item = &'a Column>) -> Vec<&'a Column> {
    columns.filter(|column| !column.is_blank()).collect()
}

/// The columns that name a site.
pub(super) fn names<'a>(rows: impl Iterator<Item = &'a Row> + Clone) -> [Column; 2] {
    [
        Column::text("SEQCOUNT", rows.clone().map(|row| row.seqcount.clone())),
        Column::text("SITE", rows.map(|row| row.site.clone())),
    ]
}

/// The module of a site, `-` for vmlinux.
pub fn module(image: &str) -> String {
    if image == "vmlinux" { "-" } else { image }.to_owned()
}

/// A duration of a block, a spin or a run of failed checks; a retry has none.
pub fn waited(row: &Row, duration_ns: Option<u64>) -> String {
    let has_duration = match row.kind {
        Kind::Block | Kind::Spin | Kind::Write => true,
        Kind::Retry | Kind::Fallback => false,
        Kind::Check => row.runs.is_some(),
    };
    // So many samples, each for a stretch of time; no single wait was seen.
    let has_duration = has_duration && row.backend != Backend::Sample;
    let duration_ns = duration_ns.filter(|_| has_duration);
    duration_ns.map_or_else(|| "-".to_owned(), duration)
}

/// All the time that readers lost.
pub fn total(row: &Row) -> String {
    time_lost(row, row.total_ns)
}

/// Time that readers lost; an estimate where they were sampled.
pub fn time_lost(row: &Row, duration_ns: u64) -> String {
    if row.backend == Backend::Sample {
        format!("~{}", duration(duration_ns))
    } else {
        waited(row, Some(duration_ns))
    }
}

fn slept(row: &Row) -> String {
    match row.kind {
        _ if row.backend == Backend::Sample || row.is_part() => "-".to_owned(),
        Kind::Block => row.slept.to_string(),
        Kind::Spin | Kind::Retry | Kind::Fallback | Kind::Check | Kind::Write => "-".to_owned(),
    }
}

/// The process that lost most time here, with its share.
pub fn top_reader(row: &Row) -> String {
    top(row, &row.readers, |task| task.tgid)
}

/// The thread that owned the lock for most of the time lost here, with its share.
pub fn top_owner(row: &Row) -> String {
    top(row, &row.owners, |task| task.tid)
}

fn top(row: &Row, tasks: &[TaskRow], id: fn(&TaskRow) -> u32) -> String {
    let Some(task) = tasks.first() else {
        return "-".to_owned();
    };
    let share = if row.total_ns > 0 {
        share(task.total_ns, row.total_ns)
    } else {
        share(task.count, row.count)
    };
    format!("{}/{} {share}", task.comm, id(task))
}

fn seqcounts(sums: &[SeqcountRow], width: Option<usize>) -> String {
    let sums = || sums.iter();
    // Retries have no duration: a zero would look like one.
    let time = |sum: &SeqcountRow, duration_ns| {
        if sum.samples > 0 {
            format!("~{}", duration_inline(duration_ns))
        } else if sum.blocks + sum.spins == 0 {
            "-".to_owned()
        } else {
            duration(duration_ns)
        }
    };
    let longest = |sum: &SeqcountRow| match sum.blocks + sum.spins {
        0 => "-".to_owned(),
        _ => duration(sum.max_ns),
    };
    let p99 = |sum: &SeqcountRow| {
        let estimate = histogram::quantile(&sum.histogram, sum.max_ns, 0.99);
        estimate.map_or_else(|| "-".to_owned(), duration)
    };
    let number = |header, get: fn(&SeqcountRow) -> u64| {
        Column::number(header, sums().map(|sum| dash_if_zero(get(sum))))
    };
    let names = Column::text("SEQCOUNT", sums().map(|sum| sum.seqcount.clone()));
    let values = [
        Column::number("TOTAL", sums().map(|sum| time(sum, sum.total_ns))),
        Column::number("MAX", sums().map(longest)),
        Column::number("~P99", sums().map(p99)),
        number("SAMPLES", |sum| sum.samples),
        number("BLOCKS", |sum| sum.blocks),
        number("SLEPT", |sum| sum.slept),
        number("SPINS", |sum| sum.spins),
        number("RETRIES", |sum| sum.retries),
        Column::number("RETRYING", sums().map(retrying)),
        number("FALLBACKS", |sum| sum.fallbacks),
        number("SITES", |sum| sum.sites),
        Column::text("WRITERS' LOCK", sums().map(|sum| lock(sum.lockname))),
    ];
    let values = without_blanks(values.iter());
    columns::render(&[&names], &values, width, Overflow::Continue)
}

/// The time of all runs of failed checks.
fn retrying(sum: &SeqcountRow) -> String {
    if sum.run_ns == 0 {
        "-".to_owned()
    } else {
        duration(sum.run_ns)
    }
}

/// The kernel's word for what serialises the writers.
pub fn lock(lockname: Option<Lockname>) -> String {
    let word = match lockname {
        None => "-",
        Some(Lockname::Plain) => "plain",
        Some(Lockname::RawSpinlock) => "raw_spinlock",
        Some(Lockname::Spinlock) => "spinlock",
        Some(Lockname::Rwlock) => "rwlock",
        Some(Lockname::Mutex) => "mutex",
        Some(Lockname::Seqlock) => "seqlock_t",
        Some(Lockname::Latch) => "latch",
    };
    word.to_owned()
}

fn events(events: &[EventRow], width: Option<usize>) -> String {
    let events = || events.iter().take(EVENTS);
    let ended = |event: &EventRow| format!("{:.6}", event.time_ns as f64 / 1e9);
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let owner = |event: &EventRow| {
        let comm = event.owner_comm.as_deref().unwrap_or("");
        or_dash(event.owner_tid.map(|tid| format!("{comm}/{tid}")))
    };
    let how = |event: &EventRow| {
        let slept = if event.slept { ", slept" } else { "" };
        let tries = event.retries.map_or_else(String::new, |retries| {
            format!(", {}", plural_retries(retries))
        });
        let goes_on = if event.unconverged { " and on" } else { "" };
        format!("{}{slept}{tries}{goes_on}", event.kind.word())
    };
    let longest = Column::number("LONGEST", events().map(|event| duration(event.duration_ns)));
    let site = Column::text("SITE", events().map(|event| event.site.clone()));
    let reader = |event: &EventRow| format!("{}/{}", event.comm, event.tid);
    let values = [
        Column::text("READER/TID", events().map(reader)),
        Column::text("OWNER/TID", events().map(owner)),
        Column::text("KIND", events().map(how)),
        Column::number("CPU", events().map(|event| event.cpu.to_string())),
        Column::number("ENDED AT (S)", events().map(ended)),
    ];
    let values = without_blanks(values.iter());
    columns::render(&[&site, &longest], &values, width, Overflow::Continue)
}

fn plural_retries(retries: u64) -> String {
    if retries == 1 {
        "1 retry".to_owned()
    } else {
        format!("{retries} retries")
    }
}

/// Readers that were inside a block at the end: perhaps stuck, so it is said in so many words.
fn in_flight(rows: &[Row], width: Option<usize>) -> String {
    let waiting: Vec<String> = rows
        .iter()
        .filter(|row| row.in_flight > 0 && row.kind != Kind::Write)
        .map(|row| format!("{} in {}", row.in_flight, row.site))
        .collect();
    if waiting.is_empty() {
        String::new()
    } else {
        let text = format!(
            "readers that are inside a block still: {}",
            waiting.join(", ")
        );
        account::line("waiting", &text, width)
    }
}

/// What the mark in the headers means, where there is one.
fn estimates(rows: &[Row], width: Option<usize>) -> String {
    if rows.iter().any(|row| row.p50_ns.is_some()) {
        let text = "estimated from a histogram by powers of two; all else is counted";
        account::line("~", text, width)
    } else {
        String::new()
    }
}
