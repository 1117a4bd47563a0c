//! Reads the guest's serial log: lines for people, and the markers of a guest that is dead.
//! It does not judge warnings: only what no guest survives.

use std::collections::VecDeque;

/// Lines kept to show when a guest dies.
const TAIL_LINES: usize = 40;

/// After one of these on the log the guest will not come to an end by itself.
const MARKERS: [&str; 6] = [
    "Kernel panic - not syncing",
    "end Kernel panic",
    "soft lockup - CPU",
    "hard LOCKUP on cpu",
    "Oops: ",
    // The count of oopses ends the first line of each, whatever it begins with.
    " [#1]",
];

/// Both halves must be in a line: `rcu: INFO: rcu_preempt detected stalls on CPUs/tasks`.
const STALL: (&str, &str) = ("INFO: rcu_", "detected");

/// The log so far.
#[derive(Debug, Default)]
pub(crate) struct Console {
    partial: Vec<u8>,
    tail: VecDeque<String>,
    death: Option<String>,
}

impl Console {
    /// Takes bytes as they come and returns the lines that they complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for &byte in bytes {
            match byte {
                b'\n' => {
                    let line = String::from_utf8_lossy(&self.partial).into_owned();
                    self.partial.clear();
                    self.note(&line);
                    lines.push(line);
                }
                // The log ends its lines with both; a terminal's control codes are the firmware's.
                b'\r' | b'\x1b' => {}
                byte => self.partial.push(byte),
            }
        }
        lines
    }

    /// The first line that told that the guest is dead.
    pub(crate) fn death(&self) -> Option<&str> {
        self.death.as_deref()
    }

    /// The last lines, oldest first, with what follows the last line end.
    pub(crate) fn tail(&self) -> impl Iterator<Item = String> {
        let rest = String::from_utf8_lossy(&self.partial).into_owned();
        self.tail
            .iter()
            .cloned()
            .chain((!rest.is_empty()).then_some(rest))
    }

    fn note(&mut self, line: &str) {
        if self.death.is_none() && is_death(line) {
            self.death = Some(line.to_owned());
        }
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail.push_back(line.to_owned());
    }
}

fn is_death(line: &str) -> bool {
    let (subject, verb) = STALL;
    MARKERS.iter().any(|marker| line.contains(marker))
        || (line.contains(subject) && line.contains(verb))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_found_across_chunks() {
        let mut console = Console::default();
        console.push(b"[    1.0] Run /init\r\n[    2.0] Kernel pa");
        assert_eq!(console.death(), None);
        let lines = console.push(b"nic - not syncing: Fatal exception\r\nmore\n");
        assert_eq!(lines.len(), 2);
        assert_eq!(
            console.death(),
            Some("[    2.0] Kernel panic - not syncing: Fatal exception")
        );
    }

    #[test]
    fn lockups_stalls_and_oopses_are_death() {
        for line in [
            "watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [cat:99]",
            "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
            "rcu: INFO: rcu_preempt self-detected stall on CPU",
            "Oops: int3: 0000 [#1] PREEMPT_RT SMP",
            "int3: 0000 [#1] PREEMPT_RT SMP NOPTI",
        ] {
            assert!(is_death(line), "{line}");
        }
    }

    #[test]
    fn warnings_are_not_death() {
        for line in [
            "WARNING: CPU: 0 PID: 1 at kernel/x.c:1",
            "rcu: Hierarchical RCU",
            "",
        ] {
            assert!(!is_death(line), "{line}");
        }
    }

    #[test]
    fn the_tail_keeps_the_last_lines_and_the_unfinished_one() {
        let mut console = Console::default();
        for number in 0..100 {
            console.push(format!("{number}\n").as_bytes());
        }
        console.push(b"login");
        let tail: Vec<_> = console.tail().collect();
        assert_eq!(tail.len(), TAIL_LINES + 1);
        assert_eq!(
            (tail[0].as_str(), tail[TAIL_LINES].as_str()),
            ("60", "login")
        );
    }
}
