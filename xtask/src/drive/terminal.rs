//! A terminal of tmux's that nobody looks at: keys in, screens out.

use std::{
    process::{self, Command},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::tool;

/// Time between two looks at the screen.
const LOOK: Duration = Duration::from_millis(200);

/// Runs the command that follows, tells on the screen how it ended, and keeps the screen.
const TELL: &str = r#""$@"; echo "ended with status $?"; exec sleep infinity"#;

/// What stands before the status.
const ENDED: &str = "ended with status ";

/// The one session of a tmux server of its own; dropping it ends both.
pub(super) struct Terminal {
    program: std::path::PathBuf,
    socket: String,
}

impl Terminal {
    /// Runs `words` in a terminal of this many columns and lines.
    pub(super) fn start(words: &[String], (columns, lines): (u16, u16)) -> Result<Self> {
        let terminal = Self {
            program: tool::ensure_program("tmux", "tmux")?,
            socket: format!("seqtrace-{}", process::id()),
        };
        let (columns, lines) = (columns.to_string(), lines.to_string());
        let options = [
            "set-option",
            "-g",
            "default-terminal",
            "screen-256color",
            ";",
            "new-session",
            "-d",
            "-x",
            &columns,
            "-y",
            &lines,
            "--",
        ];
        let tell = ["sh", "-c", TELL, "sh"].map(str::to_owned);
        terminal.tmux(&options, &[&tell, words].concat())?;
        Ok(terminal)
    }

    /// Presses a key of tmux's name, or types the text.
    pub(super) fn press(&self, key: &str) -> Result<()> {
        self.tmux(&["send-keys", "--", key], &[]).map(drop)
    }

    /// Waits until all of `seen` are on the screen and none of `gone`. Returns the screen, and whether it
    /// came to that in time.
    pub(super) fn wait_for(
        &self,
        seen: &[&str],
        gone: &[&str],
        patience: Duration,
    ) -> Result<(String, bool)> {
        let end = Instant::now() + patience;
        loop {
            let screen = self.tmux(&["capture-pane", "-p"], &[])?;
            let is_there = seen.iter().all(|text| screen.contains(text))
                && !gone.iter().any(|text| screen.contains(text));
            if is_there || Instant::now() > end || self.status()?.is_some_and(|_| !is_there) {
                return Ok((screen, is_there));
            }
            thread::sleep(LOOK);
        }
    }

    /// Waits until the command has ended with success.
    pub(super) fn wait_for_status(&self, patience: Duration) -> Result<()> {
        let end = Instant::now() + patience;
        loop {
            match self.status()? {
                Some(0) => return Ok(()),
                Some(status) => bail!("the command ended with status {status}"),
                None => ensure!(
                    Instant::now() < end,
                    "the command did not end in {} s",
                    patience.as_secs()
                ),
            }
            thread::sleep(LOOK);
        }
    }

    /// The exit status of the command, when it has ended.
    fn status(&self) -> Result<Option<u32>> {
        let screen = self.tmux(&["capture-pane", "-p"], &[])?;
        let told = screen.lines().find_map(|line| line.strip_prefix(ENDED));
        told.map(|status| status.trim().parse().context("the status is no number"))
            .transpose()
    }

    fn tmux(&self, words: &[&str], command: &[String]) -> Result<String> {
        let mut tmux = Command::new(&self.program);
        // Characters of any width, whatever the locale says.
        tmux.args(["-u", "-f", "/dev/null", "-L", &self.socket])
            .args(words)
            .args(command)
            .env_remove("TMUX")
            .env("LC_ALL", "C.UTF-8");
        tool::text(&mut tmux)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Ends the command too, and with it the guest.
        let _gone_already = self.tmux(&["kill-server"], &[]);
    }
}
