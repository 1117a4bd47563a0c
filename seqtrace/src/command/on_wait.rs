//! `--on-wait`: what one long wait sets off, looked at once in an interval.

use std::{
    io, mem,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use anyhow::Result;
use log::warn;
use rustc_hash::FxHashMap;
use seqtrace_common::event::kind;

use crate::{
    aggregate::{SiteLabel, occurrence::Occurrence, snapshot::Snapshot},
    cli::{Action, OnWait},
    command::{
        observe::{Observer, Records},
        trace::nanoseconds,
    },
    export::quantity::duration_inline,
};

/// An observer, and actions on what it is shown.
pub(super) struct Watchful<'a, O> {
    observer: &'a mut O,
    triggers: &'a [OnWait],
    /// The command that was started last.
    command: Option<Child>,
    /// Waits that found it running still.
    passed_over: u64,
    ended: Option<String>,
    /// Spins that have set something off before they were known to be over, and whether they were open when
    /// that was looked at last.
    told: FxHashMap<Told, bool>,
}

/// The trigger's number, the site, the reader and the beginning.
type Told = (usize, u32, u32, u64);

impl<'a, O: Observer> Watchful<'a, O> {
    pub(super) fn new(observer: &'a mut O, triggers: &'a [OnWait]) -> Self {
        Self {
            observer,
            triggers,
            command: None,
            passed_over: 0,
            ended: None,
            told: FxHashMap::default(),
        }
    }

    /// Looks at a wait; one that `is_open` comes again, with each interval and when it is over.
    fn look(&mut self, label: &SiteLabel, wait: &Occurrence, is_open: bool) {
        for (number, OnWait { least, action }) in self.triggers.iter().enumerate() {
            if wait.duration_ns < nanoseconds(*least) {
                continue;
            }
            let key = (number, wait.site, wait.tid, wait.began_ns());
            let is_told = if is_open {
                self.told.insert(key, true).is_some()
            } else {
                self.told.remove(&key).is_some()
            };
            if is_told {
                continue;
            }
            match action {
                Action::Print => {
                    let line = line(label, wait);
                    warn!("{line}");
                    self.observer.told(&line);
                }
                Action::Save => self.observer.save(),
                Action::Exec(command) => self.exec(command, label, wait),
                Action::Stop => {
                    let told = || format!("by --on-wait, {}", line(label, wait));
                    self.ended.get_or_insert_with(told);
                }
            }
        }
    }

    /// Looks at all spins that are open. One that is so no longer is forgotten an interval later: that it is over
    /// may be told after this.
    fn look_at_open<'s>(&mut self, open: impl Iterator<Item = (&'s SiteLabel, Occurrence)>) {
        let before = mem::take(&mut self.told);
        let lately = before.into_iter().filter(|(_, was_open)| *was_open);
        self.told = lately.map(|(key, _)| (key, false)).collect();
        for (label, wait) in open {
            self.look(label, &wait, true);
        }
    }

    /// One command at a time: many waits at once must not start as many.
    fn exec(&mut self, command: &str, label: &SiteLabel, wait: &Occurrence) {
        let running = self.command.as_mut().map(Child::try_wait);
        if matches!(running, Some(Ok(None))) {
            self.passed_over += 1;
            return;
        }
        match start(command, label, wait) {
            Ok(child) => self.command = Some(child),
            Err(error) => warn!("failed to run `{command}`: {error}"),
        }
    }
}

impl<O: Observer> Observer for Watchful<'_, O> {
    fn wants_records(&self) -> bool {
        self.observer.wants_records() || !self.triggers.is_empty()
    }

    fn wants_holds(&self) -> bool {
        self.observer.wants_holds()
    }

    fn wants_open(&self) -> bool {
        self.observer.wants_open() || !self.triggers.is_empty()
    }

    fn told(&mut self, line: &str) {
        self.observer.told(line);
    }

    fn save(&mut self) {
        self.observer.save();
    }

    fn begin(&mut self, snapshot: &Snapshot) -> Result<()> {
        self.observer.begin(snapshot)
    }

    fn records(&mut self, records: &Records<'_>) -> Result<()> {
        self.observer.records(records)?;
        for (label, wait, event) in records.wanted() {
            if matches!(event.kind, kind::BLOCK | kind::SPIN) {
                self.look(label, &wait, false);
            }
        }
        Ok(())
    }

    fn open(&mut self, open: &Records<'_>) -> Result<()> {
        self.look_at_open(open.wanted().map(|(label, wait, _)| (label, wait)));
        self.observer.open(open)
    }

    fn snapshot(&mut self, snapshot: &Arc<Snapshot>) -> Result<()> {
        self.observer.snapshot(snapshot)
    }

    fn wants_end(&self) -> Option<String> {
        self.observer.wants_end().or_else(|| self.ended.clone())
    }

    fn over(&mut self) {
        self.observer.over();
        if self.passed_over > 0 {
            warn!(
                "--on-wait: {} waits came while the command of another ran, and started none",
                self.passed_over
            );
        }
    }
}

/// Starts a command of the shell that is told the wait.
fn start(command: &str, label: &SiteLabel, wait: &Occurrence) -> io::Result<Child> {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", command])
        .stdin(Stdio::null())
        .env("SEQTRACE_SEQCOUNT", &label.seqcount)
        .env("SEQTRACE_SITE", &label.site)
        .env("SEQTRACE_KIND", label.kind.word())
        .env("SEQTRACE_DURATION_NS", wait.duration_ns.to_string())
        .env("SEQTRACE_CPU", wait.cpu.to_string())
        .env("SEQTRACE_READER_TID", wait.tid.to_string())
        .env("SEQTRACE_READER_COMM", &wait.comm);
    if let Some(tid) = wait.owner_tid {
        shell.env("SEQTRACE_OWNER_TID", tid.to_string());
    }
    if let Some(comm) = &wait.owner_comm {
        shell.env("SEQTRACE_OWNER_COMM", comm);
    }
    shell.spawn()
}

/// `cwd-reader/359 waited 38.4 ms for mount_lock at prepend_path+0x333 (block), owned by mounter/384`.
fn line(label: &SiteLabel, wait: &Occurrence) -> String {
    let owner = match (&wait.owner_comm, wait.owner_tid) {
        (Some(comm), Some(tid)) => format!(", owned by {comm}/{tid}"),
        _ => String::new(),
    };
    format!(
        "{}/{} waited {} for {} at {} ({}){owner}",
        wait.comm,
        wait.tid,
        duration_inline(wait.duration_ns),
        label.seqcount,
        label.site,
        label.kind.word()
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::plan::{Backend, Kind};

    struct Nobody;

    impl Observer for Nobody {
        fn snapshot(&mut self, _: &Arc<Snapshot>) -> Result<()> {
            Ok(())
        }
    }

    struct Counted(u32);

    impl Observer for Counted {
        fn snapshot(&mut self, _: &Arc<Snapshot>) -> Result<()> {
            Ok(())
        }

        fn save(&mut self) {
            self.0 += 1;
        }
    }

    fn label() -> SiteLabel {
        SiteLabel {
            seqcount: "mount_lock".to_owned(),
            lockname: None,
            image: "vmlinux".to_owned(),
            site: "prepend_path+0x333".to_owned(),
            kind: Kind::Block,
            backend: Backend::Probe,
        }
    }

    fn wait(duration_ns: u64) -> Occurrence {
        Occurrence {
            duration_ns,
            comm: "cwd-reader".to_owned(),
            tid: 359,
            owner_tid: Some(384),
            owner_comm: Some("mounter".to_owned()),
            ..Occurrence::default()
        }
    }

    fn on(least: Duration, action: Action) -> Vec<OnWait> {
        vec![OnWait { least, action }]
    }

    #[test]
    fn a_wait_that_is_long_enough_ends_the_run_and_a_shorter_one_does_not() {
        let triggers = on(Duration::from_millis(10), Action::Stop);
        let mut nobody = Nobody;
        let mut watchful = Watchful::new(&mut nobody, &triggers);
        assert!(watchful.wants_records());
        watchful.look(&label(), &wait(9_999_999), false);
        assert_eq!(watchful.wants_end(), None);
        watchful.look(&label(), &wait(10_000_000), false);
        assert_eq!(
            watchful.wants_end().as_deref(),
            Some(
                "by --on-wait, cwd-reader/359 waited 10.0 ms for mount_lock at prepend_path+0x333 \
                 (block), owned by mounter/384"
            )
        );
    }

    #[test]
    fn a_spin_sets_something_off_once_whether_it_is_over_or_not() {
        let triggers = on(Duration::from_millis(10), Action::Save);
        let mut counted = Counted(0);
        let mut watchful = Watchful::new(&mut counted, &triggers);
        let spin = |duration_ns| Occurrence {
            time_ns: 500 + duration_ns,
            ..wait(duration_ns)
        };
        for (duration_ns, is_open) in [
            (9_000_000, true),
            (11_000_000, true),
            (12_000_000, true),
            (12_000_000, false),
        ] {
            watchful.look(&label(), &spin(duration_ns), is_open);
        }
        assert!(watchful.told.is_empty());
        watchful.look(&label(), &wait(13_000_000), false);
        assert_eq!(counted.0, 2);
    }

    #[test]
    fn a_spin_that_is_open_no_longer_is_forgotten_after_its_end_could_come() {
        let triggers = on(Duration::from_millis(10), Action::Save);
        let mut counted = Counted(0);
        let mut watchful = Watchful::new(&mut counted, &triggers);
        let site = label();
        let spin = |tid, duration_ns| Occurrence {
            time_ns: 500 + duration_ns,
            tid,
            ..wait(duration_ns)
        };
        let open = |tids: &[u32], duration_ns| {
            let spins = tids.iter().map(|tid| (&site, spin(*tid, duration_ns)));
            spins.collect::<Vec<_>>().into_iter()
        };
        watchful.look_at_open(open(&[1, 2], 11_000_000));
        watchful.look_at_open(open(&[1], 12_000_000));
        assert_eq!(watchful.told.len(), 2, "the end of the second may come yet");
        watchful.look(&site, &spin(2, 11_500_000), false);
        watchful.look_at_open(open(&[1], 13_000_000));
        watchful.look_at_open(open(&[], 0));
        assert_eq!(watchful.told.len(), 1);
        watchful.look_at_open(open(&[], 0));
        assert!(watchful.told.is_empty());
        assert_eq!(counted.0, 2, "each was told once");
    }

    #[test]
    fn a_command_is_told_the_wait_and_runs_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let told = folder.path().join("told");
        let command = format!(
            "echo $SEQTRACE_SEQCOUNT $SEQTRACE_DURATION_NS $SEQTRACE_OWNER_COMM >> {}; exec sleep 1000",
            told.display()
        );
        let triggers = on(Duration::from_millis(1), Action::Exec(command));
        let mut nobody = Nobody;
        let mut watchful = Watchful::new(&mut nobody, &triggers);
        watchful.look(&label(), &wait(5_000_000), false);
        watchful.look(&label(), &wait(6_000_000), false);
        assert_eq!(watchful.passed_over, 1);
        let text = loop {
            let text = std::fs::read_to_string(&told).unwrap_or_default();
            if text.ends_with('\n') {
                break text;
            }
        };
        assert_eq!(text, "mount_lock 5000000 mounter\n");
        let mut child = watchful.command.take().expect("it runs");
        child.kill().expect("it runs still");
        child.wait().expect("it is ours");
    }
}
