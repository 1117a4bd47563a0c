//! `mount_lock`: as a container runtime does, a mounter binds, moves and unmounts folders and changes
//! the attributes of a tree of mounts, while others walk across the mount points.

use std::{
    env,
    fs::{self, File},
    os::fd::{AsFd as _, AsRawFd as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sched::{CloneFlags, unshare},
};

use crate::thread::{self, HOME, Pace, check};

const ROOT: &str = "/tmp/mount";
/// Mounts in the tree whose attributes change: the lock is held for all of them.
const MOUNTS: usize = 32;
/// Changes and moves for each bind and unmount: an unmount waits for a grace period of RCU, during
/// which nothing contends.
const CHANGES: usize = 64;

/// Starts a mounter, walkers and a watcher in a mount namespace of their own.
pub(crate) fn start() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).context("failed to leave the mount namespace")?;
    // Nothing we mount is to reach the command's namespace.
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
        .context("failed to make all mounts private")?;
    let mounter = Mounter::create()?;
    // A working folder inside the tree: asking for it crosses a mount point.
    let inside = Path::new(ROOT).join("tree/a/b/0/a/b");
    env::set_current_dir(&inside)
        .with_context(|| format!("failed to enter `{}`", inside.display()))?;
    thread::repeat("mounter", HOME, Pace::Background, move || mounter.mount())?;
    thread::read("walker", 300, walk)?;
    let mut watcher = Watcher::open()?;
    thread::repeat(
        "mount-watcher",
        HOME,
        Pace::Interrupting(1_000),
        move || watcher.watch(),
    )
}

/// What the mounter works on.
struct Mounter {
    source: PathBuf,
    /// The tree of mounts.
    tree: File,
    /// A mount that moves between these two.
    here: PathBuf,
    there: PathBuf,
    /// Where something is mounted for a moment.
    spare: PathBuf,
}

impl Mounter {
    fn create() -> Result<Self> {
        let root = Path::new(ROOT);
        let source = root.join("source");
        fs::create_dir_all(source.join("a/b")).context("failed to create the mounts' source")?;
        let tree = root.join("tree");
        bind(&source, &tree)?;
        for number in 0..MOUNTS {
            bind(&source, &tree.join("a/b").join(number.to_string()))?;
        }
        let tree = File::open(&tree).context("failed to open the tree of mounts")?;
        let (here, there) = (root.join("here"), root.join("there"));
        fs::create_dir_all(&there).context("failed to create a mount point")?;
        bind(&source, &here)?;
        Ok(Self {
            source,
            tree,
            here,
            there,
            spare: root.join("spare"),
        })
    }

    fn mount(&self) -> Result<()> {
        let Self {
            source,
            tree,
            here,
            there,
            spare,
        } = self;
        bind(source, spare)?;
        for _ in 0..CHANGES {
            set_attributes(tree, libc::MOUNT_ATTR_NOSUID, 0)?;
            set_attributes(tree, 0, libc::MOUNT_ATTR_NOSUID)?;
            for (from, to) in [(here, there), (there, here)] {
                mount(Some(from), to, None::<&str>, MsFlags::MS_MOVE, None::<&str>)
                    .context("failed to move a mount")?;
            }
        }
        umount2(spare, MntFlags::MNT_DETACH)
            .with_context(|| format!("failed to unmount `{}`", spare.display()))
    }
}

fn bind(source: &Path, target: &Path) -> Result<()> {
    fs::create_dir_all(target)
        .with_context(|| format!("failed to create `{}`", target.display()))?;
    mount(
        Some(source),
        target,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )
    .with_context(|| format!("failed to bind at `{}`", target.display()))
}

/// Sets and clears attributes of a whole tree of mounts, as a container runtime does.
fn set_attributes(tree: &File, set: u64, clear: u64) -> Result<()> {
    let change = libc::mount_attr {
        attr_set: set,
        attr_clr: clear,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: the path is an empty string with its end, and the size is that of `change`.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
            &raw const change,
            size_of_val(&change),
        )
    };
    check(result, "failed to set the attributes of a tree of mounts").map(drop)
}

/// Waits for changes of the namespace, as service managers do: the kernel wakes it up in the
/// middle of the section that changes the mounts.
struct Watcher {
    mountinfo: File,
}

impl Watcher {
    fn open() -> Result<Self> {
        let mountinfo = File::open("/proc/self/mountinfo");
        Ok(Self {
            mountinfo: mountinfo.context("failed to open `/proc/self/mountinfo`")?,
        })
    }

    fn watch(&mut self) -> Result<()> {
        let Self { mountinfo } = self;
        let mut changed = [PollFd::new(mountinfo.as_fd(), PollFlags::POLLPRI)];
        poll(&mut changed, PollTimeout::NONE).context("failed to wait for a change of mounts")?;
        fs::symlink_metadata("../../../1/a/b")
            .map(drop)
            .context("failed to walk across the mounts")
    }
}

/// Every walk samples `mount_lock` where it begins; `..` out of a mount and a path's name do too.
fn walk() -> Result<()> {
    fs::symlink_metadata("../../../1/a/b").context("failed to walk across the mounts")?;
    env::current_dir()
        .map(drop)
        .context("failed to get the working folder")
}
