//! Chooses between kvm and emulation. `/dev/kvm` may exist and not work (nested, or a processor that
//! QEMU's model does not fit), so that only a guest that came up is proof.

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result};
use guest::Outcome;
use tempfile::NamedTempFile;

use super::{
    boot,
    cache::Cache,
    ending::Ending,
    qemu::{self, Accelerator, Machine},
};
use crate::{progress, tool};

/// A guest that comes up under kvm does so in a few seconds.
const DEADLINE: Duration = Duration::from_secs(30);

/// kvm if it works here, else emulation. The answer is kept for this QEMU and host kernel.
///
/// `machine` is tried with the initramfs that `trial` makes, whose job should be over at once.
///
/// # Errors
/// When QEMU cannot be run or the answer cannot be kept.
pub(crate) fn choose(
    cache: &Cache,
    machine: &Machine,
    trial: impl FnOnce() -> Result<NamedTempFile>,
) -> Result<Accelerator> {
    if fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_err()
    {
        return Ok(Accelerator::Tcg);
    }
    let _lock = cache.lock()?;
    let file = cache.path("kvm");
    let host = host()?;
    if let Some(works) = recall(&fs::read_to_string(&file).unwrap_or_default(), &host) {
        return Ok(accelerator(works));
    }
    progress::step("Probing", "kvm, once for this QEMU and kernel");
    let works = try_kvm(machine, trial()?.path())?;
    progress::step(
        "Found",
        if works {
            "that kvm works"
        } else {
            "that kvm does not work: emulating"
        },
    );
    remember(&file, &host, works)?;
    Ok(accelerator(works))
}

fn accelerator(kvm_works: bool) -> Accelerator {
    if kvm_works {
        Accelerator::Kvm
    } else {
        Accelerator::Tcg
    }
}

fn try_kvm(machine: &Machine, initramfs: &Path) -> Result<bool> {
    let machine = Machine {
        initramfs: initramfs.to_owned(),
        accelerator: Accelerator::Kvm,
        share: None,
        ..machine.clone()
    };
    let options = boot::Options {
        deadline: DEADLINE,
        terminal: false,
        verbose: false,
    };
    let (ending, _tail) = boot::boot(&machine, options)?;
    Ok(matches!(ending, Ending::Verdict(verdict) if verdict.outcome == Outcome::Exited(0)))
}

/// What the answer depends on, in one line.
fn host() -> Result<String> {
    let version = tool::text(Command::new(qemu::program()?).arg("--version"))?;
    let release = fs::read_to_string("/proc/sys/kernel/osrelease");
    let release = release.context("failed to read the host kernel's release")?;
    Ok(format!(
        "{}, Linux {}",
        version.lines().next().unwrap_or_default(),
        release.trim()
    ))
}

fn recall(text: &str, host: &str) -> Option<bool> {
    let (kept, answer) = text.split_once('\n')?;
    (kept == host).then_some(answer.trim() == "works")
}

fn remember(file: &Path, host: &str, works: bool) -> Result<()> {
    let answer = if works { "works" } else { "fails" };
    fs::write(file, format!("{host}\n{answer}\n"))
        .with_context(|| format!("failed to write `{}`", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_for_the_same_host_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kvm");
        remember(&file, "QEMU 7.2, Linux 6.1", false).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(recall(&text, "QEMU 7.2, Linux 6.1"), Some(false));
        assert_eq!(recall(&text, "QEMU 9.0, Linux 6.1"), None);
        assert_eq!(recall("", "QEMU 7.2, Linux 6.1"), None);
    }
}
