//! Whether a read section is a loop: what is needed to tell which failed checks come in a row.
//!
//! Whoever sees the check alone knows that a run of failures is over by the check that passes. So
//! each failure must lead back to a begin of the section, and each begin to this one check, before
//! the function is left: a reader that breaks out of the loop (`d_lookup`) would end its run unseen.

use super::{
    evidence::{Compare, Evidence},
    graph::{BlockIndex, Flow},
    reads::Read,
};

/// Whether all failures of a check that is `compare` lead to one of the loads in `begins`, and
/// these to the check.
pub(super) fn is_loop(
    flow: &Flow<'_>,
    evidence: &Evidence,
    compare: &Compare,
    begins: &[Read],
) -> bool {
    let Some(failed) = compare.unequal() else {
        return false;
    };
    let begins_in = |block: BlockIndex| begins.iter().any(|read| read.block == block);
    let leads_back = always_reach(evidence, vec![failed], begins_in);
    let checks_in = |block: BlockIndex| compare.block == block;
    let behind = begins.iter().flat_map(|read| {
        let is_checked_at_once = read.block == compare.block && read.at < compare.at;
        let successors = evidence.block(read.block).successors.iter();
        let next = successors.map(|edge| edge.block);
        next.filter(move |_| !is_checked_at_once)
    });
    let is_checked = always_reach(evidence, behind.collect(), checks_in);
    let (Some(back), Some(forth)) = (leads_back, is_checked) else {
        return false;
    };
    // A fixup of the exception table leads anywhere, and no edge tells where.
    let mut passed = back.into_iter().chain(forth);
    let may_fault = |block: BlockIndex| {
        let block = evidence.block(block);
        flow.has_exceptions_in(block.start..block.end)
    };
    !begins.is_empty() && !passed.any(may_fault)
}

/// The blocks that are passed on all ways from `starts` to one of those that `ends`, these
/// included; `None` when a way leaves the function before.
fn always_reach(
    evidence: &Evidence,
    starts: Vec<BlockIndex>,
    ends: impl Fn(BlockIndex) -> bool,
) -> Option<Vec<BlockIndex>> {
    let mut passed: Vec<BlockIndex> = Vec::new();
    let mut next = starts;
    while let Some(at) = next.pop() {
        if passed.contains(&at) {
            continue;
        }
        passed.push(at);
        if ends(at) {
            continue;
        }
        let successors = &evidence.block(at).successors;
        if successors.is_empty() {
            return None;
        }
        next.extend(successors.iter().map(|edge| edge.block));
    }
    Some(passed)
}
