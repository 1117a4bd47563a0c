//! The guest's file systems: the kernel's own, and the folder shared by the host.

use std::fs;

use anyhow::{Context as _, Result};
use guest::{OUT_TAG, SHARE_TAG};
use nix::mount::{MsFlags, mount};

/// Type and mount point of the file systems that any kernel we boot must have.
const REQUIRED: [(&str, &str); 4] = [
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("tmpfs", "/tmp"),
];

/// Those that a kernel may have been built without: the tool under test must cope, so do we.
const OPTIONAL: [(&str, &str); 6] = [
    ("devpts", "/dev/pts"),
    ("tmpfs", "/dev/shm"),
    ("tracefs", "/sys/kernel/tracing"),
    ("debugfs", "/sys/kernel/debug"),
    ("bpf", "/sys/fs/bpf"),
    ("cgroup2", "/sys/fs/cgroup"),
];

/// Mounts what a system has before its first process needs it.
pub(crate) fn kernel_filesystems() -> Result<()> {
    for (kind, target) in REQUIRED {
        mount_at(kind, kind, target, MsFlags::empty(), None)?;
    }
    for (kind, target) in OPTIONAL {
        // The mount points below /sys exist only where the kernel has the file system.
        if fs::create_dir_all(target).is_ok() {
            let _missing = mount_at(kind, kind, target, MsFlags::empty(), None);
        }
    }
    Ok(())
}

/// Mounts the shared folder at `/share`, read-only but for `/share/out`.
pub(crate) fn share() -> Result<()> {
    let options = "trans=virtio,version=9p2000.L,msize=131072";
    // The host does not change what it shares while the guest runs, so reads may be cached.
    let cached = format!("{options},cache=loose");
    mount_at("9p", SHARE_TAG, "/share", MsFlags::MS_RDONLY, Some(&cached))?;
    mount_at("9p", OUT_TAG, "/share/out", MsFlags::empty(), Some(options))
}

fn mount_at(
    kind: &str,
    source: &str,
    target: &str,
    flags: MsFlags,
    options: Option<&str>,
) -> Result<()> {
    let _exists = fs::create_dir_all(target);
    mount(Some(source), target, Some(kind), flags, options)
        .with_context(|| format!("failed to mount `{kind}` at `{target}`"))
}
