//! Progress on stderr for stages that take more than a second.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// A bar appears when a stage has taken this long.
const PATIENCE: Duration = Duration::from_secs(1);

/// The progress of one stage; its bar goes when it is dropped. Draws only on a terminal.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    enabled: bool,
    since: Instant,
    bar: OnceLock<ProgressBar>,
}

impl Progress {
    /// A stage called `what` (`scanning functions`), which begins now.
    pub fn new(enabled: bool, what: &'static str) -> Self {
        Self {
            what,
            enabled,
            since: Instant::now(),
            bar: OnceLock::new(),
        }
    }

    /// `done` of `all` are done. Any thread may tell.
    pub fn report(&self, done: u64, all: u64) {
        if self.enabled && self.since.elapsed() >= PATIENCE {
            let bar = self.bar.get_or_init(|| self.new_bar(all));
            bar.set_length(all);
            bar.set_position(done);
        }
    }

    fn new_bar(&self, all: u64) -> ProgressBar {
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}")
            .expect("the template is sound");
        let bar = ProgressBar::new(all).with_style(style);
        bar.with_message(self.what)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.get() {
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
        assert!(progress.bar.get().is_none());
        progress.since = long_ago;
        progress.report(2, 10);
        let bar = progress.bar.get().expect("it is there");
        assert_eq!((bar.position(), bar.length()), (2, Some(10)));
        let mut silent = Progress::new(false, "scanning functions");
        silent.since = long_ago;
        silent.report(1, 10);
        assert!(silent.bar.get().is_none());
    }
}
