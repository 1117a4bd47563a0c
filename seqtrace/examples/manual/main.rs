//! Writes manual pages and completions for shells into the folder that is named: `cargo xtask manual`.

use std::{env, fs, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};

mod pages;

fn main() -> Result<ExitCode> {
    let folder = env::args_os().nth(1).context("the folder is to be named")?;
    let folder = PathBuf::from(folder);
    fs::create_dir_all(&folder)
        .and_then(|()| pages::write(&folder))
        .with_context(|| format!("failed to write into `{}`", folder.display()))?;
    Ok(ExitCode::SUCCESS)
}
