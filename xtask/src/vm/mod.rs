//! `cargo xtask vm`: from the name of a kernel and a command to the command's output and exit
//! status. Standard output carries the command's bytes and nothing else.

mod boot;
mod cache;
mod console;
mod control;
mod cpio;
mod events;
mod flavour;
mod initramfs;
mod kernel;
mod module_tree;
mod programs;
mod qemu;
mod repository;
mod terminal;

use std::{fs, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum as _;
use guest::{Job, Outcome, Verdict};

use self::{
    boot::Ending,
    cache::Cache,
    flavour::Flavour,
    kernel::Kernel,
    module_tree::ModuleTree,
    programs::Programs,
    qemu::{Accelerator, Machine, Threads},
    terminal::RawTerminal,
};
use crate::progress;

/// Exit status when the guest panicked, locked up or ended without a verdict.
const GUEST_DIED: u8 = 123;
/// Exit status when the deadline passed, as `timeout` has it.
const DEADLINE_PASSED: u8 = 124;
/// Exit status when the harness could not do its work.
pub(crate) const HARNESS_FAILED: u8 = 125;

/// Boots a kernel with seqtrace and a busybox userland, runs a command as root and returns its
/// output and exit status.
///
/// Exit status: that of the command (128 + n when signal n ended it); 123 when the guest died, 124
/// when the deadline passed, 125 when the harness failed.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A Debian kernel, fetched through apt and cached
    #[arg(long, required_unless_present_any = ["kernel_image", "list"])]
    kernel: Option<Flavour>,
    /// Any other kernel: its bzImage
    #[arg(
        long,
        value_name = "FILE",
        requires = "modules",
        conflicts_with = "kernel"
    )]
    kernel_image: Option<PathBuf>,
    /// The other kernel's /lib/modules/RELEASE
    #[arg(long, value_name = "DIR", requires = "kernel_image")]
    modules: Option<PathBuf>,
    /// Fetches the newest package of the kernel's name, even if one is cached
    #[arg(long, requires = "kernel")]
    update: bool,
    /// Lists the names of kernels and what is cached
    #[arg(long)]
    list: bool,
    /// Processors
    #[arg(long, value_name = "N", default_value_t = 2)]
    smp: u32,
    /// Memory in MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    memory: u32,
    /// Runs beside the command until it ends
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    workload: Vec<String>,
    /// A folder that the guest sees, read-only, at /share; its `out` folder is writable
    #[arg(long, value_name = "DIR")]
    share: Option<PathBuf>,
    /// A kernel module to load before the command
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    load: Vec<String>,
    /// Seconds from power-on after which the guest is ended
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    timeout: u64,
    /// Gives the command a terminal; Ctrl-] ends the guest
    #[arg(long)]
    tty: bool,
    /// How the guest's code runs
    #[arg(long, value_name = "HOW", default_value = "tcg")]
    accel: Accelerator,
    /// Threads that emulate the processors
    #[arg(long, value_name = "HOW", default_value = "single")]
    thread: Threads,
    /// Added to the kernel's command line
    #[arg(
        long,
        value_name = "WORDS",
        default_value = "",
        allow_hyphen_values = true
    )]
    append: String,
    /// Shows the kernel's log as it comes
    #[arg(long)]
    verbose: bool,
    /// The command and its arguments
    #[arg(last = true, required_unless_present = "list")]
    command: Vec<String>,
}

/// Runs the task.
///
/// # Errors
/// When the guest could not be prepared or started; how a guest ended is an exit status.
pub(crate) fn run(args: Args) -> Result<ExitCode> {
    let cache = Cache::open()?;
    if args.list {
        list(&cache);
        return Ok(ExitCode::SUCCESS);
    }
    let kernel = match (args.kernel, args.kernel_image, args.modules) {
        (Some(flavour), _, _) => Kernel::named(&cache, flavour, args.update)?,
        (None, Some(image), Some(modules)) => Kernel::from_files(image, modules)?,
        (None, _, _) => bail!("`--kernel`, or `--kernel-image` with `--modules`, is needed"),
    };
    let programs = Programs::build()?;
    let share = args.share.map(|share| {
        fs::create_dir_all(share.join("out"))
            .and_then(|()| fs::canonicalize(&share))
            .with_context(|| format!("failed to share `{}`", share.display()))
    });
    let share = share.transpose()?;
    let job = Job {
        command: args.command,
        modules: Vec::new(),
        workloads: args.workload,
        share: share.is_some(),
        terminal: if args.tty {
            Some(terminal::size()?)
        } else {
            None
        },
    };
    let tree = ModuleTree::open(&kernel.modules)?;
    let archive = initramfs::assemble(job, &args.load, &tree, &programs)?;
    let initramfs = tempfile::NamedTempFile::new().context("failed to create the initramfs")?;
    fs::write(initramfs.path(), archive).context("failed to write the initramfs")?;
    let machine = Machine {
        image: kernel.image,
        initramfs: initramfs.path().to_owned(),
        append: args.append,
        processors: args.smp,
        memory_mib: args.memory,
        accelerator: args.accel,
        threads: args.thread,
        share,
    };
    let options = boot::Options {
        deadline: Duration::from_secs(args.timeout),
        terminal: args.tty,
        verbose: args.verbose,
    };
    progress::step("Booting", &kernel.label);
    let raw = args.tty.then(RawTerminal::enter).transpose()?;
    let (ending, tail) = boot::boot(&machine, options)?;
    drop(raw);
    Ok(report(&ending, &tail, args.timeout))
}

fn list(cache: &Cache) {
    for flavour in Flavour::value_variants() {
        let name = flavour.name();
        progress::line(match (cache.resolved(name), cache.age(name)) {
            (Some(folder), Some(age)) => {
                format!(
                    "{name:<8} {} ({} days ago)",
                    folder.display(),
                    age.as_secs() / 86_400
                )
            }
            _ => format!("{name:<8} not cached"),
        });
    }
}

/// Says what went wrong, and turns the ending into our exit status.
fn report(ending: &Ending, tail: &[String], timeout: u64) -> ExitCode {
    let show_tail = || {
        tail.iter()
            .for_each(|line| progress::line(format_args!("guest| {line}")))
    };
    ExitCode::from(match ending {
        Ending::Verdict(Verdict {
            outcome,
            notes,
            stdout_bytes: _,
            stderr_bytes: _,
        }) => {
            for note in notes {
                progress::line(format_args!("note: {note}"));
            }
            match outcome {
                Outcome::Exited(status) => *status,
                Outcome::Signaled(signal) => 128 + signal,
                Outcome::NotRun(reason) => {
                    progress::line(format_args!("error: in the guest: {reason}"));
                    HARNESS_FAILED
                }
            }
        }
        Ending::Deadline => {
            show_tail();
            progress::line(format_args!("error: the guest was ended after {timeout} s"));
            DEADLINE_PASSED
        }
        Ending::Died(how) => {
            show_tail();
            progress::line(format_args!("error: the guest died: {how}"));
            GUEST_DIED
        }
        Ending::Interrupted(signal) => 128 + *signal as u8,
    })
}
