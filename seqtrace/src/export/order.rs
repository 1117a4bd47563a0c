//! The order of locks and seqcounts → a table or a JSON document.

use std::fmt::Write as _;

use crate::{
    aggregate::order::{Budget, EdgeRow, NodeRow, Ordered, PlaceRow, Probes, Verdict},
    export::{
        account,
        columns::{self, Column, Overflow},
        quantity::{duration_inline, percent, plural},
    },
};

/// Edges that are shown, places of one edge whose stack is shown, and changes by the governor.
const ROWS: usize = 40;
const STACKS: usize = 3;
const CHANGES: usize = 12;

/// The document, indented, with a newline at its end.
pub fn document(ordered: &Ordered) -> String {
    serde_json::to_string_pretty(ordered).expect("strings are its only keys") + "\n"
}

/// The report; `stacks`: with the stacks of each edge.
pub fn table(ordered: &Ordered, stacks: bool, width: Option<usize>) -> String {
    let Ordered {
        release,
        elapsed_ns,
        edges,
        nodes,
        verdict,
        probes,
        losses,
        budget,
        notes,
        contexts,
        ..
    } = ordered;
    let (seqcounts, locks): (Vec<_>, Vec<_>) = nodes.iter().partition(|node| node.is_seqcount);
    let headline = format!(
        "{release}, {} and {} followed for {}: {}",
        plural(seqcounts.len() as u64, "seqcount"),
        plural(locks.len() as u64, "lock"),
        duration_inline(*elapsed_ns),
        plural(edges.len() as u64, "edge"),
    );
    let mut text = account::line("seqtrace", &headline, width) + "\n";
    if !edges.is_empty() {
        text += &edge_table(edges, width);
        text.push('\n');
    }
    if stacks {
        text.extend(edges.iter().map(stacks_of));
    }
    text += &node_table(nodes, width);
    text.push('\n');
    text += &verdict_lines(verdict, width);
    text += &probe_lines(probes, width);
    if !contexts {
        let note =
            "interrupts are not told from tasks: this kernel does not show where it counts them";
        text += &account::line("", note, width);
    }
    for note in notes {
        text += &account::line("", note, width);
    }
    text += &loss_lines(nodes, losses.iter(), width);
    if let Some(budget) = budget {
        text += &budget_lines(budget, width);
    }
    for broken in ordered.check() {
        let line = format!("do not add up, please report this: {broken}");
        text += &account::line("sums", &line, width);
    }
    text
}

fn edge_table(edges: &[EdgeRow], width: Option<usize>) -> String {
    let rows = || edges.iter().take(ROWS);
    let held = Column::text("HELD", rows().map(|edge| edge.held.clone()));
    let node = Column::text("THEN", rows().map(node_cell));
    let first = |edge: &EdgeRow, of: fn(&PlaceRow) -> String| {
        let more = edge.places.len().saturating_sub(1);
        let more = if more > 0 {
            format!(" +{more}")
        } else {
            String::new()
        };
        edge.places.first().map(of).unwrap_or_default() + &more
    };
    let values = [
        Column::number("COUNT", rows().map(|edge| edge.count.to_string())),
        Column::text("CONTEXT", rows().map(|edge| edge.context.clone())),
        Column::text(
            "TAKEN AT",
            rows().map(|edge| first(edge, |place| place.taken_at.clone())),
        ),
        Column::text(
            "DONE AT",
            rows().map(|edge| first(edge, |place| place.done_at.clone())),
        ),
        Column::text(
            "TASK/PID",
            rows().map(|edge| first(edge, |place| format!("{}/{}", place.comm, place.tgid))),
        ),
    ];
    let values: Vec<&Column> = values.iter().collect();
    let mut text = columns::render(&[&held, &node], &values, width, Overflow::Continue);
    if edges.len() > ROWS {
        let more = plural((edges.len() - ROWS) as u64, "more edge");
        text = text + "(" + &more + ")\n";
    }
    text
}

/// `read task_struct.mems_allowed_seq`, and whether it is one object inside another of the same name.
fn node_cell(edge: &EdgeRow) -> String {
    let deed = match &*edge.deed {
        "block" => "lock-unlock",
        deed => deed,
    };
    let which = match (edge.held == edge.node, edge.same) {
        (true, true) => " (the same one)",
        (true, false) => " (another one)",
        (false, _) => "",
    };
    format!("{deed} {}{which}", edge.node)
}

/// The stacks of an edge, innermost function first.
fn stacks_of(edge: &EdgeRow) -> String {
    let mut text = String::new();
    for place in edge.places.iter().take(STACKS) {
        let _ = writeln!(
            text,
            "{} → {}: {} of {}, taken at {}, done at {}, {}/{}",
            edge.held,
            node_cell(edge),
            place.count,
            edge.count,
            place.taken_at,
            place.done_at,
            place.comm,
            place.tgid
        );
        if place.stack.is_empty() {
            text += "    [stack lost]\n";
        }
        for frame in place.stack.iter().rev() {
            text = text + "    " + frame + "\n";
        }
    }
    text + "\n"
}

fn node_table(nodes: &[NodeRow], width: Option<usize>) -> String {
    let names = Column::text("FOLLOWED", nodes.iter().map(|node| node.name.clone()));
    let number = |header, of: fn(&NodeRow) -> u64| {
        Column::number(header, nodes.iter().map(|node| of(node).to_string()))
    };
    let values = [
        Column::text("KIND", nodes.iter().map(|node| kind(node).to_owned())),
        number("TAKEN", |node| node.taken),
        number("DROPPED", |node| node.released),
        number("HELD", |node| node.held),
        number("READS", |node| node.reads),
        number("UNDER", |node| {
            node.reads_under + node.taken_under + node.blocks_under
        }),
        number("BLOCKS", |node| node.blocks),
        Column::text(
            "SITES",
            nodes
                .iter()
                .map(|node| format!("{} of {} hit", node.sites_hit, node.sites)),
        ),
    ];
    let values: Vec<&Column> = values.iter().collect();
    columns::render(&[&names], &values, width, Overflow::Continue)
}

fn kind(node: &NodeRow) -> &'static str {
    if node.is_seqcount { "seqcount" } else { "lock" }
}

fn verdict_lines(verdict: &Verdict, width: Option<usize>) -> String {
    let Verdict { cycles, merged } = verdict;
    let mut text = String::new();
    for (index, cycle) in cycles.iter().enumerate() {
        let label = if index == 0 { "cycles" } else { "" };
        let around = cycle.iter().chain(cycle.first());
        let around: Vec<&str> = around.map(String::as_str).collect();
        text += &account::line(label, &around.join(" → "), width);
    }
    if cycles.is_empty() {
        text += &account::line("cycles", "none among the edges that were seen", width);
    }
    for merged in merged {
        if let [first, .., last] = &merged.way[..] {
            let line = format!(
                "{}: no cycle, since `{first}` and `{last}` are two seqcounts; under one lockdep class \
                 it would be reported as one",
                merged.way.join(" → ")
            );
            text += &account::line("", &line, width);
        }
    }
    text
}

fn probe_lines(probes: &Probes, width: Option<usize>) -> String {
    let Probes {
        sites,
        probed,
        skipped,
        refused,
    } = probes;
    let (left_out, no): (u64, u64) = (skipped.values().sum(), refused.values().sum());
    let sum = format!("{sites} = {probed} probed + {left_out} skipped + {no} refused");
    let mut text = account::line("sites", &sum, width);
    for (reason, count) in skipped {
        text += &account::line("", &format!("{count} skipped, {reason}"), width);
    }
    for (reason, count) in refused {
        text += &account::line("", &format!("{count} refused, {reason}"), width);
    }
    text
}

fn loss_lines<'a>(
    nodes: &[NodeRow],
    losses: impl Iterator<Item = (&'a String, &'a u64)>,
    width: Option<usize>,
) -> String {
    let mut lines = Vec::new();
    for node in nodes {
        let lost = [
            (
                node.untaken,
                "untaken: dropped, and not seen to be taken: held at the begin, or taken where it is not followed",
            ),
            (
                node.retaken,
                "retaken: taken again by the same task, its drop was not seen",
            ),
            (
                node.not_held,
                "not_held: found not to be held any more, its drop was not seen",
            ),
            (node.full, "full: taken, and not followed for lack of room"),
            (
                node.try_lost,
                "try_lost: tried, and not seen whether it was taken",
            ),
            (node.edges_full, "edges_full: in no edge for lack of room"),
        ];
        let lost = lost.iter().filter(|(count, _)| *count > 0);
        lines.extend(lost.map(|(count, what)| format!("{}: {count} {what}", node.name)));
    }
    lines.extend(losses.map(|(name, count)| {
        let meaning = account::loss_meaning(name);
        format!("{count} {name}: {meaning}")
    }));
    if lines.is_empty() {
        return account::line("losses", "none", width);
    }
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        text += &account::line(if index == 0 { "losses" } else { "" }, line, width);
    }
    text
}

fn budget_lines(budget: &Budget, width: Option<usize>) -> String {
    let Budget {
        budget,
        mean,
        peak,
        changes,
    } = budget;
    let line = format!(
        "probes cost {} of all CPUs on average, {} in the worst second, {} allowed",
        percent(*mean),
        percent(*peak),
        percent(*budget)
    );
    let mut text = account::line("budget", &line, width);
    let left_out = changes.len().saturating_sub(CHANGES);
    if left_out > 0 {
        let line = format!("{} before these", plural(left_out as u64, "change"));
        text += &account::line("", &line, width);
    }
    for change in changes.iter().skip(left_out) {
        let time = duration_inline(change.time_ns);
        let what = if change.on {
            "followed again".to_owned()
        } else {
            format!(
                "not followed: it cost {} of {}",
                percent(change.own),
                percent(change.cost)
            )
        };
        text += &account::line("", &format!("{time}: {} {what}", change.node), width);
    }
    text
}
