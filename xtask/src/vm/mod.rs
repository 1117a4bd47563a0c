//! `cargo xtask vm`: from the name of a kernel and a command to the command's output and exit
//! status. Standard output carries the command's bytes and nothing else.

mod accelerator;
mod boot;
mod cache;
mod console;
mod cpio;
mod ending;
mod events;
mod flavour;
mod initramfs;
mod kernel;
mod list;
mod module_tree;
mod programs;
mod qemu;
mod terminal;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use guest::{Job, WORKLOADS};
use tempfile::NamedTempFile;

pub(crate) use self::{
    cache::Cache,
    ending::HARNESS_FAILED,
    flavour::Flavour,
    kernel::Kernel,
    programs::{Programs, With},
};
use self::{
    module_tree::ModuleTree,
    qemu::{Accelerator, Machine, Threads},
    terminal::RawTerminal,
};
use crate::{progress, seqstress};

/// Boots a kernel with seqtrace and a busybox userland, runs a command as root and returns its
/// output and exit status.
///
/// Exit status: that of the command (128 + n when signal n ended it); 123 when the guest died, 124
/// when the deadline passed, 125 when the harness failed.
#[derive(clap::Args, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
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
    /// NUMA nodes; `clone-exit` needs two
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=8))]
    nodes: u32,
    /// Runs beside the command until it ends
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = WORKLOADS)]
    workload: Vec<String>,
    /// A folder that the guest sees, read-only, at /share; its `out` folder is writable
    #[arg(long, value_name = "DIR")]
    share: Option<PathBuf>,
    /// A kernel module to load before the command
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    load: Vec<String>,
    /// Builds our module `seqstress` for the kernel and loads it before the command
    #[arg(long, requires = "kernel")]
    seqstress: bool,
    /// Seconds from power-on after which the guest is ended
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    timeout: u64,
    /// Gives the command a terminal; Ctrl-] ends the guest
    #[arg(long)]
    tty: bool,
    /// How the guest's code runs: by kvm if that is found to work, else emulated
    #[arg(long, value_name = "HOW")]
    accel: Option<Accelerator>,
    /// Threads that emulate the processors
    #[arg(long, value_name = "HOW", default_value = "single")]
    thread: Threads,
    /// Makes the guest's clock the number of its instructions: what is timed in it is the same each time
    #[arg(long, conflicts_with_all = ["accel", "thread"])]
    count_instructions: bool,
    /// Builds the live tests along
    #[arg(long, hide = true)]
    tests: bool,
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
        list::print(&cache);
        return Ok(ExitCode::SUCCESS);
    }
    let kernel = kernel(&cache, &args)?;
    let programs = Programs::build(if args.tests {
        With::Tests
    } else {
        With::Nothing
    })?;
    let tree = ModuleTree::open(&kernel.modules)?;
    let built = match args.kernel {
        Some(flavour) if args.seqstress => Some(seqstress::module(&cache, flavour, &kernel)?),
        _ => None,
    };
    let share = args.share.as_deref().map(open_share).transpose()?;
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
    let initramfs = write_initramfs(job, &args.load, built.as_deref(), &tree, &programs)?;
    let mut machine = Machine {
        image: kernel.image,
        initramfs: initramfs.path().to_owned(),
        quiet: !args.verbose,
        append: args.append,
        processors: args.smp,
        memory_mib: args.memory,
        nodes: args.nodes,
        accelerator: Accelerator::Tcg,
        threads: args.thread,
        counts_instructions: args.count_instructions,
        share,
    };
    machine.accelerator = match args.accel {
        Some(accelerator) => accelerator,
        // Only an emulator counts.
        None if args.count_instructions => Accelerator::Tcg,
        None => accelerator::choose(&cache, &machine, || {
            let job = Job {
                command: vec!["true".to_owned()],
                ..Job::default()
            };
            write_initramfs(job, &[], None, &tree, &programs)
        })?,
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
    if ending.is_unexpected() {
        for line in &tail {
            progress::line(format_args!("guest| {line}"));
        }
    }
    ending.messages().iter().for_each(progress::line);
    Ok(ExitCode::from(ending.status()))
}

fn kernel(cache: &Cache, args: &Args) -> Result<Kernel> {
    match (args.kernel, &args.kernel_image, &args.modules) {
        (Some(flavour), _, _) => Kernel::named(cache, flavour, args.update),
        (None, Some(image), Some(modules)) => Kernel::from_files(image.clone(), modules.clone()),
        (None, _, _) => bail!("`--kernel`, or `--kernel-image` with `--modules`, is needed"),
    }
}

/// The folder to share, with the part of it that the guest may write.
fn open_share(share: &Path) -> Result<PathBuf> {
    fs::create_dir_all(share.join("out"))
        .and_then(|()| fs::canonicalize(share))
        .with_context(|| format!("failed to share `{}`", share.display()))
}

fn write_initramfs(
    job: Job,
    extra_modules: &[String],
    built: Option<&Path>,
    tree: &ModuleTree,
    programs: &Programs,
) -> Result<NamedTempFile> {
    let archive = initramfs::assemble(job, extra_modules, built, tree, programs)?;
    let file = NamedTempFile::new().context("failed to create the initramfs")?;
    fs::write(file.path(), archive).context("failed to write the initramfs")?;
    Ok(file)
}
