//! `cargo xtask bench`: the benches of discovery, on the fixture and on a real kernel.

use std::{
    env,
    process::{Command, ExitCode},
};

use anyhow::Result;

use crate::{
    score::Debuginfo,
    tool,
    vm::{Cache, Flavour, Kernel},
};

/// The variable by which the benches learn of a vmlinux.
const VMLINUX: &str = "SEQTRACE_BENCH_VMLINUX";

/// Measures the stages of discovery, on a small fixture and on a kernel
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The vmlinux of this kernel too, fetched with its debuginfo
    #[arg(long, value_name = "NAME")]
    kernel: Option<Flavour>,
    /// For criterion: a filter, `--save-baseline NAME`, `--baseline NAME`
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

/// Runs the task.
///
/// # Errors
///
/// When the kernel cannot be fetched, or the benches do not build or run.
pub(crate) fn bench(args: &Args) -> Result<ExitCode> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(tool::workspace())
        .args([
            "bench",
            "--locked",
            "--package",
            "seqtrace",
            "--bench",
            "discover",
            "--",
        ])
        .args(&args.arguments);
    if let Some(flavour) = args.kernel {
        let cache = Cache::open()?;
        let kernel = Kernel::named(&cache, flavour, false)?;
        let debuginfo = Debuginfo::of(&cache, flavour, &kernel, false)?;
        cargo.env(VMLINUX, debuginfo.vmlinux);
    }
    tool::run(&mut cargo)?;
    Ok(ExitCode::SUCCESS)
}
