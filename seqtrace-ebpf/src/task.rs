//! Who runs, and who owns a lock.

use aya_ebpf::helpers::{
    bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_get_current_task, bpf_get_smp_processor_id,
    bpf_probe_read_kernel,
};
use seqtrace_common::{settings::Settings, wait::WaitKey};

/// A task. All zero: none, or it could not be read.
#[derive(Clone, Copy, Default)]
pub(crate) struct Task {
    /// Thread id.
    pub(crate) tid: u32,
    /// Process id.
    pub(crate) tgid: u32,
    /// Command name, zero-terminated.
    pub(crate) comm: [u8; 16],
}

/// The task under the probe. In an interrupt that is the task it came upon.
#[inline]
pub(crate) fn current() -> Task {
    let ids = bpf_get_current_pid_tgid();
    Task {
        tid: ids as u32,
        tgid: (ids >> 32) as u32,
        comm: bpf_get_current_comm().unwrap_or_default(),
    }
}

/// The key under which a wait of the current task is kept.
#[inline]
pub(crate) fn wait_key(slot: u32) -> WaitKey {
    let tid = match bpf_get_current_pid_tgid() as u32 {
        0 => WaitKey::IDLE + cpu(),
        tid => tid,
    };
    WaitKey { tid, slot }
}

/// The CPU this runs on.
#[inline]
pub(crate) fn cpu() -> u32 {
    // SAFETY: the helper takes nothing.
    unsafe { bpf_get_smp_processor_id() }
}

/// Voluntary context switches of the current task; 0 when they cannot be read.
#[inline]
pub(crate) fn switches(settings: &Settings) -> u64 {
    // SAFETY: the helper takes nothing.
    let task = unsafe { bpf_get_current_task() };
    read(task + u64::from(settings.task_nvcsw)).unwrap_or_default()
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

/// The task whose `task_struct` lies at `task`.
#[inline]
pub(crate) fn describe(task: u64, settings: &Settings) -> Task {
    let Settings {
        task_pid,
        task_tgid,
        task_comm,
        ..
    } = *settings;
    Task {
        tid: read(task + u64::from(task_pid)).unwrap_or_default(),
        tgid: read(task + u64::from(task_tgid)).unwrap_or_default(),
        comm: read(task + u64::from(task_comm)).unwrap_or_default(),
    }
}

#[inline]
pub(crate) fn read<T>(address: u64) -> Option<T> {
    // SAFETY: the helper refuses addresses that cannot be read; `T` is plain numbers.
    unsafe { bpf_probe_read_kernel(address as *const T) }.ok()
}
