//! What runs on this CPU: a task, a softirq or an interrupt.

use aya_ebpf::helpers::bpf_get_current_task;
use seqtrace_common::order::{ContextPlace, context::TASK, context_of};

use crate::{maps::setting, task};

#[unsafe(no_mangle)]
static CONTEXT_PLACE: ContextPlace = ContextPlace {
    per_cpu_offsets: 0,
    preempt_count: 0,
    softirq_disable: 0,
};

/// Whether a task runs, a softirq or an interrupt.
#[inline]
pub(crate) fn context() -> u32 {
    let per_cpu_offsets = setting!(CONTEXT_PLACE, per_cpu_offsets);
    let softirq_disable = setting!(CONTEXT_PLACE, softirq_disable);
    if per_cpu_offsets == 0 {
        return TASK;
    }
    let area: u64 = task::read(per_cpu_offsets + 8 * u64::from(task::cpu())).unwrap_or_default();
    let count: u32 =
        task::read(area.wrapping_add(setting!(CONTEXT_PLACE, preempt_count))).unwrap_or_default();
    let softirq = if softirq_disable == 0 {
        count
    } else {
        // SAFETY: the helper takes nothing.
        let running = unsafe { bpf_get_current_task() };
        task::read(running + softirq_disable).unwrap_or_default()
    };
    context_of(count, softirq)
}
