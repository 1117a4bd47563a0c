//! Developer tasks: `cargo xtask help` lists them.

mod progress;
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
    Vm(vm::Args),
}

fn main() -> ExitCode {
    let Xtask { task } = Xtask::parse();
    let result = match task {
        Task::Vm(args) => vm::run(args),
    };
    result.unwrap_or_else(|error| {
        progress::failure(&error);
        // As `timeout` and `git bisect run` have it: the task itself failed, not what it ran.
        ExitCode::from(vm::HARNESS_FAILED)
    })
}
