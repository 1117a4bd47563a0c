//! A boot of the guest: a script for its shell in, what it measured out.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use guest::Measurements;

use super::{
    super::{Wanted, peers, row::Measured},
    setup::PREPARE,
};
use crate::{
    progress, tool,
    vm::{Programs, With},
};

/// Where the folder lies that the guest sees.
const SHARE: &str = "target/bench";

/// MiB of a guest's memory, and of one that has the other tools in it.
const MEMORY_MIB: [&str; 2] = ["1024", "2048"];

/// Seconds from power-on after which a guest is ended.
const DEADLINE_S: &str = "1800";

/// What is measured, by setup and work.
pub(super) type Results = BTreeMap<String, BTreeMap<String, Vec<f64>>>;

/// One boot.
pub(super) struct Boot {
    /// Names the folder of its results.
    pub(super) name: String,
    /// With one processor nothing is done beside what is measured.
    pub(super) processors: u32,
    /// Lines of the shell, with places by the names of sites. Results go to the folder [`out`].
    pub(super) script: String,
    /// What `bench-guest measure` is to do, by the name of the plan.
    pub(super) plans: BTreeMap<String, Measurements>,
    /// Options of `seqtrace sites`, which names the places.
    pub(super) sites: &'static str,
    /// Whether other tools have a part in it.
    pub(super) with_peers: bool,
}

/// Where the guest of a boot leaves its results.
pub(super) fn out(boot: &str) -> String {
    format!("/share/out/{boot}")
}

impl Boot {
    /// One that only runs a script: no plans, no options of `seqtrace sites`, no other tools.
    pub(super) fn new(name: &str, processors: u32, script: String) -> Self {
        Self {
            name: name.to_owned(),
            processors,
            script,
            plans: BTreeMap::new(),
            sites: "",
            with_peers: false,
        }
    }

    /// Boots the kernel, and reads what the script left.
    ///
    /// # Errors
    ///
    /// When the guest cannot be started, or does not do what it is told.
    pub(super) fn run(&self, wanted: &Wanted) -> Result<Results> {
        let results = folder(wanted, &self.name);
        if wanted.last {
            return read(&results);
        }
        let kernel = wanted.kernel;
        let share = share(wanted);
        if results.exists() {
            fs::remove_dir_all(&results)
                .context("failed to remove the results of an earlier run")?;
        }
        fs::create_dir_all(&results).context("failed to create the shared folder")?;
        self.fill(&share)?;
        if self.with_peers {
            peers::tree(&share, kernel)?;
        }
        progress::step(
            "Counting",
            format_args!("instructions on {} ({})", kernel.name(), self.name),
        );
        let mut guest = Command::new(env::current_exe().context("failed to find the xtask")?);
        guest
            .args(["vm", "--kernel", kernel.name(), "--timeout", DEADLINE_S])
            .args(["--smp", &self.processors.to_string()])
            .args(["--memory", MEMORY_MIB[usize::from(self.with_peers)]])
            .args(["--seqstress", "--count-instructions"])
            // Built as for the live tests: another set of features would be another build.
            .arg("--tests")
            .arg("--share")
            .arg(&share)
            .args(["--", "sh", &format!("/share/{}.prepare", self.name)]);
        tool::run(&mut guest)?;
        read(&results)
    }

    /// Writes what the guest needs into the folder that it sees.
    fn fill(&self, share: &Path) -> Result<()> {
        let programs = Programs::build(With::Tests)?;
        for program in ["bench-guest", "examples/pace"] {
            let program = programs.path(program);
            let name = program.file_name().context("a program has a name")?;
            fs::copy(&program, share.join(name))
                .with_context(|| format!("failed to share `{}`", program.display()))?;
        }
        let script = share.join(format!("{}.script", self.name));
        fs::write(script, &self.script).context("failed to share the script")?;
        let prepare = PREPARE
            .replace("SITES", self.sites)
            .replace("BOOT", &self.name);
        let file = share.join(format!("{}.prepare", self.name));
        fs::write(file, prepare).context("failed to share a script")?;
        fs::create_dir_all(share.join("plans")).context("failed to share the plans")?;
        for (setup, plan) in &self.plans {
            let text = serde_json::to_vec(plan).context("failed to write a plan")?;
            fs::write(share.join("plans").join(format!("{setup}.json")), text)
                .context("failed to share a plan")?;
        }
        Ok(())
    }
}

fn read(folder: &Path) -> Result<Results> {
    let mut results = Results::new();
    let entries = fs::read_dir(folder).context("failed to list the results")?;
    for entry in entries {
        let path: PathBuf = entry?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let setup = path.file_stem().unwrap_or_default().to_string_lossy();
        let text =
            fs::read(&path).with_context(|| format!("failed to read `{}`", path.display()))?;
        let measured = serde_json::from_slice(&text)
            .with_context(|| format!("failed to parse `{}`", path.display()))?;
        results.insert(setup.into_owned(), measured);
    }
    Ok(results)
}

/// What is measured under a setup, by the name of the work.
pub(super) fn samples<'a>(results: &'a Results, setup: &str, work: &str) -> Result<&'a [f64]> {
    results
        .get(setup)
        .and_then(|works| works.get(work))
        .filter(|samples| !samples.is_empty())
        .map(Vec::as_slice)
        .with_context(|| format!("the guest did not measure `{work}` under `{setup}`"))
}

/// How long whole commands took under a setup, in milliseconds of the guest.
pub(super) fn milliseconds(results: &Results, setup: &str) -> Result<Measured> {
    let samples = samples(results, setup, "time")?;
    Ok(samples.iter().map(|ns| ns / 1e6).collect())
}

/// The last line that somebody wrote in a boot: why there are no numbers, as far as that is told.
pub(super) fn last_words(wanted: &Wanted, boot: &str, setup: &str) -> Option<String> {
    let log = folder(wanted, boot).join(format!("{setup}.log"));
    let log = fs::read_to_string(log).ok()?;
    let line = log.lines().rfind(|line| !line.trim().is_empty())?;
    Some(line.trim().to_owned())
}

/// The folder of a boot's results, on this side.
pub(super) fn folder(wanted: &Wanted, boot: &str) -> PathBuf {
    share(wanted).join("out").join(boot)
}

/// The folder that the guest sees.
fn share(wanted: &Wanted) -> PathBuf {
    tool::workspace().join(SHARE).join(wanted.kernel.name())
}
