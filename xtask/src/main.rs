//! Developer tasks: `cargo xtask help` lists them.

mod cache;
mod object;

use anyhow::Result;
use clap::Parser;

/// Developer tasks of seqtrace
#[derive(Debug, Parser)]
enum Task {
    /// Builds the eBPF object into seqtrace/prebuilt
    BuildEbpf(object::Options),
    /// Installs the linker of the eBPF object into the tool cache
    InstallBpfLinker,
}

fn main() -> Result<()> {
    match Task::parse() {
        Task::BuildEbpf(options) => object::build_ebpf(options),
        Task::InstallBpfLinker => object::install_bpf_linker(),
    }
}
