//! `cargo xtask manual`: manual pages and completions for shells, made of the command line's declaration.

use std::{
    env,
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result};

use crate::{progress, tool};

/// Writes manual pages and completions for bash, zsh and fish
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The folder to write into
    #[arg(long, default_value = "target/manual")]
    output: PathBuf,
}

/// Runs the task.
///
/// # Errors
///
/// When it does not build, or nothing can be written.
pub(crate) fn manual(args: &Args) -> Result<ExitCode> {
    // As the caller means it, wherever cargo runs the program.
    let output = std::path::absolute(&args.output).context("failed to find the folder")?;
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["run", "--quiet", "--locked", "--package", "seqtrace"])
        .args(["--example", "manual", "--"])
        .arg(&output)
        .current_dir(tool::workspace());
    tool::run(&mut cargo)?;
    progress::step("Written", output.display());
    Ok(ExitCode::SUCCESS)
}
