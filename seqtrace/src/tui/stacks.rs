//! One wait, or one pair of reader and writer → their stacks as lines of text.

use crate::{
    aggregate::{
        blame::{BlameRow, Party},
        snapshot::{EventRow, Snapshot},
    },
    export::quantity::{duration_inline, plural},
    tui::{
        key::{Event, Pair},
        tabs::pair_of,
        text::safe,
    },
};

/// So many pairs of stacks are shown.
const PAIRS: usize = 5;

/// One event with its reader's stack, and that of the writer where blame knows one.
pub(super) fn of_event(snapshot: &Snapshot, key: &Event) -> Vec<String> {
    let mut events = snapshot.events.iter();
    let Some(event) = events.find(|event| Event::of(event) == *key) else {
        return vec!["Longer ones have taken its place.".to_owned()];
    };
    let mut lines = vec![
        format!(
            "{} waited for {} ({}{})",
            task(&event.comm, event.tid),
            duration_inline(event.duration_ns),
            event.kind.word(),
            if event.slept { ", slept" } else { "" },
        ),
        format!("for {} at {}", safe(&event.seqcount), safe(&event.site)),
        format!(
            "on CPU {}, until {:.6} s after the boot",
            event.cpu,
            event.time_ns as f64 / 1e9
        ),
        String::new(),
        format!("reader {}", task(&event.comm, event.tid)),
    ];
    lines.extend(frames(&event.frames));
    lines.push(String::new());
    lines.extend(writer_of(snapshot, event));
    lines
}

/// The writer of an event: its owner, and the stack of a hold of the same task that kept this reader
/// waiting at this site.
fn writer_of(snapshot: &Snapshot, event: &EventRow) -> Vec<String> {
    let mut blames = snapshot.blames.iter().filter(|blame| {
        let is_owner = event.owner_tid.is_none_or(|tid| tid == blame.writer.tid);
        blame.site == event.site && blame.reader.comm == event.comm && is_owner
    });
    let mut lines = Vec::new();
    if let (Some(comm), Some(tid)) = (&event.owner_comm, event.owner_tid) {
        lines.push(format!("writer {}, the owner of its lock", task(comm, tid)));
    }
    match blames.find(|blame| !blame.writer.frames.is_empty()) {
        Some(blame) => {
            lines.push(format!(
                "a hold of {} that kept {} waiting here began in",
                task(&blame.writer.comm, blame.writer.tid),
                safe(&event.comm)
            ));
            lines.extend(frames(&blame.writer.frames));
        }
        None if lines.is_empty() => lines.push("writer not known".to_owned()),
        None => lines.push(
            "  its stack is not known: a hold's is taken where writers are probed (--writers)"
                .to_owned(),
        ),
    }
    lines
}

/// The stacks of a pair, those first with which most time was lost.
pub(super) fn of_pair(snapshot: &Snapshot, key: &Pair) -> Vec<String> {
    let rows = snapshot.blames.iter().filter(|row| pair_of(row) == *key);
    let rows: Vec<&BlameRow> = rows.collect();
    let Some(first) = rows.first() else {
        return vec!["It has not waited since the reset.".to_owned()];
    };
    let waits: u64 = rows.iter().map(|row| row.count).sum();
    let wait_ns: u64 = rows.iter().map(|row| row.wait_ns).sum();
    let mut lines = vec![
        format!(
            "{} lost {} in {} for {}",
            task(&first.reader.comm, first.reader.tid),
            duration_inline(wait_ns),
            plural(waits, "wait"),
            task(&first.writer.comm, first.writer.tid),
        ),
        format!("for {} at {}", safe(&first.seqcount), safe(&first.site)),
        format!("the writer was {}", first.state.word()),
    ];
    for row in rows.iter().take(PAIRS) {
        lines.push(String::new());
        lines.push(format!(
            "{}, {}",
            plural(row.count, "wait"),
            duration_inline(row.wait_ns)
        ));
        lines.extend(side("reader", &row.reader));
        lines.extend(side("writer, where its hold began", &row.writer));
    }
    if rows.len() > PAIRS {
        lines.push(String::new());
        lines.push(format!("({} more pairs of stacks)", rows.len() - PAIRS));
    }
    lines
}

fn side(word: &str, party: &Party) -> Vec<String> {
    let mut lines = vec![format!("{word}: {}", task(&party.comm, party.tid))];
    lines.extend(frames(&party.frames));
    lines
}

/// A line for each frame, the innermost first as the kernel prints them.
fn frames(frames: &[String]) -> Vec<String> {
    if frames.is_empty() {
        return vec!["  stack not known".to_owned()];
    }
    let frames = frames.iter().rev();
    frames.map(|frame| format!("  {}", safe(frame))).collect()
}

fn task(comm: &str, tid: u32) -> String {
    format!("{}/{tid}", safe(comm))
}
