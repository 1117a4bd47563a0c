//! `cargo xtask drive`: the live view in a guest's terminal, driven as a person would, with the screens
//! that were seen.

mod terminal;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use self::terminal::Terminal;
use crate::{progress, tally::Tally, tool};

/// The kernel that `cargo xtask test` drives: its readers block, so that there are owners, and every
/// tab has something to show.
pub(crate) const KERNEL: &str = "6.12-rt";

/// Seconds from power-on after which the guest is ended.
const DEADLINE_S: &str = "900";

/// From power-on to the first numbers: boot, a scan of the whole kernel, and attaching, all emulated.
const FIRST: Duration = Duration::from_mins(10);

/// From a key to what it does; from quitting to the end of the guest.
const NEXT: Duration = Duration::from_mins(1);
const LAST: Duration = Duration::from_mins(4);

/// What the guest runs. Its saved files are left in the shared folder.
const SCRIPT: &str = "cd /share/out && seqtrace top --threshold 10us";

/// Drives the live view in a guest's terminal and prints the screens
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The kernel to boot, a name of `cargo xtask vm`
    #[arg(long, default_value = KERNEL)]
    kernel: String,
    /// Columns of the terminal
    #[arg(long, default_value_t = 120)]
    columns: u16,
    /// Lines of the terminal
    #[arg(long, default_value_t = 40)]
    lines: u16,
}

/// One step: what is typed, what is to be seen then, and what must be gone.
struct Step {
    what: &'static str,
    keys: &'static [&'static str],
    seen: &'static [&'static str],
    gone: &'static [&'static str],
    patience: Duration,
}

const STEPS: &[Step] = &[
    Step {
        what: "the first numbers, and renames that keep readers waiting",
        keys: &[],
        seen: &["PREEMPT_RT", "losses", "LOST/S▼", "rename_lock"],
        gone: &[],
        patience: FIRST,
    },
    Step {
        what: "sorted by the retries",
        keys: &["Right"],
        seen: &["RETRIES/S▼"],
        gone: &["LOST/S▼"],
        patience: NEXT,
    },
    Step {
        what: "filtered",
        keys: &["/", "rename", "Enter"],
        seen: &["/rename ", "rename_lock", "Esc ends the filter"],
        gone: &[],
        patience: NEXT,
    },
    Step {
        what: "the sites of a seqcount",
        keys: &["Enter"],
        seen: &["seqcounts › rename_lock", "KIND", "block"],
        gone: &[],
        patience: NEXT,
    },
    Step {
        what: "the stacks of a site",
        keys: &["Enter"],
        seen: &["rename_lock [", "of all", "Enter zoom"],
        gone: &[],
        patience: NEXT,
    },
    Step {
        what: "back to the sites",
        keys: &["Escape"],
        seen: &["seqcounts › rename_lock", "KIND"],
        gone: &["Enter zoom"],
        patience: NEXT,
    },
    Step {
        what: "back to the seqcounts",
        keys: &["Escape"],
        seen: &["RETRIES/S▼", "Esc ends the filter"],
        gone: &["seqcounts ›"],
        patience: NEXT,
    },
    Step {
        what: "back to all of them",
        keys: &["Escape"],
        seen: &["RETRIES/S▼", "/ filter"],
        gone: &["Esc ends the filter"],
        patience: NEXT,
    },
    Step {
        what: "who kept whom waiting",
        keys: &["4"],
        seen: &["→ WRITER/TID", "→ renamer/"],
        gone: &[],
        patience: NEXT,
    },
    Step {
        what: "saved",
        keys: &["s"],
        seen: &["saved seqtrace-", ".seqtrace and seqtrace-", ".svg"],
        gone: &[],
        patience: NEXT,
    },
    Step {
        what: "the help",
        keys: &["?"],
        seen: &["KEYS", "any other key closes this help"],
        gone: &[],
        patience: NEXT,
    },
    Step {
        what: "the terminal given back, with the totals",
        keys: &["q", "q"],
        seen: &["sites    ", "losses   ", "cost     "],
        gone: &["1 seqcounts", "q quit"],
        patience: LAST,
    },
];

/// Runs the task.
///
/// # Errors
///
/// When the terminal or the guest cannot be started.
pub(crate) fn drive(args: &Args) -> Result<ExitCode> {
    let Args {
        kernel,
        columns,
        lines,
    } = args;
    let tally = run(kernel, (*columns, *lines))?;
    progress::line(tally);
    Ok(ExitCode::from(u8::from(tally.failed > 0)))
}

/// Drives a guest of `kernel` on a terminal of that size through all steps; the screens go to standard
/// output.
///
/// # Errors
///
/// As for [`drive`]. A step that fails is in the tally, and the last one.
pub(crate) fn run(kernel: &str, size: (u16, u16)) -> Result<Tally> {
    progress::step("Driving", format_args!("the live view on {kernel}"));
    let share = share()?;
    let xtask = env::current_exe().context("failed to find the xtask")?;
    let words = [
        &xtask.to_string_lossy(),
        "vm",
        // So is what the live tests run with: nothing is built twice.
        "--tests",
        "--tty",
        "--kernel",
        kernel,
        "--timeout",
        DEADLINE_S,
        "--workload",
        "rename",
        "--share",
        &share.to_string_lossy(),
        "--",
        "sh",
        "-c",
        SCRIPT,
    ]
    .map(str::to_owned);
    let terminal = Terminal::start(&words, size)?;
    let mut tally = Tally::default();
    for step in STEPS {
        let passed = take(&terminal, step);
        tally.add(Tally::of(passed.is_ok()));
        if let Err(error) = passed {
            progress::failure(&error);
            return Ok(tally);
        }
    }
    for check in [terminal.wait_for_status(LAST), saved(&share.join("out"))] {
        if let Err(error) = &check {
            progress::failure(error);
        }
        tally.add(Tally::of(check.is_ok()));
    }
    Ok(tally)
}

/// Types, waits for what is to be seen, and prints it.
#[expect(
    clippy::print_stdout,
    reason = "the screens are the result of the task"
)]
fn take(terminal: &Terminal, step: &Step) -> Result<()> {
    let Step {
        what,
        keys,
        seen,
        gone,
        patience,
    } = step;
    for key in *keys {
        terminal.press(key)?;
    }
    let (screen, found) = terminal.wait_for(seen, gone, *patience)?;
    println!("--- {what}\n{screen}");
    ensure!(
        found,
        "{what}: {seen:?} were not seen in {} s, or {gone:?} stayed",
        patience.as_secs()
    );
    Ok(())
}

/// An empty folder that the guest may write.
fn share() -> Result<PathBuf> {
    let share = tool::workspace().join("target/drive");
    let out = share.join("out");
    if out.exists() {
        fs::remove_dir_all(&out).context("failed to empty the shared folder")?;
    }
    fs::create_dir_all(&out).context("failed to create the shared folder")?;
    Ok(share)
}

/// What was saved can be read.
fn saved(out: &Path) -> Result<()> {
    let mut files = (None, None);
    for entry in fs::read_dir(out).context("failed to list what was saved")? {
        let path = entry.context("failed to list what was saved")?.path();
        let name = path.to_str().context("a name that is no text")?;
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("seqtrace") => files.0 = Some(tool::seqtrace(&["report", "--json", name])?),
            Some("svg") => files.1 = Some(fs::read_to_string(&path)?),
            _ => {}
        }
    }
    let report: serde_json::Value =
        serde_json::from_slice(&files.0.context("no recording was saved")?)?;
    let picture = files.1.context("no flame graph was saved")?;
    let counted = report["rows"].as_array().map_or(0, Vec::len);
    ensure!(counted > 0, "the saved recording has no row");
    ensure!(
        picture.contains("rename_lock"),
        "the saved flame graph has no `rename_lock`"
    );
    Ok(())
}
