//! Which events are counted: those of the chosen tasks, on the chosen CPUs. What is not chosen is turned
//! off when the object is loaded: the verifier knows the value of `FILTER` and drops the code.

use aya_ebpf::{
    helpers::{
        bpf_get_current_comm, bpf_get_current_pid_tgid,
        generated::bpf_get_current_ancestor_cgroup_id,
    },
    macros::map,
    maps::{Array, HashMap},
};
use seqtrace_common::filter::{ChosenKey, CommTable, Filter, on};

use crate::{
    maps::{counters, setting},
    task,
};

#[unsafe(no_mangle)]
pub(crate) static FILTER: Filter = Filter {
    min_ns: 0,
    cgroup: 0,
    cgroup_level: 0,
    on: 0,
};

/// Processes, threads and CPUs that are chosen; where one kind is on, all others are left out.
#[map]
static CHOSEN: HashMap<ChosenKey, u32> = HashMap::with_max_entries(1, 0);

/// Command names that are chosen.
#[map]
static COMMS: Array<CommTable> = Array::with_max_entries(1, 0);

/// Whether what the current task does here is counted; counts it as filtered at `slot` if not.
#[inline]
pub(crate) fn admits(slot: u32) -> bool {
    chosen() == 0 || is_admitted(slot)
}

#[inline(never)]
fn is_admitted(slot: u32) -> bool {
    if admits_task() && admits_cpu() {
        return true;
    }
    if let Some(counters) = counters(slot) {
        counters.filtered += 1;
    }
    false
}

/// Whether something that has ended, and of which no begin is known, must have begun where it is
/// counted. A task may have come from another CPU.
#[inline]
pub(crate) fn must_have_begun() -> bool {
    chosen() == 0 || (chosen() & on::CPUS == 0 && admits_task())
}

/// Whether something that lasted so long is counted; counts it as short at `slot` if not.
#[inline]
pub(crate) fn is_long(slot: u32, duration_ns: u64) -> bool {
    if duration_ns >= setting!(FILTER, min_ns) {
        return true;
    }
    if let Some(counters) = counters(slot) {
        counters.short += 1;
    }
    false
}

/// What is asked of who is counted: the kinds of [`on`].
#[inline]
fn chosen() -> u32 {
    setting!(FILTER, on)
}

#[inline]
fn admits_cpu() -> bool {
    chosen() & on::CPUS == 0 || is_chosen(on::CPUS, task::cpu())
}

#[inline]
fn admits_task() -> bool {
    let ids = bpf_get_current_pid_tgid();
    (chosen() & on::PIDS == 0 || is_chosen(on::PIDS, (ids >> 32) as u32))
        && (chosen() & on::TIDS == 0 || is_chosen(on::TIDS, ids as u32))
        && (chosen() & on::CGROUP == 0 || is_in_cgroup())
        && (chosen() & on::COMMS == 0 || has_chosen_name())
}

#[inline]
fn is_chosen(what: u32, number: u32) -> bool {
    // SAFETY: user space does not change the map while probes are attached.
    unsafe { CHOSEN.get(ChosenKey { what, number }) }.is_some()
}

#[inline]
fn is_in_cgroup() -> bool {
    let level = setting!(FILTER, cgroup_level) as i32;
    // SAFETY: the helper takes any level; above the task's own it returns zero, which is no id.
    let ancestor = unsafe { bpf_get_current_ancestor_cgroup_id(level) };
    ancestor == setting!(FILTER, cgroup)
}

/// A function of its own: its loop is verified once.
#[inline(never)]
fn has_chosen_name() -> bool {
    let Ok(comm) = bpf_get_current_comm() else {
        return false;
    };
    COMMS.get(0).is_some_and(|table| table.takes(&comm))
}
