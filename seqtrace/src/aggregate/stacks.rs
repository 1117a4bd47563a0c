//! Counts by stack id → stacks by the names of their functions.

use std::{cmp::Reverse, collections::BTreeMap};

use crate::{
    aggregate::{
        comm,
        frames::FrameNames,
        snapshot::{Row, StackRow},
    },
    collect::batch::Batch,
};

/// One row for each site, command and stack. Stacks that differ only in addresses inside the same
/// functions become one. A stack that was lost has no frames. Most time lost first, then most
/// events, then in the order of the sites and of the names.
pub(super) fn stacks(rows: &[Row], batch: &Batch, names: &FrameNames) -> Vec<StackRow> {
    let row_of_slot: BTreeMap<u32, usize> = rows
        .iter()
        .enumerate()
        .map(|(index, row)| (row.slot, index))
        .collect();
    let frames_of_stack: BTreeMap<i32, Vec<String>> = batch
        .frames
        .iter()
        .map(|(stack, addresses)| (*stack, names.frames(addresses)))
        .collect();
    let lost = Vec::new();

    let mut sums: BTreeMap<(usize, String, &Vec<String>), (u64, u64)> = BTreeMap::new();
    for (key, value) in &batch.stacks {
        let Some(&row) = row_of_slot.get(&key.slot) else {
            continue;
        };
        let frames = frames_of_stack.get(&key.stack).unwrap_or(&lost);
        let (count, total_ns) = sums
            .entry((row, comm::text(&key.comm), frames))
            .or_default();
        *count += value.count;
        *total_ns = total_ns.saturating_add(value.total_ns);
    }
    let mut stacks: Vec<StackRow> = sums
        .into_iter()
        .map(|((row, comm, frames), (count, total_ns))| StackRow {
            row,
            comm,
            frames: frames.clone(),
            count,
            total_ns,
        })
        .collect();
    // Stable: what is equal stays in the order of the keys.
    stacks.sort_by_key(|stack| Reverse((stack.total_ns, stack.count)));
    stacks
}
