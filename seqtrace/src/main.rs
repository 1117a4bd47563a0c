//! The `seqtrace` command: parse, run, exit status.
#![expect(clippy::print_stderr, reason = "the one place that tells of errors")]

use std::{
    io::{self, ErrorKind, Write as _},
    process::ExitCode,
};

use anyhow::{Error, Result};
use clap::Parser as _;
use log::LevelFilter;
use seqtrace::{attach::Interrupted, cli::Cli, command, config::Config};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(status) => ExitCode::from(status),
        // The reader of our output has seen enough: `seqtrace sites | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        // As a shell has it for SIGINT.
        Err(error) if error.is::<Interrupted>() => ExitCode::from(130),
        Err(error) => {
            eprintln!("seqtrace: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<u8> {
    let config = Config::new(cli)?;
    start_log(config.verbosity);
    command::run(&config)
}

fn is_broken_pipe(error: &Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
    })
}

/// Warnings always, more on request; each line begins as errors do.
fn start_log(verbosity: u8) {
    let level = match verbosity {
        0 => LevelFilter::Warn,
        1 => LevelFilter::Info,
        _ => LevelFilter::Debug,
    };
    env_logger::Builder::new()
        .filter_module("seqtrace", level)
        .target(env_logger::Target::Pipe(Box::new(command::terminal::Log)))
        .format(|out, record| {
            let word = record.level().as_str().to_lowercase();
            writeln!(out, "seqtrace: {word}: {}", record.args())
        })
        .init();
}
