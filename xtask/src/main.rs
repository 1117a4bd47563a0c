//! Developer tasks: `cargo xtask help` lists them.

mod bench;
mod cache;
mod debian;
mod demo;
mod drive;
mod fuzz;
mod kernels;
mod lint;
mod live;
mod manual;
mod object;
mod picture;
mod progress;
mod score;
mod seqstress;
mod static_build;
mod tally;
mod test;
mod tool;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Developer tasks of seqtrace.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Xtask {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Boots a PREEMPT_RT kernel, makes it contend, prints the table and leaves a flamegraph
    Demo(demo::Args),
    /// Formats, lints, the eBPF object, all tests, fuzzing, a score, live tests on five kernels
    Test(test::Args),
    /// Format, lints, spelling, licences
    Lint,
    Vm(vm::Args),
    Drive(drive::Args),
    Score(score::Args),
    Fuzz(fuzz::Args),
    Bench(bench::Args),
    Manual(manual::Args),
    Picture(picture::Args),
    /// Builds the eBPF object into seqtrace/prebuilt
    BuildEbpf(object::Options),
    /// Installs the linker of the eBPF object into the tool cache
    InstallBpfLinker,
}

fn main() -> ExitCode {
    let Xtask { task } = Xtask::parse();
    let result = match task {
        Task::Demo(args) => demo::demo(&args),
        Task::Test(args) => test::test(&args),
        Task::Lint => lint::lint().map(|tally| ExitCode::from(u8::from(tally.failed > 0))),
        Task::Vm(args) => vm::run(args),
        Task::Drive(args) => drive::drive(&args),
        Task::Score(args) => score::score(&args),
        Task::Fuzz(args) => fuzz::fuzz(&args),
        Task::Bench(args) => bench::bench(&args),
        Task::Manual(args) => manual::manual(&args),
        Task::Picture(args) => picture::picture(&args),
        Task::BuildEbpf(options) => object::build_ebpf(options).map(|()| ExitCode::SUCCESS),
        Task::InstallBpfLinker => object::install_bpf_linker().map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| {
        progress::failure(&error);
        // As `timeout` and `git bisect run` have it: the task itself failed, not what it ran.
        ExitCode::from(vm::HARNESS_FAILED)
    })
}
