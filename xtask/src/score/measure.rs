//! A kernel and its debuginfo → what the scan found and took, by the programs themselves.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::{
    debuginfo::Debuginfo,
    outcome::{Cost, Outcome, Score},
};
use crate::{static_build, tool, vm};

/// Runs of a stage; the best one counts.
const RUNS: usize = 5;

/// The programs that measure.
#[derive(Debug)]
pub(crate) struct Programs {
    seqtrace: PathBuf,
    cost: PathBuf,
}

impl Programs {
    /// Builds them optimised, together with what the live tests need.
    ///
    /// # Errors
    ///
    /// When they do not build.
    pub(crate) fn build() -> Result<Self> {
        tool::run(&mut vm::Programs::command(vm::With::Tests))?;
        let folder = static_build::programs();
        Ok(Self {
            seqtrace: folder.join("seqtrace"),
            cost: folder.join("examples/cost"),
        })
    }

    /// Scores the scan of a kernel, with all modules if their debuginfo is there.
    ///
    /// # Errors
    ///
    /// When a program fails.
    pub(crate) fn measure(&self, debuginfo: &Debuginfo) -> Result<Outcome> {
        let Debuginfo { vmlinux, modules } = debuginfo;
        let mut sites = Command::new(&self.seqtrace);
        sites
            .args(["sites", "--quiet", "--json", "--image"])
            .arg(vmlinux);
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
