//! `cargo xtask score`: names of kernels in, a table out of how well the scan finds what their
//! debuginfo says, and a status that tells whether the goals are met.

mod banner;
mod debuginfo;

use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum as _;

pub(crate) use self::debuginfo::Debuginfo;
use crate::{
    progress,
    vm::{Cache, Flavour, Kernel},
};

/// Scores the scan of Debian's kernels against their debuginfo
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Only the kernels of these names
    #[arg(long, value_name = "NAME")]
    kernel: Vec<Flavour>,
    /// All modules too: 7 GB on disk for each kernel
    #[arg(long)]
    modules: bool,
    /// Fetches the newest packages of the kernels' names, even if others are cached
    #[arg(long)]
    update: bool,
}

/// Runs the task.
///
/// # Errors
///
/// When a kernel or its debuginfo cannot be fetched or scored.
pub(crate) fn score(args: &Args) -> Result<ExitCode> {
    let cache = Cache::open()?;
    let flavours = match &args.kernel[..] {
        [] => Flavour::value_variants(),
        chosen => chosen,
    };
    for &flavour in flavours {
        let kernel = Kernel::named(&cache, flavour, args.update)?;
        let debuginfo = Debuginfo::of(&cache, flavour, &kernel, args.modules)?;
        progress::line(format_args!(
            "{}: {}",
            kernel.label,
            debuginfo.vmlinux.display()
        ));
    }
    Ok(ExitCode::SUCCESS)
}
