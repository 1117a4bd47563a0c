//! Progress on stderr for stages that take more than a second.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// A bar appears when a stage has taken this long.
const PATIENCE: Duration = Duration::from_secs(1);

/// The progress of one stage; its bar goes when it is dropped. Draws only on a terminal.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    enabled: bool,
    since: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// A stage called `what` (`scanning functions`), which begins now.
    pub fn new(enabled: bool, what: &'static str) -> Self {
        Self {
            what,
            enabled,
            since: Instant::now(),
            bar: None,
        }
    }

    /// `done` of `all` are done.
    pub fn report(&mut self, done: usize, all: usize) {
        if self.bar.is_none() && self.enabled && self.since.elapsed() >= PATIENCE {
            let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}")
                .expect("the template is sound");
            let bar = ProgressBar::new(all as u64).with_style(style);
            self.bar = Some(bar.with_message(self.what));
        }
        if let Some(bar) = &self.bar {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_appears_only_after_a_second_and_only_when_asked_for() {
        let long_ago = Instant::now()
            .checked_sub(PATIENCE)
            .expect("the machine is up");
        let mut progress = Progress::new(true, "scanning functions");
        progress.report(1, 10);
        assert!(progress.bar.is_none());
        progress.since = long_ago;
        progress.report(2, 10);
        assert!(progress.bar.as_ref().is_some_and(|bar| bar.position() == 2));
        let mut silent = Progress::new(false, "scanning functions");
        silent.since = long_ago;
        silent.report(1, 10);
        assert!(silent.bar.is_none());
    }
}
