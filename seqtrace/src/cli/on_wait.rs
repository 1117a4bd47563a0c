//! Words about what one long wait sets off.

use std::{str::FromStr, time::Duration};

use clap::Args;

use super::duration;

/// What long waits set off.
#[derive(Args, Debug)]
pub struct OnWaitArguments {
    /// What a wait of at least TIME sets off: `10ms:print` a line on stderr, in the live view at its foot,
    /// `10ms:exec COMMAND` a command of the shell, which is told the wait in variables SEQTRACE_*, `10ms:stop`
    /// the end, `10ms:save` with `record` a recording of the time that --last says, in the live view what the
    /// key `s` saves; looked at once in an interval, and may be given several times
    #[arg(long, value_name = "TIME:ACTION")]
    pub on_wait: Vec<OnWait>,
}

/// `TIME:ACTION`: what is done when a reader has waited for at least so long.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OnWait {
    /// The shortest wait that does it.
    pub least: Duration,
    /// What is done.
    pub action: Action,
}

/// What one long wait sets off.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// A line on stderr.
    Print,
    /// A command of the shell, which is told the wait in its environment.
    Exec(String),
    /// A recording of the last while.
    Save,
    /// The end of the run.
    Stop,
}

impl FromStr for OnWait {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (time, action) = text
            .split_once(':')
            .ok_or_else(|| "write it as TIME:ACTION, such as `10ms:print`".to_owned())?;
        let least = duration(time)?;
        let (word, rest) = action.split_once(' ').unwrap_or((action, ""));
        let action = match (word, rest.trim()) {
            ("print", "") => Action::Print,
            ("save", "") => Action::Save,
            ("stop", "") => Action::Stop,
            ("exec", command) if !command.is_empty() => Action::Exec(command.to_owned()),
            _ => {
                return Err(format!(
                    "`{action}` is no action: `print`, `exec COMMAND`, `save` or `stop`"
                ));
            }
        };
        Ok(Self { least, action })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_and_an_action_are_asked_for() {
        let parsed = |text: &str| text.parse::<OnWait>();
        let least = Duration::from_millis(10);
        for (text, action) in [
            ("10ms:print", Action::Print),
            ("10ms:save", Action::Save),
            ("10ms:stop", Action::Stop),
            (
                "10ms:exec logger -t seqtrace 'a: b'",
                Action::Exec("logger -t seqtrace 'a: b'".to_owned()),
            ),
        ] {
            assert_eq!(parsed(text), Ok(OnWait { least, action }), "{text}");
        }
        for bad in [
            "",
            "10ms",
            "print",
            "0s:print",
            "10ms:exec",
            "10ms:dance",
            "10ms:stop now",
        ] {
            assert!(parsed(bad).is_err(), "{bad} was taken");
        }
    }
}
