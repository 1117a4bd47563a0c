//! Which events are wanted: the words of the command line put together.

use std::{collections::BTreeSet, fmt::Display, path::PathBuf, time::Duration};

use anyhow::{Result, bail};
use globset::Glob;

use crate::cli::{CpuList, FilterArguments, KindArgument, RowFilterArguments};

/// Which events are wanted. Several words of one kind widen the choice, different kinds narrow it; what
/// is empty does not choose.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Processes.
    pub pids: BTreeSet<u32>,
    /// Threads.
    pub tids: BTreeSet<u32>,
    /// Patterns for command names.
    pub comms: Vec<Glob>,
    /// CPUs.
    pub cpus: BTreeSet<u32>,
    /// A cgroup and all below it.
    pub cgroup: Option<PathBuf>,
    /// Patterns for names of seqcounts.
    pub seqcounts: Vec<Glob>,
    /// Parts of names of functions, one of which must be in the stack.
    pub stacks: Vec<String>,
    /// Patterns for sites.
    pub sites: Vec<Glob>,
    /// Kinds of events.
    pub kinds: BTreeSet<KindArgument>,
    /// The shortest block, spin or hold.
    pub min: Option<Duration>,
}

impl Filter {
    pub(super) fn new(arguments: FilterArguments) -> Self {
        let FilterArguments {
            rows,
            tid,
            cpu,
            cgroup,
            min_ns,
        } = arguments;
        Self {
            tids: tid.into_iter().collect(),
            cpus: cpu.into_iter().flat_map(|CpuList(cpus)| cpus).collect(),
            cgroup,
            min: min_ns,
            ..Self::of_rows(rows)
        }
    }

    pub(super) fn of_rows(arguments: RowFilterArguments) -> Self {
        let RowFilterArguments {
            pid,
            comm,
            seqcount,
            stack,
            site,
            kind,
        } = arguments;
        Self {
            pids: pid.into_iter().collect(),
            comms: comm,
            seqcounts: seqcount,
            stacks: stack,
            sites: site,
            kinds: kind.into_iter().collect(),
            ..Self::default()
        }
    }

    /// The filters as they may be typed, one each: `--pid 7,8`, `--comm 'a*'`.
    pub fn words(&self) -> Vec<String> {
        let Self {
            pids,
            tids,
            comms,
            cpus,
            cgroup,
            seqcounts,
            stacks,
            sites,
            kinds,
            min,
        } = self;
        let mut words = Vec::new();
        let mut push = |option: &str, values: String| {
            if !values.is_empty() {
                words.push(format!("--{option} {values}"));
            }
        };
        push("pid", list(pids));
        push("tid", list(tids));
        push("comm", list(comms.iter().map(Glob::glob)));
        push("cpu", list(cpus));
        push("cgroup", list(cgroup.iter().map(|path| path.display())));
        push("seqcount", list(seqcounts.iter().map(Glob::glob)));
        push("stack", list(stacks));
        push("site", list(sites.iter().map(Glob::glob)));
        push("kind", list(kinds.iter().map(|kind| word(*kind))));
        push(
            "min-ns",
            list(min.iter().map(|time| humantime::format_duration(*time))),
        );
        words
    }

    /// Checks that a recording has what it takes to apply them.
    ///
    /// # Errors
    ///
    /// When its totals do not tell.
    pub(super) fn require_rows(&self) -> Result<()> {
        let untold = [
            ("--tid", !self.tids.is_empty()),
            ("--cpu", !self.cpus.is_empty()),
            ("--cgroup", self.cgroup.is_some()),
            ("--min-ns", self.min.is_some()),
        ];
        if let Some((option, _)) = untold.into_iter().find(|(_, is_on)| *is_on) {
            bail!(
                "the totals of a recording do not tell what `{option}` asks for: give it when recording"
            );
        }
        Ok(())
    }
}

fn list(values: impl IntoIterator<Item = impl Display>) -> String {
    let values: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    values.join(",")
}

fn word(kind: KindArgument) -> &'static str {
    match kind {
        KindArgument::Block => "block",
        KindArgument::Spin => "spin",
        KindArgument::Retry => "retry",
        KindArgument::Fallback => "fallback",
        KindArgument::Check => "check",
        KindArgument::Hold => "hold",
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::{
        cli::Cli,
        config::{Config, Task},
    };

    fn task(words: &[&str]) -> anyhow::Result<Task> {
        Ok(Config::new(Cli::parse_from([&["seqtrace"], words].concat()))?.task)
    }

    #[test]
    fn filters_are_told_as_they_may_be_typed() {
        let words = [
            "stat",
            "-p",
            "8,7",
            "-t",
            "9",
            "--comm",
            "{a,b}*",
            "-C",
            "2,0-1",
            "-G",
            "a.slice",
            "-l",
            "tk_*",
            "-S",
            "vfs_",
            "--site",
            "d_lookup",
            "--kind",
            "spin,block",
            "--min-ns",
            "50us",
        ];
        let Ok(Task::Stat { trace, .. }) = task(&words) else {
            panic!("not stat");
        };
        assert_eq!(
            trace.filter.words(),
            [
                "--pid 7,8",
                "--tid 9",
                "--comm {a,b}*",
                "--cpu 0,1,2",
                "--cgroup a.slice",
                "--seqcount tk_*",
                "--stack vfs_",
                "--site d_lookup",
                "--kind block,spin",
                "--min-ns 50us"
            ]
        );
        assert!(trace.stacks, "a stack that is asked for must be walked");
    }

    #[test]
    fn what_a_recording_does_not_tell_is_refused() {
        for (words, option) in [
            (&["top", "--replay", "a", "-C", "0"][..], "--cpu"),
            (&["flame", "a", "-o", "-", "--tid", "1"], "--tid"),
        ] {
            let error = task(words).expect_err("refused").to_string();
            assert!(error.contains(option), "{error}");
        }
        task(&["flame", "a", "-o", "-", "--comm", "a", "-S", "b", "-p", "1"]).expect("taken");
    }
}
