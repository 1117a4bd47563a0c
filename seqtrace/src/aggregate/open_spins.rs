//! Spins that nothing has ended yet → counted as one wait each.
//!
//! The kernel side ends a spin when the same reader pauses at the same site on another odd value.
//! The last one of each reader stays open, so it is added here, to every table it would have been
//! in: a sum that leaves it out in one place would not add up.

use seqtrace_common::counters::{StackKey, StackValue, TaskKey, TaskValue, side};

use crate::collect::batch::Batch;

/// Adds each open spin to the counters, the tasks and, with `stacks`, to the stacks of `batch`.
/// A spin of a slot that has no counters is left out.
pub(super) fn count(batch: &mut Batch, stacks: bool) {
    for (key, spin) in &batch.spins {
        let Some(counters) = batch.counters.get_mut(key.slot as usize) else {
            continue;
        };
        let duration_ns = spin.duration_ns();
        counters.complete(duration_ns);
        batch.tasks.push((
            TaskKey {
                slot: key.slot,
                side: side::READER,
                tgid: spin.tgid,
                command: spin.command,
                cgroup: spin.cgroup,
                comm: spin.comm,
            },
            TaskValue {
                count: 1,
                total_ns: duration_ns,
                tid: key.thread().into(),
            },
        ));
        let (event, edge) = (spin.event(*key), &spin.edge);
        if let Some(reason) = edge.reason() {
            counters.unblamed[reason] += 1;
        } else {
            let wait = event.wait();
            batch.blames.push((edge.key(&wait), edge.value(&wait)));
        }
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
