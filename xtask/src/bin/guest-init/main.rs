//! The guest's PID 1: from a job in the initramfs to a verdict on the control port and a power-off.
//! It never stays: whatever fails, it says so on the console and powers off.

#![expect(
    clippy::print_stderr,
    reason = "PID 1 has only the console to complain on"
)]

mod mounts;
mod ports;
mod relay;
mod session;

use std::{
    fs,
    io::{Read as _, Write as _},
};

use anyhow::{Context as _, Result};
use guest::{JOB_PATH, Job, Outcome, Verdict, port};
use nix::{
    kmod::{ModuleInitFlags, finit_module},
    sys::reboot::{RebootMode, reboot},
    unistd::{sethostname, sync},
};

fn main() {
    if let Err(error) = run() {
        eprintln!("guest-init: {error:#}");
    }
    sync();
    let Err(errno) = reboot(RebootMode::RB_POWER_OFF);
    // PID 1 now returns, and the kernel panics: the harness sees that.
    eprintln!("guest-init: failed to power off: {errno}");
}

fn run() -> Result<()> {
    mounts::kernel_filesystems()?;
    let text = fs::read(JOB_PATH).with_context(|| format!("failed to read `{JOB_PATH}`"))?;
    let job: Job =
        serde_json::from_slice(&text).with_context(|| format!("failed to parse `{JOB_PATH}`"))?;
    load_modules(&job.modules)?;
    let mut control = ports::open(port::CONTROL)?;
    let verdict = prepare(&job)
        .and_then(|()| session::run(&job))
        .unwrap_or_else(|error| Verdict {
            outcome: Outcome::NotRun(format!("{error:#}")),
            stdout_bytes: 0,
            stderr_bytes: 0,
            notes: Vec::new(),
        });
    let mut line = serde_json::to_vec(&verdict).context("failed to write the verdict")?;
    line.push(b'\n');
    control
        .write_all(&line)
        .context("failed to send the verdict")?;
    // The host answers when it has read everything that is still on its way through the ports.
    let _answer = control
        .read(&mut [0; 1])
        .context("failed to read the host's answer")?;
    Ok(())
}

fn prepare(job: &Job) -> Result<()> {
    sethostname("guest").context("failed to set the host name")?;
    if job.share {
        mounts::share()?;
    }
    Ok(())
}

fn load_modules(modules: &[String]) -> Result<()> {
    for module in modules {
        let file = fs::File::open(module).with_context(|| format!("failed to open `{module}`"))?;
        match finit_module(&file, c"", ModuleInitFlags::empty()) {
            Ok(()) | Err(nix::Error::EEXIST) => {}
            Err(errno) => return Err(errno).with_context(|| format!("failed to load `{module}`")),
        }
    }
    Ok(())
}
