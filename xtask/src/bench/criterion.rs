//! Criterion's benches of the stages of discovery, on the fixture and on a real kernel.

use std::{env, process::Command};

use anyhow::Result;

use crate::{
    score::Debuginfo,
    tool,
    vm::{Cache, Flavour, Kernel},
};

/// The variable by which the benches learn of a vmlinux.
const VMLINUX: &str = "SEQTRACE_BENCH_VMLINUX";

/// Runs them with criterion's own arguments, on the vmlinux of `kernel` too.
///
/// # Errors
///
/// When the kernel cannot be fetched, or the benches do not build or run.
pub(crate) fn run(kernel: Option<Flavour>, arguments: &[String]) -> Result<()> {
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
        .args(arguments);
    if let Some(flavour) = kernel {
        let cache = Cache::open()?;
        let kernel = Kernel::named(&cache, flavour, false)?;
        let debuginfo = Debuginfo::of(&cache, flavour, &kernel, false)?;
        cargo.env(VMLINUX, debuginfo.vmlinux);
    }
    tool::run(&mut cargo)
}
