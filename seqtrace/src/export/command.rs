//! What the command that was run lost itself → a line.

use super::{
    account,
    quantity::{duration_inline, percent, plural},
};
use crate::aggregate::{command::CommandCost, snapshot::Snapshot};

/// The line; nothing where no command was run, or its tasks are not known.
pub(super) fn line(snapshot: &Snapshot, width: Option<usize>) -> String {
    let Some(cost) = &snapshot.command else {
        return String::new();
    };
    let CommandCost {
        wall_ns,
        lost_ns,
        waits,
        retries,
    } = cost;
    let least = if snapshot.is_command_at_least() {
        "at least "
    } else {
        ""
    };
    let mark = if snapshot.is_command_sampled() {
        "~"
    } else {
        ""
    };
    let part = cost.part().map_or_else(|| "-".to_owned(), percent);
    let text = format!(
        "its own tasks lost {least}{mark}{} in {}, {part} of the {} that it ran; {}",
        duration_inline(*lost_ns),
        plural(*waits, "wait"),
        duration_inline(*wall_ns),
        if *retries == 1 {
            "1 retry".to_owned()
        } else {
            format!("{retries} retries")
        },
    );
    account::line("command", &text, width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_command_lost_is_told_as_surely_as_it_is_known() {
        let text = include_str!("../../tests/data/snapshots/realtime.json");
        let mut snapshot: Snapshot = serde_json::from_str(text).expect("a snapshot");
        assert_eq!(line(&snapshot, None), "");
        snapshot.command = Some(CommandCost {
            wall_ns: 2_000_000_000,
            lost_ns: 25_000_000,
            waits: 12,
            retries: 1,
        });
        snapshot.losses.clear();
        assert_eq!(
            line(&snapshot, None),
            "command  its own tasks lost 25.0 ms in 12 waits, 1.25% of the 2.00 s that it ran; 1 retry\n"
        );
        snapshot.losses.insert("command_lost".to_owned(), 1);
        assert!(line(&snapshot, None).contains("lost at least 25.0 ms in"));
    }
}
