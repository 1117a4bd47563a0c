//! Waits whose writer is known → a table of who kept whom waiting, and a line on the others.

use std::collections::{BTreeMap, HashMap};

use seqtrace_common::blame::reason;

use crate::{
    aggregate::{
        blame::{BlameRow, Party},
        snapshot::{DemandRow, Snapshot},
    },
    export::{
        account,
        columns::{self, Column, Overflow},
        quantity::{duration, duration_inline, plural},
    },
};

/// So many edges are shown; the others are put together.
const EDGES: usize = 10;

/// Why no writer is known, in words; in the order of [`reason::NAMES`].
const REASONS: [&str; reason::COUNT] = [
    "it is not known where the sequence lies",
    "the writer was through before the reader was looked at",
    "the writers were not probed: see --writers and --blame-above",
    "the writer was inside when its probes came",
];

/// One line of the table: edges that differ only in stacks and counters of one name.
struct Edge<'a> {
    first: &'a BlameRow,
    count: u64,
    wait_ns: u64,
    held_ns: Option<u64>,
}

/// A line for each pair of reader and writer, most time lost first; `None` where there is none.
pub(super) fn section(snapshot: &Snapshot, width: Option<usize>) -> Option<String> {
    let mut edges = edges(&snapshot.blames);
    if edges.is_empty() {
        return None;
    }
    let others = edges.split_off(edges.len().min(EDGES));
    let rows = || edges.iter();
    let task = |party: &Party| format!("{}/{}", party.comm, party.tid);
    let held = |edge: &Edge<'_>| {
        let average = |held_ns| duration(held_ns / edge.count.max(1));
        edge.held_ns.map_or_else(|| "-".to_owned(), average)
    };
    let writer_site = |edge: &Edge<'_>| edge.first.writer_site.clone();
    let names = [
        Column::text("BLAME", rows().map(|edge| edge.first.seqcount.clone())),
        Column::text("READER", rows().map(|edge| edge.first.site.clone())),
    ];
    let values = [
        Column::text("READER/TID", rows().map(|edge| task(&edge.first.reader))),
        Column::text("WRITER/TID", rows().map(|edge| task(&edge.first.writer))),
        Column::text(
            "HELD FROM",
            rows().map(|edge| writer_site(edge).unwrap_or_else(|| "-".to_owned())),
        ),
        Column::text(
            "WRITER WAS",
            rows().map(|edge| edge.first.state.word().to_owned()),
        ),
        Column::number("WAITS", rows().map(|edge| edge.count.to_string())),
        Column::number("TOTAL", rows().map(|edge| duration(edge.wait_ns))),
        Column::number("HELD SO FAR", rows().map(held)),
    ];
    let values: Vec<&Column> = values.iter().filter(|column| !column.is_blank()).collect();
    let mut text = columns::render(&names.each_ref(), &values, width, Overflow::Continue);
    if !others.is_empty() {
        let waits: u64 = others.iter().map(|edge| edge.count).sum();
        let wait_ns = others.iter().map(|edge| edge.wait_ns).sum();
        let pairs = plural(others.len() as u64, "more pair");
        let lost = duration_inline(wait_ns);
        text = text + "(" + &pairs + &format!(": {waits} waits, {lost})\n");
    }
    Some(text)
}

fn edges(blames: &[BlameRow]) -> Vec<Edge<'_>> {
    let mut edges: Vec<Edge<'_>> = Vec::new();
    let mut index = HashMap::new();
    for blame in blames {
        let BlameRow {
            slot,
            reader,
            writer,
            writer_site,
            state,
            ..
        } = blame;
        let key = (
            slot,
            (&reader.comm, reader.tgid),
            (&writer.comm, writer.tgid),
            (writer_site, state),
        );
        let at = *index.entry(key).or_insert_with(|| {
            edges.push(Edge {
                first: blame,
                count: 0,
                wait_ns: 0,
                held_ns: None,
            });
            edges.len() - 1
        });
        let edge = &mut edges[at];
        edge.count += blame.count;
        edge.wait_ns += blame.wait_ns;
        if let Some(held_ns) = blame.held_ns {
            *edge.held_ns.get_or_insert_default() += held_ns;
        }
    }
    edges.sort_by_key(|edge| std::cmp::Reverse((edge.wait_ns, edge.count)));
    edges
}

/// When whose writers were probed on demand.
pub(super) fn demands(snapshot: &Snapshot, width: Option<usize>) -> String {
    let rows = snapshot.demands.iter().enumerate().map(|(index, row)| {
        let DemandRow {
            seqcount,
            lost_ns,
            probes,
            began_ns,
            ended_ns,
        } = row;
        let text = format!(
            "writers of {seqcount} were probed at {} from {} to {}: readers lost {} in a second",
            plural(*probes, "place"),
            duration_inline(*began_ns),
            ended_ns.map_or_else(|| "the end".to_owned(), duration_inline),
            duration_inline(*lost_ns),
        );
        account::line(if index == 0 { "blaming" } else { "" }, &text, width)
    });
    rows.collect()
}

/// How many waits have no known writer, and why; nothing where no wait has one.
pub(super) fn unblamed(snapshot: &Snapshot, width: Option<usize>) -> String {
    let mut sums = BTreeMap::<&str, u64>::new();
    for (name, count) in snapshot.rows.iter().flat_map(|row| &row.unblamed) {
        *sums.entry(name).or_default() += count;
    }
    let sums = sums.into_iter().enumerate().map(|(index, (name, count))| {
        let known = reason::NAMES.iter().zip(REASONS);
        let meaning = known.into_iter().find(|(known, _)| **known == name);
        let meaning = meaning.map_or_else(String::new, |(_, meaning)| format!(": {meaning}"));
        let label = if index == 0 { "unblamed" } else { "" };
        account::line(
            label,
            &format!("{} {name}{meaning}", plural(count, "wait")),
            width,
        )
    });
    sums.collect()
}
