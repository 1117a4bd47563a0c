//! Stack ids → return addresses, each read from the kernel once.

use std::collections::HashMap;

use aya::maps::{MapData, StackTraceMap};

/// The stacks of one session. The kernel side never replaces a stack, so what was read stays good;
/// what could not be read is not asked for again.
pub(super) struct Stacks {
    map: StackTraceMap<MapData>,
    known: HashMap<i32, Option<Vec<u64>>>,
}

impl Stacks {
    /// No stack is known yet.
    pub(super) fn new(map: StackTraceMap<MapData>) -> Self {
        Self {
            map,
            known: HashMap::new(),
        }
    }

    /// The addresses, innermost first, of those of the given stacks that could be read. Negative
    /// ids are errnos of lost stacks.
    pub(super) fn frames(&mut self, ids: impl Iterator<Item = i32>) -> HashMap<i32, Vec<u64>> {
        let Self { map, known } = self;
        ids.filter_map(|id| {
            let key = u32::try_from(id).ok()?;
            let frames = known.entry(id).or_insert_with(|| {
                let trace = map.get(&key, 0).ok()?;
                Some(trace.frames().iter().map(|frame| frame.ip).collect())
            });
            Some((id, frames.clone()?))
        })
        .collect()
    }
}
