//! An explained log → text for people: what it is, the circle, the verdict with all that it rests on.

use super::{label, paragraph::paragraph, place};
use crate::{
    explain::{
        Explained, Explanation,
        cycle::Edge,
        report::{Frame, Lock, Report},
    },
    export::quantity::plural,
};

/// Width of the text where the terminal does not say.
const WIDTH: usize = 110;

/// The log in lines of at most `width` characters where that is possible.
pub fn text(explained: &Explained, width: Option<usize>) -> String {
    let width = width.unwrap_or(WIDTH).clamp(60, WIDTH);
    let mut text = format!(
        "seqtrace explain: {} in {}\n",
        plural(explained.reports.len() as u64, "report"),
        plural(explained.lines, "line")
    );
    if explained.left_out > 0 {
        let added = format!(
            "left out, because there are too many: {}\n",
            plural(explained.left_out, "report")
        );
        text += &added;
    }
    for explanation in &explained.reports {
        text.push('\n');
        text += &one(explanation, width);
    }
    text
}

fn one(explanation: &Explanation, width: usize) -> String {
    let Explanation {
        report,
        edges,
        spins: _,
        verdict,
    } = explanation;
    let mut text = head(report);
    if edges.is_empty() {
        text += &locks(report, width);
    } else {
        text += &circle(edges, width);
    }
    let headline = format!("{} ({})", verdict.headline(), verdict.confidence.word());
    text += &paragraph("verdict", &headline, width);
    text += &paragraph("", &verdict.statement, width);
    let mut heading = "evidence";
    for evidence in &verdict.evidence {
        text += &paragraph(
            heading,
            &format!("line {}: {}", evidence.line, evidence.what),
            width,
        );
        heading = "";
    }
    text += &list("next", &verdict.next, width);
    text += &list("test", &verdict.test, width);
    text
}

fn list(heading: &str, entries: &[String], width: usize) -> String {
    let mut text = String::new();
    for (at, entry) in entries.iter().enumerate() {
        text += &paragraph(if at == 0 { heading } else { "" }, entry, width);
    }
    text
}

/// `possible circular locking dependency, lines 1-141`, then kernel, machine and task.
fn head(report: &Report) -> String {
    let mut text = format!(
        "{}, lines {}-{}\n",
        report.kind.words(),
        report.first_line,
        report.last_line
    );
    let release = report.release.as_ref().map(|release| release.text.clone());
    let facts = [
        Some(release.unwrap_or_else(|| "kernel unknown".to_owned())),
        report.architecture.map(|machine| machine.word().to_owned()),
        report.task.clone(),
        report
            .context
            .as_ref()
            .map(|context| format!("context {context}")),
    ];
    let facts: Vec<String> = facts.into_iter().flatten().collect();
    text += &paragraph("in", &facts.join(", "), usize::MAX);
    text
}

/// Locks of a report that is no circle.
fn locks(report: &Report, width: usize) -> String {
    let mut text = String::new();
    let named = [
        ("lock", &report.acquiring),
        ("held", &report.holding),
        ("other", &report.other),
    ];
    for (heading, lock) in named {
        if let Some(lock) = lock {
            text += &paragraph(heading, &lock_words(lock), width);
        }
    }
    for cpu in &report.cpus {
        let number = cpu
            .number
            .map_or("cpu ?".to_owned(), |number| format!("cpu {number}"));
        let at = cpu
            .place
            .as_ref()
            .or(cpu.frames.first())
            .map_or("?".to_owned(), Frame::place);
        let task = cpu.task.as_deref().unwrap_or("task unknown");
        let stuck = cpu
            .stuck_s
            .map_or(String::new(), |seconds| format!(", stuck for {seconds} s"));
        text += &paragraph(&number, &format!("{task} in {at}{stuck}"), width);
    }
    text
}

fn lock_words(lock: &Lock) -> String {
    let mut words = lock.class.clone();
    if let Some(address) = &lock.address {
        let added = format!(" at {address}");
        words += &added;
    }
    if let Some((outer, inner)) = lock.wait {
        let added = format!(", wait type {outer}:{inner}");
        words += &added;
    }
    if let Some(at) = &lock.at {
        let added = format!(", in {}", at.place());
        words += &added;
    }
    words
}

/// The circle, a node on each line and between two of them the arrow.
fn circle(edges: &[Edge], width: usize) -> String {
    let mut text = String::new();
    let mut heading = "circle";
    for edge in edges {
        text += &paragraph(heading, &label(&edge.held), width);
        heading = "";
        let new = if edge.new {
            ", which closes the circle"
        } else {
            ""
        };
        let arrow = format!(
            "held while {} is taken in {}{new}; lines {}-{}",
            edge.taken.class,
            place(edge),
            edge.lines.0,
            edge.lines.1
        );
        text += &arrowed(&arrow, width);
    }
    if let Some(last) = edges.last() {
        text += &paragraph(heading, &label(&last.taken), width);
    }
    text
}

fn arrowed(arrow: &str, width: usize) -> String {
    let lines = paragraph("", arrow, width.saturating_sub(4));
    let mut text = String::new();
    for line in lines.lines() {
        let added = format!("{}  │ {}\n", " ".repeat(12), line.trim_start());
        text += &added;
    }
    text + &format!("{}  ▼\n", " ".repeat(12))
}
