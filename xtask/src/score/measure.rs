//! A kernel and its debuginfo → what the scan found and took, by the programs themselves.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::{
    debuginfo::Debuginfo,
    outcome::{Cost, Outcome, Score},
};
use crate::{tool, vm::Kernel};

/// Runs of a stage; the best one counts.
const RUNS: usize = 5;

/// The programs that measure.
#[derive(Debug)]
pub(crate) struct Programs {
    seqtrace: PathBuf,
    cost: PathBuf,
}

impl Programs {
    /// Builds them as they are shipped.
    ///
    /// # Errors
    ///
    /// When they do not build.
    pub(crate) fn build() -> Result<Self> {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .current_dir(tool::workspace())
            .args(["build", "--locked", "--release", "--package", "seqtrace"])
            .args(["--bin", "seqtrace", "--example", "cost"]);
        tool::run(&mut cargo)?;
        let folder = tool::workspace().join("target/release");
        Ok(Self {
            seqtrace: folder.join("seqtrace"),
            cost: folder.join("examples/cost"),
        })
    }

    /// Scores the scan of a kernel as users have it, with all modules if their debuginfo is there.
    ///
    /// # Errors
    ///
    /// When a program fails.
    pub(crate) fn measure(&self, kernel: &Kernel, debuginfo: &Debuginfo) -> Result<Outcome> {
        let Debuginfo { vmlinux, modules } = debuginfo;
        let mut sites = Command::new(&self.seqtrace);
        sites
            .args(["--quiet", "sites", "--json", "--image"])
            .arg(&kernel.image);
        sites.arg("--score").arg(vmlinux);
        if let Some(modules) = modules {
            sites.arg("--modules").arg(modules);
        }
        let text = tool::text(&mut sites)?;
        let score: Score =
            serde_json::from_str(&text).context("failed to read what `seqtrace sites` printed")?;
        Ok(Outcome {
            score,
            scan: self.cost("scan", vmlinux)?,
            dwarf: self.cost("dwarf", vmlinux)?,
        })
    }

    fn cost(&self, stage: &str, file: &Path) -> Result<Cost> {
        let mut least = None::<Cost>;
        for _ in 0..RUNS {
            let text = tool::text(Command::new(&self.cost).arg(stage).arg(file))?;
            let cost = serde_json::from_str(&text).context("failed to read what `cost` printed")?;
            least = Some(least.map_or(cost, |least| least.least(cost)));
        }
        least.context("a stage is run at least once")
    }
}
