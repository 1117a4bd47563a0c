//! Writes the recording of a million events that the benches read: `million FILE`.

#[path = "../benches/million/mod.rs"]
mod million;

use std::{env, fs};

use anyhow::{Context as _, Result};

fn main() -> Result<()> {
    let path = env::args_os().nth(1).context("usage: million FILE")?;
    let bytes = million::recording();
    fs::write(&path, &bytes).with_context(|| format!("failed to write `{}`", path.display()))?;
    Ok(())
}
