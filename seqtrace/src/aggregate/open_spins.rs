//! Spins that nothing has ended yet → counted as one wait each.
//!
//! The kernel side ends a spin when the same reader pauses at the same site on another odd value.
//! The last one of each reader stays open, so it is added here, to every table it would have been
//! in: a sum that leaves it out in one place would not add up.

use seqtrace_common::{
    counters::{StackKey, StackValue, TaskKey, TaskValue, side},
    wait::{SpinState, WaitKey},
};

use crate::{aggregate::histogram, collect::batch::Batch};

/// Thread id in a key of the maps of waits; 0 for the idle tasks.
pub(super) fn tid(key: WaitKey) -> u32 {
    if key.tid >= WaitKey::IDLE { 0 } else { key.tid }
}

/// How long an open spin has lasted, as far as its `pause`s tell.
pub(super) fn duration_ns(spin: &SpinState) -> u64 {
    spin.last_ns.saturating_sub(spin.first_ns)
}

/// Adds each open spin to the counters, the tasks and, with `stacks`, to the stacks of `batch`.
/// A spin of a slot that has no counters is left out.
pub(super) fn count(batch: &mut Batch, stacks: bool) {
    for (key, spin) in &batch.spins {
        let Some(counters) = batch.counters.get_mut(key.slot as usize) else {
            continue;
        };
        let duration_ns = duration_ns(spin);
        counters.count += 1;
        counters.total_ns = counters.total_ns.saturating_add(duration_ns);
        counters.max_ns = counters.max_ns.max(duration_ns);
        counters.histogram[histogram::bucket(duration_ns)] += 1;
        batch.tasks.push((
            TaskKey {
                slot: key.slot,
                side: side::READER,
                tgid: spin.tgid,
                reserved: 0,
                comm: spin.comm,
            },
            TaskValue {
                count: 1,
                total_ns: duration_ns,
                tid: u64::from(tid(*key)),
            },
        ));
        if stacks {
            batch.stacks.push((
                StackKey {
                    slot: key.slot,
                    stack: spin.stack,
                    comm: spin.comm,
                },
                StackValue {
                    count: 1,
                    total_ns: duration_ns,
                },
            ));
        }
    }
}
