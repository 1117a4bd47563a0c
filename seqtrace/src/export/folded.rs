//! A snapshot → folded stacks: `comm;outermost;…;innermost;seqcount [kind] weight`, a line each.
//!
//! The lines add up to what the table shows: events whose stack was lost, and those that could not
//! be credited to one, stand under a frame of their own.

use crate::{
    aggregate::snapshot::{Row, Snapshot, StackRow},
    plan::Kind,
};

/// What a line weighs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Weight {
    /// Nanoseconds that readers lost. Retries and fallbacks have no duration and no line.
    #[default]
    Time,
    /// Events of all kinds.
    Events,
}

/// Stands for the frames of a stack that was lost.
const LOST: &str = "[stack lost]";

/// Stands for the command of a reader that is not known.
const UNKNOWN: &str = "[unknown]";

impl Weight {
    /// The unit, as a flamegraph prints it after a number.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Time => "ns",
            Self::Events => "events",
        }
    }

    fn of_row(self, row: &Row) -> u64 {
        match self {
            // Writers lose nothing by holding.
            _ if row.kind == Kind::Write => 0,
            Self::Time => row.total_ns,
            Self::Events => row.count,
        }
    }

    fn of_stack(self, stack: &StackRow) -> u64 {
        match self {
            Self::Time => stack.total_ns,
            Self::Events => stack.count,
        }
    }
}

/// The lines, sorted; empty when nothing weighs anything. The last field is the weight, after a
/// space.
pub fn lines(snapshot: &Snapshot, weight: Weight) -> Vec<String> {
    let mut uncredited: Vec<u64> = snapshot.rows.iter().map(|row| weight.of_row(row)).collect();
    let mut lines = Vec::new();
    for stack in &snapshot.stacks {
        // A document that was read from a file may name any row.
        let Some(row) = snapshot.rows.get(stack.row) else {
            continue;
        };
        let frames = if stack.frames.is_empty() {
            vec![LOST.to_owned()]
        } else {
            stack.frames.iter().map(|frame| frame_text(frame)).collect()
        };
        let weight = weight.of_stack(stack);
        uncredited[stack.row] = uncredited[stack.row].saturating_sub(weight);
        push(&mut lines, &frame_text(&stack.comm), &frames, row, weight);
    }
    for (row, weight) in snapshot.rows.iter().zip(uncredited) {
        push(&mut lines, UNKNOWN, &[LOST.to_owned()], row, weight);
    }
    lines.sort_unstable();
    lines
}

/// The lines as one text, each with its newline.
pub fn document(snapshot: &Snapshot, weight: Weight) -> String {
    lines(snapshot, weight)
        .into_iter()
        .map(|line| line + "\n")
        .collect()
}

fn push(lines: &mut Vec<String>, comm: &str, frames: &[String], row: &Row, weight: u64) {
    if weight > 0 {
        lines.push(format!(
            "{comm};{};{} [{}] {weight}",
            frames.join(";"),
            frame_text(&row.seqcount),
            row.kind.word(),
        ));
    }
}

/// A name that cannot be taken for more than one frame, nor its end for a weight: `;` separates
/// frames, and readers of the format split at the last space.
fn frame_text(name: &str) -> String {
    name.replace(';', ":").replace(char::is_whitespace, "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_frame() {
        assert_eq!(frame_text("a;b c\n7"), "a:b_c_7");
    }
}
