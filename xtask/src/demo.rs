//! `cargo xtask demo`: seqtrace at work, from a fresh clone, with one command.

use std::{
    env, fs,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, ensure};

use crate::{progress, tool};

/// What runs in the guest: threads that exit while others read their process's times, renames
/// against getcwd, mounts against path walks. As seqtrace's command it starts when the probes are
/// in place, and ends with the time.
const SCRIPT: &str = "exec seqtrace flame --budget off --duration 20s -o /share/out/demo.svg \
                      -- sh -c 'exec workload cputime rename mount > /dev/null'";

/// Boots a PREEMPT_RT kernel, makes it contend, prints the table and leaves a flamegraph
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The kernel to boot, a name of `cargo xtask vm`
    #[arg(long, default_value = "6.12-rt")]
    kernel: String,
}

/// Runs the demo.
///
/// # Errors
///
/// When the guest cannot be started, or leaves no flamegraph.
pub(crate) fn demo(args: &Args) -> Result<ExitCode> {
    let share = tool::workspace().join("target/demo");
    let picture = share.join("out/demo.svg");
    fs::create_dir_all(share.join("out")).context("failed to create the shared folder")?;
    // A picture of an earlier run must not pass for this one's.
    if let Err(error) = fs::remove_file(&picture) {
        ensure!(
            error.kind() == std::io::ErrorKind::NotFound,
            "failed to remove `{}`: {error}",
            picture.display()
        );
    }
    let status = Command::new(env::current_exe().context("failed to find the xtask")?)
        .args(["vm", "--kernel", &args.kernel, "--share"])
        .arg(&share)
        .args(["--timeout", "600", "--", "sh", "-c", SCRIPT])
        .status()
        .context("failed to start the guest")?;
    if !status.success() {
        return Ok(ExitCode::from(
            status
                .code()
                .and_then(|c| u8::try_from(c).ok())
                .unwrap_or(1),
        ));
    }
    ensure!(
        picture.is_file(),
        "the guest left no flamegraph at `{}`",
        picture.display()
    );
    progress::step("Flamegraph", picture.display());
    Ok(ExitCode::SUCCESS)
}
