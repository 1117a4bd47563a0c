//! The command line's declaration → manual pages and completions.

use std::{io, path::Path};

use clap::CommandFactory as _;
use clap_complete::Shell;
use seqtrace::cli::Cli;

/// Writes `seqtrace.1`, a page for each subcommand, and a completion for each shell into a folder.
///
/// # Errors
///
/// When a file cannot be written.
pub(crate) fn write(folder: &Path) -> io::Result<()> {
    clap_mangen::generate_to(Cli::command(), folder)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut Cli::command(), "seqtrace", folder)?;
    }
    Ok(())
}
