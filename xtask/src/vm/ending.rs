//! How a guest ended, and what that means for our exit status. Pure.

use guest::{Outcome, Verdict};

/// Exit status when the guest panicked, locked up or ended without a verdict.
const GUEST_DIED: u8 = 123;
/// Exit status when the deadline passed, as `timeout` has it.
const DEADLINE_PASSED: u8 = 124;
/// Exit status when the harness could not do its work, as `git bisect run` has it.
pub(crate) const HARNESS_FAILED: u8 = 125;

/// How a guest ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Ending {
    /// The command came to an end.
    Verdict(Verdict),
    /// The deadline, in seconds, passed.
    Deadline(u64),
    /// The guest panicked, locked up or ended without a verdict, as this says.
    Died(String),
    /// This signal was sent to us.
    Interrupted(i32),
}

impl Ending {
    /// Our exit status.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Verdict(verdict) => match verdict.outcome {
                Outcome::Exited(status) => status,
                Outcome::Signaled(signal) => 128 + signal,
                Outcome::NotRun(_) => HARNESS_FAILED,
            },
            Self::Deadline(_) => DEADLINE_PASSED,
            Self::Died(_) => GUEST_DIED,
            Self::Interrupted(signal) => 128 + *signal as u8,
        }
    }

    /// The guest did not come to an end by itself: its log is worth showing.
    pub(crate) fn is_unexpected(&self) -> bool {
        match self {
            Self::Verdict(_) | Self::Interrupted(_) => false,
            Self::Deadline(_) | Self::Died(_) => true,
        }
    }

    /// What a person should know, a line each.
    pub(crate) fn messages(&self) -> Vec<String> {
        match self {
            Self::Verdict(Verdict {
                outcome,
                notes,
                stdout_bytes: _,
                stderr_bytes: _,
            }) => {
                let mut lines: Vec<_> = notes.iter().map(|note| format!("note: {note}")).collect();
                match outcome {
                    Outcome::Exited(_) | Outcome::Signaled(_) => {}
                    Outcome::NotRun(reason) => lines.push(format!("error: in the guest: {reason}")),
                }
                lines
            }
            Self::Deadline(seconds) => {
                vec![format!(
                    "error: the guest was ended at its deadline of {seconds} s"
                )]
            }
            Self::Died(how) => vec![format!("error: the guest died: {how}")],
            Self::Interrupted(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(outcome: Outcome) -> Ending {
        let notes = vec!["the workload `x` ended early".to_owned()];
        Ending::Verdict(Verdict {
            outcome,
            stdout_bytes: 0,
            stderr_bytes: 0,
            notes,
        })
    }

    #[test]
    fn the_commands_status_is_ours() {
        assert_eq!(verdict(Outcome::Exited(0)).status(), 0);
        assert_eq!(verdict(Outcome::Exited(7)).status(), 7);
        assert_eq!(verdict(Outcome::Signaled(9)).status(), 137);
    }

    #[test]
    fn each_failure_of_the_guest_has_a_status_of_its_own() {
        let statuses = [
            verdict(Outcome::NotRun("no such file".to_owned())),
            Ending::Deadline(300),
            Ending::Died("end Kernel panic".to_owned()),
            Ending::Interrupted(2),
        ]
        .map(|ending| ending.status());
        assert_eq!(statuses, [125, 124, 123, 130]);
    }

    #[test]
    fn notes_are_told_even_when_the_command_succeeds() {
        let messages = verdict(Outcome::Exited(0)).messages();
        assert_eq!(messages, ["note: the workload `x` ended early"]);
    }
}
