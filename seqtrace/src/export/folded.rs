//! A snapshot → folded stacks: `comm;outermost;…;innermost;seqcount [kind] weight`, a line each.
//!
//! The lines add up to what the table shows: events whose stack was lost, those that could not be
//! credited to one, and waits whose writer is not known stand under a frame of their own.

use crate::{
    aggregate::{
        blame::{BlameRow, Party},
        snapshot::{Row, Snapshot, StackRow},
    },
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
    /// Retries alone; fallbacks are none.
    Retries,
}

/// Whose stacks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Stacks {
    /// Those of the readers.
    #[default]
    Readers,
    /// Those of the writers that kept them waiting, as they were when the hold began.
    Writers,
    /// Those of the readers, and above them those of the writers.
    Blamed,
}

/// Stands for the frames of a stack that was lost.
const LOST: &str = "[stack lost]";

/// Stands for the command of a reader that is not known.
const UNKNOWN: &str = "[unknown]";

/// Stands for the writer of a wait that is not known.
const NO_WRITER: &str = "[no writer known]";

/// Marks the frames of a writer where they stand on those of a reader.
pub(super) const WRITER: &str = "_[w]";

impl Weight {
    /// The unit, as a flamegraph prints it after a number.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Time => "ns",
            Self::Events => "events",
            Self::Retries => "retries",
        }
    }

    /// What a row weighs; writers lose nothing by holding.
    pub fn of_row(self, row: &Row) -> u64 {
        match self {
            _ if row.kind == Kind::Write => 0,
            Self::Time => row.total_ns,
            Self::Events => row.count,
            Self::Retries if is_retry(row.kind) => row.count,
            Self::Retries => 0,
        }
    }

    /// What a stack of `row` weighs.
    pub fn of_stack(self, row: &Row, stack: &StackRow) -> u64 {
        match self {
            Self::Time => stack.total_ns,
            Self::Events => stack.count,
            Self::Retries if is_retry(row.kind) => stack.count,
            Self::Retries => 0,
        }
    }

    /// A retry has no writer.
    fn of_blame(self, blame: &BlameRow) -> u64 {
        match self {
            Self::Time => blame.wait_ns,
            Self::Events => blame.count,
            Self::Retries => 0,
        }
    }
}

fn is_retry(kind: Kind) -> bool {
    match kind {
        Kind::Retry | Kind::Check => true,
        Kind::Block | Kind::Spin | Kind::Fallback | Kind::Write => false,
    }
}

/// The lines, sorted; empty when nothing weighs anything. The last field is the weight, after a
/// space.
pub fn lines(snapshot: &Snapshot, weight: Weight, stacks: Stacks) -> Vec<String> {
    let mut lines = match stacks {
        Stacks::Readers => readers(snapshot, weight),
        Stacks::Writers | Stacks::Blamed => blamed(snapshot, weight, stacks),
    };
    lines.sort_unstable();
    lines
}

/// The lines as one text, each with its newline.
pub fn document(snapshot: &Snapshot, weight: Weight, stacks: Stacks) -> String {
    lines(snapshot, weight, stacks)
        .into_iter()
        .map(|line| line + "\n")
        .collect()
}

fn readers(snapshot: &Snapshot, weight: Weight) -> Vec<String> {
    let mut uncredited: Vec<u64> = snapshot.rows.iter().map(|row| weight.of_row(row)).collect();
    let mut lines = Vec::new();
    for stack in &snapshot.stacks {
        // A document that was read from a file may name any row.
        let Some(row) = snapshot.rows.get(stack.row) else {
            continue;
        };
        let weight = weight.of_stack(row, stack);
        uncredited[stack.row] = uncredited[stack.row].saturating_sub(weight);
        let frames = frames(&stack.comm, &stack.frames);
        push(&mut lines, &frames, row, &[], weight);
    }
    for (row, weight) in snapshot.rows.iter().zip(uncredited) {
        push(&mut lines, &frames(UNKNOWN, &[]), row, &[], weight);
    }
    lines
}

/// Blocks and spins by writer. What no writer is known of is what is left of each site.
fn blamed(snapshot: &Snapshot, weight: Weight, stacks: Stacks) -> Vec<String> {
    let mut unblamed: Vec<u64> = snapshot.rows.iter().map(|row| weight.of_row(row)).collect();
    let mut lines = Vec::new();
    for blame in &snapshot.blames {
        let row = snapshot.rows.iter().position(|row| row.slot == blame.slot);
        let Some(row) = row else {
            continue;
        };
        let weight = weight.of_blame(blame);
        unblamed[row] = unblamed[row].saturating_sub(weight);
        let row = &snapshot.rows[row];
        let writer = party(&blame.writer);
        match stacks {
            Stacks::Readers | Stacks::Writers => push(&mut lines, &writer, row, &[], weight),
            Stacks::Blamed => {
                let writer: Vec<String> = writer
                    .iter()
                    .map(|name| format!("{name}{WRITER}"))
                    .collect();
                push(&mut lines, &party(&blame.reader), row, &writer, weight);
            }
        }
    }
    for (row, weight) in snapshot.rows.iter().zip(unblamed) {
        let frames = [frame_text(NO_WRITER)];
        push(&mut lines, &frames, row, &[], weight);
    }
    lines
}

fn party(party: &Party) -> Vec<String> {
    let Party {
        comm,
        tgid: _,
        tid: _,
        frames,
    } = party;
    // Where no hold is followed there is no stack of the writer; nothing was lost.
    let frames = frames.iter().map(|frame| frame_text(frame));
    std::iter::once(frame_text(comm)).chain(frames).collect()
}

fn frames(comm: &str, frames: &[String]) -> Vec<String> {
    let lost = frames.is_empty().then(|| LOST.to_owned());
    let frames = frames.iter().map(|frame| frame_text(frame)).chain(lost);
    std::iter::once(frame_text(comm)).chain(frames).collect()
}

fn push(lines: &mut Vec<String>, frames: &[String], row: &Row, above: &[String], weight: u64) {
    if weight > 0 {
        let seqcount = format!("{} [{}]", frame_text(&row.seqcount), row.kind.word());
        let all = frames.iter().chain([&seqcount]).chain(above);
        let all: Vec<&str> = all.map(String::as_str).collect();
        lines.push(format!("{} {weight}", all.join(";")));
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
