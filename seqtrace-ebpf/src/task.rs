//! Who runs, and who owns a lock.

use core::{
    mem::transmute,
    ptr::{self, read_volatile},
};

use aya_ebpf::helpers::{
    bpf_get_smp_processor_id, bpf_probe_read_kernel,
    generated::{bpf_get_current_cgroup_id, bpf_get_current_task_btf},
};
use seqtrace_common::{recent::RecentReader, wait::WaitKey};

use crate::{command, maps::setting};

/// A task. All zero: none, or it could not be read.
#[derive(Clone, Copy, Default)]
pub(crate) struct Task {
    /// Thread id.
    pub(crate) tid: u32,
    /// Process id.
    pub(crate) tgid: u32,
    /// Command name, zero-terminated.
    pub(crate) comm: [u8; 16],
    /// Id of the cgroup that it is in; zero where the kernel has none, or nobody asked.
    pub(crate) cgroup: u64,
    /// 1: it is of the command that is run; zero where nobody asked.
    pub(crate) command: u32,
}

/// The task under the probe. In an interrupt that is the task it came upon.
#[inline]
pub(crate) fn current() -> Task {
    let task = running();
    let task_comm = setting!(task_comm);
    let comm = bytes([member(task, task_comm), member(task, task_comm + 8)]);
    Task {
        tid: member(task, setting!(task_pid)),
        tgid: member(task, setting!(task_tgid)),
        comm,
        ..Task::default()
    }
}

/// As [`current`], with where it is and whose: that takes a helper, and a look into a map where a command is run and
/// the reader is another than came last.
#[inline]
pub(crate) fn placed(recent: &mut RecentReader) -> Task {
    let task = current();
    Task {
        cgroup: cgroup(),
        command: command_of(task.tgid, recent),
        ..task
    }
}

/// Whether the task under the probe is the reader that came last: its name, where it is and whose are the same. Only
/// compared, nothing is kept: most readers come in rows.
#[inline]
pub(crate) fn is_again(recent: &RecentReader) -> bool {
    let task = running();
    let task_comm = setting!(task_comm);
    let comm = words(&recent.key.comm);
    recent.key.tgid == member::<u32>(task, setting!(task_tgid))
        && comm[0] == member::<u64>(task, task_comm)
        && comm[1] == member::<u64>(task, task_comm + 8)
        && (setting!(command) == 0 || recent.epoch == command::epoch())
        && (setting!(cgroups) == 0 || recent.key.cgroup == cgroup())
}

/// 1 when the process of a reader is of the command that is run; `recent` is the reader that came last.
#[inline]
pub(crate) fn command_of(tgid: u32, recent: &mut RecentReader) -> u32 {
    if setting!(command) == 0 {
        return 0;
    }
    command::of(tgid, recent)
}

/// The id of the cgroup of the task under the probe; zero where the kernel has no cgroups.
#[inline]
pub(crate) fn cgroup() -> u64 {
    if setting!(cgroups) == 0 {
        return 0;
    }
    // SAFETY: the helper takes nothing.
    unsafe { bpf_get_current_cgroup_id() }
}

/// 1 when a process is of the command that is run.
#[inline]
pub(crate) fn is_command(tgid: u32) -> u32 {
    u32::from(setting!(command) != 0 && command::has(tgid))
}

/// The task under the probe, as the verifier knows its members.
#[inline]
fn running() -> *const u8 {
    // SAFETY: the helper takes nothing.
    unsafe { bpf_get_current_task_btf() }.cast()
}

/// A member of the running task, by its distance from the task's beginning. A load and not a call: a helper takes a
/// hundred instructions for what these few say.
#[inline]
fn member<T: Copy>(task: *const u8, offset: u32) -> T {
    // SAFETY: the running task lives; the verifier, which knows the offset, sees to it that `T` lies within a member.
    unsafe { read_volatile(task.add(offset as usize).cast()) }
}

/// The key under which a wait of the current task is kept.
#[inline]
pub(crate) fn wait_key(slot: u32) -> WaitKey {
    let tid = match thread() {
        0 => WaitKey::IDLE + cpu(),
        tid => tid,
    };
    WaitKey { tid, slot }
}

/// The id of the thread under the probe.
#[inline]
pub(crate) fn thread() -> u32 {
    member(running(), setting!(task_pid))
}

/// The CPU this runs on.
#[inline]
pub(crate) fn cpu() -> u32 {
    // SAFETY: the helper takes nothing.
    unsafe { bpf_get_smp_processor_id() }
}

/// Voluntary context switches of the current task.
#[inline]
pub(crate) fn switches() -> u64 {
    member(running(), setting!(task_nvcsw))
}

/// The task that owns the lock at `lock`, whose owner pointer lies `offset` bytes from it; zero when
/// there is none.
///
/// The low bits of the pointer are flags: `RT_MUTEX_HAS_WAITERS` (`kernel/locking/rtmutex_common.h`),
/// `MUTEX_FLAGS` (`kernel/locking/mutex.h`). A task is aligned to far more than these.
#[inline]
pub(crate) fn owner(lock: u64, offset: i32) -> u64 {
    read::<u64>(lock.wrapping_add_signed(i64::from(offset))).unwrap_or_default() & !7
}

/// A command name that was read eight bytes at a time: of bytes the compiler would copy one after the other.
#[inline]
pub(crate) fn bytes(words: [u64; 2]) -> [u8; 16] {
    // SAFETY: the same bytes.
    unsafe { transmute::<[u64; 2], [u8; 16]>(words) }
}

/// The same name, eight bytes at a time. In all that is kept of tasks it lies at a multiple of eight bytes, which the
/// verifier sees to.
#[inline]
#[expect(
    clippy::cast_ptr_alignment,
    reason = "the verifier refuses a name that lies elsewhere"
)]
pub(crate) fn words(bytes: &[u8; 16]) -> [u64; 2] {
    // SAFETY: the same bytes.
    unsafe { ptr::from_ref(bytes).cast::<[u64; 2]>().read() }
}

/// The task whose `task_struct` lies at `task`.
#[inline]
pub(crate) fn describe(task: u64) -> Task {
    let (task_pid, task_tgid) = (setting!(task_pid), setting!(task_tgid));
    // The two lie side by side (`include/linux/sched.h`): one call.
    let ids = if task_tgid == task_pid + 4 {
        read(task + u64::from(task_pid)).unwrap_or_default()
    } else {
        [task_pid, task_tgid].map(|member| read(task + u64::from(member)).unwrap_or_default())
    };
    let [thread, process]: [u32; 2] = ids;
    Task {
        tid: thread,
        tgid: process,
        comm: bytes(read(task + u64::from(setting!(task_comm))).unwrap_or_default()),
        ..Task::default()
    }
}

#[inline]
pub(crate) fn read<T>(address: u64) -> Option<T> {
    // SAFETY: the helper refuses addresses that cannot be read; `T` is plain numbers.
    unsafe { bpf_probe_read_kernel(address as *const T) }.ok()
}
