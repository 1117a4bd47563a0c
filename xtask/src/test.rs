//! `cargo xtask test`: all rings, and a closing line that leaves nothing out.

use std::{
    env, fmt,
    io::{BufRead as _, BufReader},
    process::{Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::{
    bench, drive, fuzz, kernels, lint,
    live::{self, Job},
    object, picture, progress, score,
    tally::Tally,
    tool,
    vm::{Programs, With},
};

/// Kernels that all live cases run on, first the one that takes longest: two run at a time.
const KERNELS: [&str; 3] = ["6.12-rt", "6.1-rt", "6.12"];

/// Kernels of which some cases are enough each time, after all have passed there once (`docs/kernels.md`).
const NEWEST: [&str; 2] = ["7-rt", "7"];

/// These cases: what hangs on the code of a kernel and the layout of its structures.
const NEWEST_CASES: [&str; 8] = [
    "every_site_is_accounted_for",
    "a_wait_by_force_is_a_wait",
    "a_retry_by_force_is_a_retry",
    "every_retry_by_force_has_its_run",
    "a_hold_by_force_is_a_hold",
    "a_block_names_the_writer",
    "a_wait_names_the_writer_that_is_probed",
    "the_end_leaves_no_probe",
];

/// Seconds that each fuzz target runs.
const FUZZ_S: u32 = 20;

/// Formats, lints, the eBPF object, unit and command-line tests, flamegraphs in a browser, fuzzing, a score, a drive of
/// the live view, what probes cost, and live tests on five kernels
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Only the live tests
    #[arg(long)]
    live: bool,
    /// Only the live tests of this kernel
    #[arg(long, value_name = "NAME")]
    kernel: Vec<String>,
    /// Only the live tests, the forced episodes among them with a million episodes
    #[arg(long)]
    long: bool,
    /// Only the live cases of these names
    #[arg(last = true, value_name = "CASE")]
    cases: Vec<String>,
}

/// Runs the tests; prints the tally as the last line of standard output.
///
/// # Errors
///
/// When something could not be built or started. A test that fails is in the tally and the status.
pub(crate) fn test(args: &Args) -> Result<ExitCode> {
    let mut tally = Tally::default();
    let mut clock = Clock::default();
    if !args.live && !args.long && args.kernel.is_empty() && args.cases.is_empty() {
        tally.add(clock.time("lints", lint::lint)?);
        tally.add(clock.time("object", || anyhow::Ok(object()))?);
        tally.add(clock.time("tests", rings_one_and_two)?);
        tally.add(clock.time("picture", picture::run)?);
        tally.add(clock.time("fuzzing and build", fuzz_and_build)?);
        tally.add(clock.time("score", score::test)?);
        tally.add(clock.time("drive and bench", drive_and_bench)?);
    }
    let outcomes = clock.time("live", || live::run(&jobs(args)))?;
    for outcome in &outcomes {
        tally.add(outcome.tally);
    }
    let whole: Vec<_> = outcomes.iter().filter(|outcome| outcome.is_whole).collect();
    if !whole.is_empty() {
        tally.add(kernels::check(&whole)?);
    }
    progress::line(&clock);
    #[expect(clippy::print_stdout, reason = "the result of the task")]
    {
        println!("{tally}");
    }
    Ok(ExitCode::from(u8::from(tally.failed > 0)))
}

/// How long each part took.
#[derive(Default)]
struct Clock {
    parts: Vec<(&'static str, Duration)>,
}

impl Clock {
    /// Does one part.
    fn time<T>(&mut self, part: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let since = Instant::now();
        let done = work();
        self.parts.push((part, since.elapsed()));
        done
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.parts.iter();
        let parts = parts.map(|(part, took)| format!("{part} {} s", took.as_secs()));
        write!(f, "time: {}", parts.collect::<Vec<_>>().join(", "))
    }
}

/// Fuzzing, and the programs of the guests are built meanwhile: of both the last and largest crate takes one processor
/// for minutes.
fn fuzz_and_build() -> Result<Tally> {
    thread::scope(|scope| {
        let programs = scope.spawn(|| Programs::build(With::Tests));
        let tally = fuzz::run(FUZZ_S, &[])?;
        programs.join().expect("a build does not panic")?;
        Ok(tally)
    })
}

/// A drive of the live view beside the bench: each has a guest, which emulates on one thread. The programs in them
/// are built already.
fn drive_and_bench() -> Result<Tally> {
    thread::scope(|scope| {
        let drive = scope.spawn(|| drive::run(drive::KERNEL, (120, 40)));
        let mut tally = bench::test()?;
        tally.add(drive.join().expect("a drive does not panic")?);
        Ok(tally)
    })
}

/// What is to run on which kernel.
fn jobs(args: &Args) -> Vec<Job> {
    let mut words = args.cases.clone();
    words.extend(args.long.then(|| "--long".to_owned()));
    let job = |words: &[String]| {
        let words = words.to_vec();
        move |kernel: &str| Job {
            kernel: kernel.to_owned(),
            words: words.clone(),
        }
    };
    if !args.kernel.is_empty() {
        let kernels = args.kernel.iter().map(String::as_str);
        return kernels.map(job(&words)).collect();
    }
    let mut jobs: Vec<Job> = KERNELS.into_iter().map(job(&words)).collect();
    if words.is_empty() {
        jobs.extend(
            NEWEST
                .into_iter()
                .map(job(&NEWEST_CASES.map(str::to_owned))),
        );
    }
    jobs
}

/// The committed eBPF object is what the sources build.
fn object() -> Tally {
    let result = object::check();
    if let Err(error) = &result {
        progress::failure(error);
    }
    Tally::of(result.is_ok())
}

/// `cargo test`, its results added up.
fn rings_one_and_two() -> Result<Tally> {
    progress::step("Testing", "without a kernel");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["test", "--workspace", "--locked", "--no-fail-fast"])
        .current_dir(tool::workspace())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("failed to run `cargo test`")?;
    let mut tally = Tally::default();
    for line in BufReader::new(cargo.stdout.take().expect("it is piped")).lines() {
        let line = line.context("failed to read the output of `cargo test`")?;
        tally.add(Tally::of_cargo(&line).unwrap_or_default());
        progress::line(&line);
    }
    let status = cargo.wait().context("failed to wait for `cargo test`")?;
    if !status.success() && tally.failed == 0 {
        // It did not build.
        tally.failed += 1;
    }
    Ok(tally)
}
