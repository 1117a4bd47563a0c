//! Writes the seeds below a folder, a folder for each target.

use std::{env, fs, path::PathBuf};

use anyhow::{Context as _, Result};

fn main() -> Result<()> {
    let folder = env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.context("usage: seeds FOLDER")?;
    for (target, _) in fuzz::TARGETS {
        let folder = folder.join(target);
        fs::create_dir_all(&folder)
            .with_context(|| format!("failed to create `{}`", folder.display()))?;
    }
    for seed in fuzz::seed::all()? {
        let file = folder.join(seed.target).join(seed.name);
        fs::write(&file, seed.bytes)
            .with_context(|| format!("failed to write `{}`", file.display()))?;
    }
    Ok(())
}
