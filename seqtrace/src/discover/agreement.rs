//! A catalog and the debuginfo of the same image → which of their instances are the same.
//!
//! They are if the scan's address lies in the ranges of the inlined function, and both mean the same
//! half of a section.

use std::ops::Range;

use super::{
    catalog::{Half, ImageCatalog, Instance},
    dwarf::{Debuginfo, Inlined, Part},
};

/// The instances of both, put together.
pub(super) struct Agreement<'a> {
    catalog: &'a ImageCatalog,
    debuginfo: &'a Debuginfo,
    /// Image offsets of the scan's instances, each with its index; sorted. A begin has several.
    offsets: Vec<(u64, usize)>,
}

/// What debuginfo says about one instance of the scan.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Verdict {
    /// The innermost inlined function that does the same; index into [`Debuginfo::inlined`].
    pub(super) same: Option<usize>,
    /// The innermost one that may do so: a caller of primitives, or a relative.
    pub(super) around: Option<usize>,
}

impl<'a> Agreement<'a> {
    pub(super) fn new(catalog: &'a ImageCatalog, debuginfo: &'a Debuginfo) -> Self {
        let mut offsets: Vec<(u64, usize)> = catalog
            .instances
            .iter()
            .enumerate()
            .flat_map(|(index, instance)| {
                let reloads: &[u64] = match &instance.half {
                    Half::Begin { odd: _, reloads } => reloads,
                    Half::Check(_) | Half::Write(_) => &[],
                };
                let all = reloads.iter().copied().chain([instance.image_offset]);
                all.map(move |offset| (offset, index))
            })
            .collect();
        offsets.sort_unstable();
        Self {
            catalog,
            debuginfo,
            offsets,
        }
    }

    /// The scan's instances that are the same as `inlined`, by address.
    pub(super) fn same(&self, inlined: &Inlined) -> Vec<&'a Instance> {
        let mut found: Vec<usize> = self
            .inside(inlined)
            .filter(|&index| {
                let instance = &self.catalog.instances[index];
                is_same(&instance.half, inlined.primitive.part())
            })
            .collect();
        found.sort_unstable();
        found.dedup();
        found
            .into_iter()
            .map(|index| &self.catalog.instances[index])
            .collect()
    }

    /// What debuginfo says about each of the scan's instances, in their order.
    pub(super) fn verdicts(&self) -> Vec<Verdict> {
        let mut verdicts = vec![Verdict::default(); self.catalog.instances.len()];
        // Inner ones come after outer ones.
        for (at, inlined) in self.debuginfo.inlined.iter().enumerate() {
            for index in self.inside(inlined) {
                let part = inlined.primitive.part();
                let deeper = |known: Option<usize>| {
                    known.is_none_or(|known| {
                        let known = &self.debuginfo.inlined[known];
                        known.chain.len() <= inlined.chain.len()
                    })
                };
                let verdict = &mut verdicts[index];
                if is_same(&self.catalog.instances[index].half, part) {
                    if deeper(verdict.same) {
                        verdict.same = Some(at);
                    }
                } else if matches!(part, Part::Wrapper | Part::Relative) && deeper(verdict.around) {
                    verdict.around = Some(at);
                }
            }
        }
        verdicts
    }

    /// Indexes of the scan's instances with an address in the ranges of `inlined`.
    fn inside(&self, inlined: &Inlined) -> impl Iterator<Item = usize> {
        let base = self.debuginfo.base;
        inlined
            .ranges
            .iter()
            .flat_map(move |&Range { start, end }| {
                let from = start.saturating_sub(base);
                let to = end.saturating_sub(base);
                let first = self.offsets.partition_point(|&(offset, _)| offset < from);
                self.offsets[first..]
                    .iter()
                    .take_while(move |&&(offset, _)| offset < to)
                    .map(|&(_, index)| index)
            })
    }
}

/// Whether a half of the scan and a primitive mean the same. Which half of a write section it is,
/// and whether of a latch, makes no difference.
fn is_same(half: &Half, part: Part) -> bool {
    match half {
        Half::Begin { .. } => part == Part::Begin,
        Half::Check(_) => part == Part::Check,
        Half::Write(_) => matches!(part, Part::WriteBegin | Part::WriteEnd | Part::WriteOther),
    }
}
