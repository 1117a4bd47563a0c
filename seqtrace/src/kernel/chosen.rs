//! Words about tasks, CPUs and cgroups → whether there are such, and how the kernel calls them.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Component, Path},
};

use anyhow::{Context as _, Result, bail, ensure};

use super::cgroups::mount;

/// The id of a cgroup and how many lie above it. `path` is what `/proc/PID/cgroup` shows, or a path in
/// the file system of cgroups.
///
/// # Errors
///
/// When there is no such cgroup, or only a part of them is to be seen.
pub fn cgroup(path: &Path) -> Result<(u64, u32)> {
    let mount = mount()?;
    let below = path.strip_prefix(&mount).unwrap_or(path);
    let mut folder = mount.clone();
    let mut level = 0;
    for component in below.components() {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => {
                folder.push(name);
                level += 1;
            }
            Component::ParentDir | Component::Prefix(_) => {
                bail!(
                    "`{}` is no name of a cgroup: leave out `..`",
                    path.display()
                )
            }
        }
    }
    let metadata = fs::metadata(&folder).ok().filter(fs::Metadata::is_dir);
    let metadata = metadata.with_context(|| {
        format!(
            "there is no cgroup `{}`: `{}` is no directory",
            path.display(),
            folder.display()
        )
    })?;
    Ok((metadata.ino(), level))
}

/// Checks that the tasks exist; a process is named by its first thread. Zero is the idle tasks.
///
/// # Errors
///
/// When one does not: nothing of it could ever be counted.
pub fn require_tasks(pids: &BTreeSet<u32>, tids: &BTreeSet<u32>) -> Result<()> {
    for pid in pids.iter().filter(|pid| **pid != 0) {
        let Some(process) = process_of(*pid) else {
            bail!("there is no process {pid}");
        };
        ensure!(
            process == *pid,
            "{pid} is a thread of the process {process}: name it with --tid, or the process with --pid"
        );
    }
    if let Some(tid) = tids
        .iter()
        .find(|tid| **tid != 0 && process_of(**tid).is_none())
    {
        bail!("there is no thread {tid}");
    }
    Ok(())
}

fn process_of(tid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    line.trim().parse().ok()
}

/// Checks that the CPUs exist, on line or not.
///
/// # Errors
///
/// When one does not.
pub fn require_cpus(cpus: &BTreeSet<u32>) -> Result<()> {
    let Some(last) = cpus.last() else {
        return Ok(());
    };
    let file = "/sys/devices/system/cpu/possible";
    let possible = fs::read_to_string(file).with_context(|| format!("failed to read `{file}`"))?;
    let possible = possible.trim();
    let highest = possible
        .rsplit([',', '-'])
        .next()
        .and_then(|cpu| cpu.parse::<u32>().ok());
    ensure!(
        highest.is_none_or(|highest| *last <= highest),
        "there is no CPU {last}: this machine has {possible}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_not_taken_for_a_process() {
        let own = std::process::id();
        require_tasks(&[own, 0].into(), &[own].into()).expect("this process exists");
        let thread = std::thread::spawn(move || {
            let tid = nix::unistd::gettid().as_raw().cast_unsigned();
            let error = require_tasks(&[tid].into(), &BTreeSet::new()).expect_err("a thread");
            assert!(
                error.to_string().contains(&format!("process {own}")),
                "{error}"
            );
        });
        thread.join().expect("it holds");
        let gone = BTreeSet::from([u32::MAX]);
        assert!(require_tasks(&gone, &BTreeSet::new()).is_err());
        assert!(require_tasks(&BTreeSet::new(), &gone).is_err());
    }
}
