//! What was asked for → the line that says so, and what was left out for it.

use std::fmt::Write as _;

use crate::{
    aggregate::{
        filters::{Filters, LeftOut},
        snapshot::Snapshot,
    },
    export::{
        account,
        quantity::{duration_inline, plural},
    },
};

/// The lines about the filters; nothing where everything was asked for.
pub fn lines(snapshot: &Snapshot, width: Option<usize>) -> String {
    let Some(filters) = &snapshot.filters else {
        return String::new();
    };
    let Filters {
        words,
        filtered,
        filtered_without_row: _,
        short,
        left_out,
    } = filters;
    let mut text = format!("only {}", words.join(" "));
    let mut numbers = Vec::new();
    if *filtered > 0 {
        numbers.push(format!("{} of others", plural(*filtered, "hit")));
    }
    if *short > 0 {
        numbers.push(format!("{} that were shorter", plural(*short, "event")));
    }
    if !numbers.is_empty() {
        let _ = write!(
            text,
            "; filtered by the kernel side: {}",
            numbers.join(", ")
        );
    }
    let mut lines = account::line("filters", &text, width);
    if let Some(left_out) = left_out {
        lines += &account::line("", &left_out_of(*left_out), width);
    }
    lines
}

fn left_out_of(left_out: LeftOut) -> String {
    let LeftOut {
        events,
        total_ns,
        without_stack,
        untold,
    } = left_out;
    let mut text = format!(
        "{} that were counted left out, {} in all",
        plural(events, "event"),
        duration_inline(total_ns)
    );
    if without_stack > 0 {
        let _ = write!(text, "; of these {without_stack} have no stack");
    }
    if untold > 0 {
        let _ = write!(
            text,
            "; stacks of {} are left out: others of that name share them",
            plural(untold, "event")
        );
    }
    text
}

/// The filters in a few words: `--pid 77 --kind spin`; `None` where everything was asked for.
pub fn inline(snapshot: &Snapshot) -> Option<String> {
    let filters = snapshot.filters.as_ref()?;
    Some(filters.words.join(" "))
}
