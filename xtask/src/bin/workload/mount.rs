//! `mount_lock`: as a container runtime does, a mounter binds and unmounts folders and changes the
//! propagation of a tree of mounts, while others walk across the mount points.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
};

use crate::thread::{self, Pace};

const ROOT: &str = "/tmp/mount";
/// Mounts in the tree whose propagation changes: the lock is held for all of them.
const MOUNTS: usize = 24;
/// Changes of propagation for each bind and unmount: an unmount waits for a grace period of RCU,
/// during which nothing contends.
const CHANGES: usize = 32;

/// Starts the mounter, and a walker on each processor, in a mount namespace of their own.
pub(crate) fn start() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).context("failed to leave the mount namespace")?;
    // Nothing we mount is to reach the command's namespace.
    change_propagation(Path::new("/"), MsFlags::MS_PRIVATE)?;
    let root = Path::new(ROOT);
    let source = root.join("source");
    fs::create_dir_all(source.join("a/b")).context("failed to create the mounts' source")?;
    let tree = bind(&source, &root.join("tree"))?;
    for number in 0..MOUNTS {
        let below = tree.join("a/b").join(number.to_string());
        bind(&source, &below)?;
    }
    // A working folder inside the tree: asking for it crosses a mount point.
    let inside = tree.join("a/b/0/a/b");
    env::set_current_dir(&inside)
        .with_context(|| format!("failed to enter `{}`", inside.display()))?;
    // One mounter: two would mostly wait for each other, on the namespace's semaphore.
    let spare = root.join("spare");
    thread::repeat("mounter", 0, Pace::Background, move || {
        remount(&source, &spare, &tree)
    })?;
    for processor in thread::processors()? {
        thread::repeat("walker", processor, Pace::Interrupting(150), walk)?;
    }
    thread::repeat("mountinfo", 0, Pace::Interrupting(20_000), read_mountinfo)
}

fn bind(source: &Path, target: &Path) -> Result<PathBuf> {
    fs::create_dir_all(target)
        .with_context(|| format!("failed to create `{}`", target.display()))?;
    mount(
        Some(source),
        target,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )
    .with_context(|| format!("failed to bind at `{}`", target.display()))?;
    Ok(target.to_owned())
}

fn change_propagation(tree: &Path, to: MsFlags) -> Result<()> {
    mount(
        None::<&str>,
        tree,
        None::<&str>,
        MsFlags::MS_REC | to,
        None::<&str>,
    )
    .with_context(|| format!("failed to change the propagation of `{}`", tree.display()))
}

fn remount(source: &Path, spare: &Path, tree: &Path) -> Result<()> {
    bind(source, spare)?;
    for _ in 0..CHANGES {
        change_propagation(tree, MsFlags::MS_SLAVE)?;
        change_propagation(tree, MsFlags::MS_PRIVATE)?;
    }
    umount2(spare, MntFlags::MNT_DETACH)
        .with_context(|| format!("failed to unmount `{}`", spare.display()))
}

/// Every walk samples `mount_lock` where it begins; `..` out of a mount and a path's name do too.
fn walk() -> Result<()> {
    fs::symlink_metadata("../../../1/a/b").context("failed to walk across the mounts")?;
    env::current_dir().context("failed to get the working folder")?;
    fs::read_link("/proc/self/cwd")
        .map(drop)
        .context("failed to read `/proc/self/cwd`")
}

fn read_mountinfo() -> Result<()> {
    fs::read("/proc/self/mountinfo")
        .map(drop)
        .context("failed to read `/proc/self/mountinfo`")
}
