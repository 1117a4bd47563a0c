//! `cargo xtask fuzz`: runs the fuzz targets for a bounded time each.
//!
//! Without cargo-fuzz, which would want nightly for its sanitizers: libFuzzer needs no more than
//! its coverage counters, and those are an LLVM pass that stable has. Memory errors are not
//! looked for, panics, endless loops and unbounded memory are.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    thread,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{progress, tally::Tally, tool};

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// As cargo-fuzz has them: counters for edges and comparisons, in every crate.
const FLAGS: &str = "target.x86_64-unknown-linux-gnu.rustflags=['-C', 'passes=sancov-module', \
    '-C', 'llvm-args=-sanitizer-coverage-level=4', \
    '-C', 'llvm-args=-sanitizer-coverage-inline-8bit-counters', \
    '-C', 'llvm-args=-sanitizer-coverage-pc-table', \
    '-C', 'llvm-args=-sanitizer-coverage-trace-compares', \
    '-C', 'debug-assertions', '-C', 'codegen-units=1']";

/// Largest input, bytes: larger than any seed.
const LARGEST_INPUT_BYTES: u32 = 256 << 10;
/// Seconds after which an input counts as an endless loop.
const SLOWEST_INPUT_S: u32 = 10;
/// Resident memory beyond which an input counts as unbounded, MiB; libFuzzer's own included.
const MOST_MEMORY_MIB: u32 = 512;
/// The same where a few bytes may unpack to a vmlinux of 1 GiB, while the buffer grows.
const MOST_MEMORY_UNPACKING_MIB: u32 = 2560;
/// How much of a log is shown, from its end, when a target fails.
const LOG_LINES: usize = 60;

/// Targets that run side by side, each on one processor.
const AT_A_TIME: usize = 2;

/// Feeds what reads files with any bytes, for a bounded time
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Seconds for each target
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    seconds: u32,
    /// Only these targets
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

/// Runs the task.
///
/// # Errors
///
/// When the targets do not build, or one has no such name.
pub(crate) fn fuzz(args: &Args) -> Result<ExitCode> {
    let tally = run(args.seconds, &args.targets)?;
    progress::line(tally);
    Ok(ExitCode::from(u8::from(tally.failed > 0)))
}

/// Runs the targets named in `only`, or all of them; what they find is in the tally.
///
/// # Errors
///
/// As [`fuzz`].
pub(crate) fn run(seconds: u32, only: &[String]) -> Result<Tally> {
    let work = tool::workspace().join("target/fuzz");
    tool::run(
        cargo()
            .args([
                "run",
                "--quiet",
                "--locked",
                "--package",
                "fuzz",
                "--bin",
                "seeds",
            ])
            .arg(work.join("seeds")),
    )?;
    let all: Vec<String> = targets(&work)?;
    for name in only {
        ensure!(
            all.contains(name),
            "no fuzz target `{name}`: there are {}",
            all.join(", ")
        );
    }
    let chosen: Vec<String> = all
        .into_iter()
        .filter(|name| only.is_empty() || only.contains(name))
        .collect();
    let programs = build(&work.join("build"), &chosen)?;
    let mut tally = Tally::default();
    for names in chosen.chunks(AT_A_TIME) {
        let fuzz = |name: &String| {
            progress::step("Fuzzing", format_args!("{name}, {seconds} s"));
            let passed = target(&programs.join(name), &work, name, seconds);
            if let Err(error) = &passed {
                progress::failure(error);
            }
            Tally::of(passed.is_ok())
        };
        thread::scope(|scope| {
            let running: Vec<_> = names
                .iter()
                .map(|name| scope.spawn(|| fuzz(name)))
                .collect();
            for one in running {
                tally.add(one.join().expect("no target's thread panics"));
            }
        });
    }
    Ok(tally)
}

/// Builds the programs into a target folder of their own: the flags are those of every crate.
fn build(folder: &Path, names: &[String]) -> Result<PathBuf> {
    tool::ensure_program("c++", "g++")?;
    let mut build = cargo();
    build
        .args(["build", "--locked", "--release", "--target", TARGET])
        .args(["--package", "fuzz", "--features", "libfuzzer"])
        .args(["--config", FLAGS, "--target-dir"])
        .arg(folder)
        // What fails is run again with the input that is left; until then nobody reads it.
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0");
    for name in names {
        build.args(["--bin", name]);
    }
    tool::run(&mut build)?;
    Ok(folder.join(TARGET).join("release"))
}

fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(tool::workspace());
    cargo
}

/// The targets: those that have a folder of seeds.
fn targets(work: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in work
        .join("seeds")
        .read_dir()
        .context("failed to list the seeds")?
    {
        let name = entry.context("failed to list the seeds")?.file_name();
        names.push(name.to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

/// Runs one target on what earlier runs have found worth keeping, and the seeds.
fn target(program: &Path, work: &Path, name: &str, seconds: u32) -> Result<()> {
    let corpus = work.join("corpus").join(name);
    let findings = work.join("findings").join(name);
    for folder in [&corpus, &findings] {
        fs::create_dir_all(folder)
            .with_context(|| format!("failed to create `{}`", folder.display()))?;
    }
    let memory_mib = match name {
        "unpack" => MOST_MEMORY_UNPACKING_MIB,
        _ => MOST_MEMORY_MIB,
    };
    let log = work.join(format!("{name}.log"));
    let output =
        File::create(&log).with_context(|| format!("failed to create `{}`", log.display()))?;
    let status = Command::new(program)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={LARGEST_INPUT_BYTES}"))
        .arg(format!("-timeout={SLOWEST_INPUT_S}"))
        .arg(format!("-rss_limit_mb={memory_mib}"))
        .arg(format!("-artifact_prefix={}/", findings.display()))
        .arg("-print_final_stats=1")
        .arg(corpus)
        .arg(work.join("seeds").join(name))
        // One thread: what an input reaches must not depend on others.
        .env("RAYON_NUM_THREADS", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(output)
        .status()
        .with_context(|| format!("failed to run `{}`", program.display()))?;
    let text = fs::read(&log).with_context(|| format!("failed to read `{}`", log.display()))?;
    let text = String::from_utf8_lossy(&text);
    if status.success() {
        text.lines()
            .filter(|line| line.starts_with("stat::"))
            .for_each(|line| progress::line(format_args!("{name}: {line}")));
        return Ok(());
    }
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..]
        .iter()
        .for_each(progress::line);
    bail!(
        "`{name}` failed: the input is in `{}`, and `{} FILE` repeats it",
        findings.display(),
        program.display()
    )
}
