//! The third ring: boots a kernel and reads the lines of the live tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
    thread,
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use clap::ValueEnum as _;

use crate::{
    progress, seqstress, static_build,
    tally::Tally,
    tool,
    vm::{Cache, Flavour, Kernel, Programs, With},
};

/// Seconds from power-on after which a guest with all cases is ended; in a long run.
const DEADLINE_S: &str = "2400";
const LONG_DEADLINE_S: &str = "7200";

/// Guests at a time: each emulates on one thread.
const GUESTS: usize = 2;

/// The kernel on which the cases that take minutes run too. One with PREEMPT_RT, where probes take
/// longest to come off, and beside it there is time for the shorter list of a kernel without.
const SLOW_CASES: &str = "6.12-rt";

/// A module with sites of its own, which can be unloaded.
const MODULE: &str = "phonet";

/// Where the folders lie that guests see.
const SHARE: &str = "target/live";

/// What a guest is to run.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// Name of its kernel.
    pub(crate) kernel: String,
    /// Names of cases, without any all of them; `--long` for some more work.
    pub(crate) words: Vec<String>,
}

/// Builds the live tests and runs `jobs`, each for another kernel, in their order, [`GUESTS`] at a time.
///
/// # Errors
///
/// When something does not build, or a guest cannot be started. A guest that dies or hangs is a
/// failed test, and none is started twice.
pub(crate) fn run(jobs: &[Job]) -> Result<Vec<Outcome>> {
    let tests = static_build::test(Programs::command(With::Tests), "live")?;
    let shares = jobs
        .iter()
        .map(|job| share(&tests, &job.kernel))
        .collect::<Result<Vec<_>>>()?;
    let waiting = Mutex::new(jobs.iter().zip(&shares));
    let worker = || {
        let mut outcomes = Vec::new();
        loop {
            // Its own statement: the lock is dropped before the guest runs.
            let next = waiting.lock().expect("no worker panics here").next();
            let Some((job, share)) = next else {
                return anyhow::Ok(outcomes);
            };
            progress::step("Testing", format_args!("live on {}", job.kernel));
            outcomes.push(guest(share, job)?);
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..GUESTS).map(|_| scope.spawn(worker)).collect();
        let mut outcomes = Vec::new();
        for worker in workers {
            outcomes.extend(worker.join().expect("a worker does not panic")?);
        }
        outcomes.sort_by_key(|outcome| jobs.iter().position(|job| job.kernel == outcome.kernel));
        Ok(outcomes)
    })
}

/// Puts what a guest of `kernel` needs into a folder that it sees: the tests, the file that it is
/// booted from, our module.
fn share(tests: &Path, kernel: &str) -> Result<PathBuf> {
    let flavour = Flavour::from_str(kernel, false)
        .map_err(|_| anyhow!("no kernel `{kernel}`: `cargo xtask vm --list` has their names"))?;
    let cache = Cache::open()?;
    let cached = Kernel::named(&cache, flavour, false)?;
    let module = seqstress::module(&cache, flavour, &cached)?;
    let share = tool::workspace().join(SHARE).join(kernel);
    fs::create_dir_all(share.join("out")).context("failed to create the shared folder")?;
    let files = [
        (tests, "live"),
        (&cached.image, "vmlinuz"),
        (&module, "seqstress.ko"),
    ];
    for (file, name) in files {
        fs::copy(file, share.join(name))
            .with_context(|| format!("failed to share `{}`", file.display()))?;
    }
    Ok(share)
}

/// Boots the kernel and reads its lines.
fn guest(share: &Path, job: &Job) -> Result<Outcome> {
    let Job { kernel, words } = job;
    let is_long = words.iter().any(|word| word == "--long");
    let deadline_s = if is_long { LONG_DEADLINE_S } else { DEADLINE_S };
    let mut guest = Command::new(env::current_exe().context("failed to find the xtask")?)
        .args(["vm", "--kernel", kernel, "--timeout", deadline_s])
        .args(["--tests", "--append", "seqtrace.guest", "--load", MODULE])
        .args(["--nodes", "2"])
        .arg("--share")
        .arg(share)
        .args(["--", "/share/live"])
        .args(words)
        .args((kernel == SLOW_CASES).then_some("--slow"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("failed to start a guest")?;
    let mut outcome = Outcome {
        is_whole: words.is_empty(),
        ..Outcome::of(kernel)
    };
    for line in BufReader::new(guest.stdout.take().expect("it is piped")).lines() {
        let line = line.context("failed to read the guest's output")?;
        progress::line(format_args!("{kernel}: {line}"));
        outcome.read(&line)?;
    }
    let status = guest.wait().context("failed to wait for the guest")?;
    Ok(outcome.close(status.success()))
}

/// What the lines of a guest have told.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Name of the kernel.
    pub(crate) kernel: String,
    /// Whether all cases were to run.
    pub(crate) is_whole: bool,
    pub(crate) tally: Tally,
    /// Numbers about the kernel and what seqtrace took on it, by name, ready to be printed.
    pub(crate) figures: Vec<(String, String)>,
    release: String,
    done: bool,
    /// Cases by the feature that they cover.
    covers: Vec<(String, Vec<String>)>,
    verdicts: BTreeMap<String, Verdict>,
}

/// How a case ended.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Verdict {
    Passed,
    Failed,
    Skipped,
    /// It takes minutes, and runs on [`SLOW_CASES`] only.
    Elsewhere,
}

impl Outcome {
    /// One that nothing was told of.
    pub(crate) fn of(kernel: &str) -> Self {
        Self {
            kernel: kernel.to_owned(),
            ..Self::default()
        }
    }

    /// Reads a line of the live tests; others are passed over.
    ///
    /// # Errors
    ///
    /// When a skip does not say since which kernel the case can run.
    pub(crate) fn read(&mut self, line: &str) -> Result<()> {
        let Some(words) = line.strip_prefix("live: ") else {
            return Ok(());
        };
        let (name, rest) = words.split_once(' ').unwrap_or((words, ""));
        match rest.split([' ', ':']).next().unwrap_or_default() {
            "ok" => self.end(name, Verdict::Passed),
            "FAIL" => self.end(name, Verdict::Failed),
            "elsewhere" => self.end(name, Verdict::Elsewhere),
            "skip" => {
                let since = rest.split_once("since ").map_or("", |(_, since)| since);
                let since = since.split(':').next().unwrap_or_default();
                if older(&self.release, since)? {
                    self.end(name, Verdict::Skipped);
                } else {
                    progress::line(format_args!(
                        "{name} was skipped on {}, which is not older than {since}",
                        self.release
                    ));
                    self.end(name, Verdict::Failed);
                }
            }
            _ if name == "kernel" => {
                let release = rest.split(' ').next().unwrap_or_default();
                release.clone_into(&mut self.release);
                self.figures
                    .push(("release".to_owned(), release.to_owned()));
            }
            _ if name == "covers" => {
                let mut words = rest.split(' ').map(str::to_owned);
                let feature = words.next().unwrap_or_default();
                self.covers.push((feature, words.collect()));
            }
            _ if name == "figure" => {
                let (figure, value) = rest.split_once(' ').unwrap_or((rest, ""));
                self.figures.push((figure.to_owned(), value.to_owned()));
            }
            _ if name == "done" => self.done = true,
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, case: &str, verdict: Verdict) {
        match verdict {
            Verdict::Passed => self.tally.passed += 1,
            Verdict::Failed => self.tally.failed += 1,
            Verdict::Skipped => self.tally.skipped += 1,
            Verdict::Elsewhere => {}
        }
        self.verdicts.insert(case.to_owned(), verdict);
    }

    /// What was shown of each feature.
    pub(crate) fn features(&self) -> Vec<(String, String)> {
        let shown = |cases: &[String]| {
            let verdicts = cases.iter().map(|case| self.verdicts.get(case));
            let verdicts: BTreeSet<Option<&Verdict>> = verdicts
                .filter(|verdict| *verdict != Some(&Verdict::Elsewhere))
                .collect();
            if verdicts.is_empty() {
                "elsewhere"
            } else if verdicts.contains(&Some(&Verdict::Failed)) {
                "fails"
            } else if verdicts.contains(&None) {
                "not run"
            } else if !verdicts.contains(&Some(&Verdict::Skipped)) {
                "tested"
            } else if verdicts.len() == 1 {
                "too old"
            } else {
                "in part"
            }
        };
        let features = self.covers.iter();
        features
            .map(|(feature, cases)| (feature.clone(), shown(cases).to_owned()))
            .collect()
    }

    /// The guest has ended: before its last line, or badly with no failed case, is one more failure.
    fn close(mut self, succeeded: bool) -> Self {
        if !self.done || (!succeeded && self.tally.failed == 0) {
            self.tally.failed += 1;
        }
        self
    }
}

/// Whether the kernel release `a` is of an older series than `b`: `6.1.0-50-rt` than `6.7`.
fn older(a: &str, b: &str) -> Result<bool> {
    let series = |text: &str| -> Result<(u32, u32)> {
        let mut numbers = text.split(|c: char| !c.is_ascii_digit());
        let mut next = || numbers.next().and_then(|number| number.parse().ok());
        match (next(), next()) {
            (Some(major), Some(minor)) => Ok((major, minor)),
            _ => bail!("`{text}` is no kernel version"),
        }
    };
    ensure!(
        !b.is_empty(),
        "a skip must say since which kernel the feature is there"
    );
    Ok(series(a)? < series(b)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Outcome {
        let mut report = Outcome::of("6.12-rt");
        for line in lines {
            report.read(line).unwrap();
        }
        report
    }

    #[test]
    fn lines_are_counted_and_a_skip_on_a_newer_kernel_fails() {
        let report = read(&[
            "live: kernel 6.12.107-rt realtime=true",
            "live: a_case ...",
            "live: a_case ok: 3 blocks",
            "other output",
            "live: b_case FAIL: no block",
            "live: c_case skip since 6.13: no such feature",
            "live: d_case skip since 6.12: no such feature",
            "live: done",
        ]);
        assert_eq!(
            report.close(false).tally,
            Tally {
                passed: 1,
                failed: 2,
                skipped: 1
            }
        );
    }

    #[test]
    fn a_guest_that_ends_early_is_a_failure() {
        let lines = [
            "live: kernel 6.1.0-50-rt realtime=true",
            "live: a_case ok: ",
        ];
        assert_eq!(
            read(&lines).close(true).tally,
            Tally {
                passed: 1,
                failed: 1,
                skipped: 0
            }
        );
    }

    #[test]
    fn a_series_is_compared_by_number() {
        assert!(older("6.1.0-50-rt", "6.12").unwrap());
        assert!(!older("6.12.1", "6.7").unwrap());
        assert!(older("nonsense", "6.7").is_err());
    }
}
