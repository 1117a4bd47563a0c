//! `pidmap_lock` between two seqcounts: a load as of many small containers while their memory nodes
//! change.
//!
//! A child with a PID namespace of its own gets a fresh tree of ids, whose first node is allocated with
//! `pidmap_lock` held (`alloc_pid`, `kernel/pid.c`). When the allocator has no slab with room left it asks
//! the other nodes for one and reads `task_struct.mems_allowed_seq` for that (`get_any_partial`,
//! `mm/slub.c`). A child's exit frees its ids inside `signal_struct.stats_lock` (`__exit_signal`,
//! `kernel/exit.c`; up to 6.14). The nodes that one more child may use are changed meanwhile, which writes
//! its `task_struct.mems_allowed_seq`. To change those of all would move the memory of each, for minutes in
//! an emulated guest.

use std::{fs, path::Path, ptr, thread::sleep, time::Duration};

use anyhow::{Context as _, Result, ensure};
use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill},
        wait::waitpid,
    },
    unistd::Pid,
};

use crate::thread::{self, HOME, Pace, check};

/// The folder of the control group, below a mount of version 2.
const MOUNT: &str = "/sys/fs/cgroup";
const GROUP: &str = "/sys/fs/cgroup/clone-exit";

/// Children that are there at one time: their trees fill more slabs than the allocator keeps when all
/// have gone.
const CHILDREN: usize = 512;

/// Between two changes of the nodes.
const PAUSE: Duration = Duration::from_millis(20);

/// Starts the parent of the children, and who changes the nodes of one.
pub(crate) fn start() -> Result<()> {
    ensure!(
        Path::new("/sys/devices/system/node/node1").exists(),
        "the nodes of the load's memory cannot be changed: there is one node only"
    );
    // Without a group of its own no task reads the seqcount (`cpusets_enabled`).
    fs::write(format!("{MOUNT}/cgroup.subtree_control"), "+cpuset")
        .context("failed to have groups with memory nodes")?;
    fs::create_dir_all(GROUP).context("failed to make a control group")?;
    set_nodes("0-1")?;
    let child = begin()?;
    fs::write(format!("{GROUP}/cgroup.procs"), child.to_string())
        .context("failed to put a child into the control group")?;
    thread::repeat("clone-exit", HOME, Pace::Background, wave)?;
    let mut both = false;
    thread::repeat("mems-flipper", HOME, Pace::Steady, move || {
        both = !both;
        set_nodes(if both { "0-1" } else { "0" })?;
        sleep(PAUSE);
        Ok(())
    })
}

fn set_nodes(nodes: &str) -> Result<()> {
    fs::write(format!("{GROUP}/cpuset.mems"), nodes).context("failed to change the memory nodes")
}

/// Lets children begin, all of them, and then exit.
fn wave() -> Result<()> {
    let mut children = Vec::with_capacity(CHILDREN);
    for _ in 0..CHILDREN {
        children.push(begin()?);
    }
    for child in &children {
        kill(*child, Signal::SIGKILL).context("failed to end a child")?;
    }
    for child in children {
        waitpid(child, None).context("failed to wait for a child")?;
    }
    Ok(())
}

/// A child in a PID namespace of its own, which waits to be killed.
fn begin() -> Result<Pid> {
    let flags = libc::CLONE_NEWPID | libc::SIGCHLD;
    let none = ptr::null_mut::<libc::c_void>();
    // SAFETY: as fork(2). The child calls nothing but the kernel: other threads may hold locks of the
    // library for ever there.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, none, none, none, 0) };
    if child == 0 {
        // SAFETY: system calls that touch no memory.
        unsafe {
            libc::syscall(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            loop {
                libc::syscall(libc::SYS_pause);
            }
        }
    }
    let child = check(child, "failed to start a child")?;
    let child = i32::try_from(child).map_err(|_| Errno::EOVERFLOW);
    Ok(Pid::from_raw(child.context("failed to number a child")?))
}
