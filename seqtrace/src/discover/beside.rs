//! The lock calls of one function and a place in it in, the nearest calls before and behind the
//! place out.
//!
//! Only locks count that lie in the same object as the sequence. A way on which there is none, or
//! the next increment of the sequence first, leaves it open whether one is held.

use super::{
    evidence::{Evidence, Increment, Lock, LockCall},
    graph::BlockIndex,
    value::{Address, Values},
};

/// How many blocks are looked at on the ways from one place.
const BLOCKS: usize = 48;

/// A global's own lock is not further away than this, bytes.
const NEAR_BYTES: u64 = 128;

/// Which way to look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Direction {
    Back,
    On,
}

/// The nearest calls on all ways; `None` when there is a way without.
pub(super) type Nearest<'a> = Option<Vec<&'a LockCall>>;

/// The nearest calls on the ways to a place that take or drop a lock of the object.
pub(super) fn before<'a>(evidence: &'a Evidence, increment: &Increment) -> Nearest<'a> {
    nearest(evidence, increment, Direction::Back)
}

/// The nearest calls on the ways from a place that take or drop a lock of the object.
pub(super) fn behind<'a>(evidence: &'a Evidence, increment: &Increment) -> Nearest<'a> {
    nearest(evidence, increment, Direction::On)
}

/// Whether a way leads from the place to a lock call of the object without another increment of
/// the sequence between them.
pub(super) fn leads_to_lock(evidence: &Evidence, increment: &Increment) -> bool {
    !Ways::new(evidence, increment, Direction::On)
        .calls
        .is_empty()
}

/// As [`leads_to_lock`], to the place.
pub(super) fn comes_from_lock(evidence: &Evidence, increment: &Increment) -> bool {
    !Ways::new(evidence, increment, Direction::Back)
        .calls
        .is_empty()
}

/// A lock call, or else another increment, with its block and address.
type Event<'a> = (BlockIndex, u64, Option<&'a LockCall>);

fn nearest<'a>(evidence: &'a Evidence, increment: &Increment, direction: Direction) -> Nearest<'a> {
    let Ways { calls, others } = Ways::new(evidence, increment, direction);
    (!others && !calls.is_empty()).then_some(calls)
}

/// Where the ways from a place lead first.
struct Ways<'a> {
    /// The lock calls.
    calls: Vec<&'a LockCall>,
    /// Whether any leads elsewhere.
    others: bool,
}

impl<'a> Ways<'a> {
    fn new(evidence: &'a Evidence, increment: &Increment, direction: Direction) -> Self {
        let mut ways = Self {
            calls: Vec::new(),
            others: false,
        };
        let events = events(evidence, increment);
        let mut seen: Vec<BlockIndex> = Vec::new();
        let mut next = vec![(increment.block, Some(increment.at))];
        while let Some((block, from)) = next.pop() {
            if let Some(&(_, _, call)) = first(&events, direction, block, from) {
                ways.calls.extend(call);
                ways.others |= call.is_none();
                continue;
            }
            let edges = match direction {
                Direction::Back => &evidence.block(block).predecessors,
                Direction::On => &evidence.block(block).successors,
            };
            let is_entry = direction == Direction::Back && block == evidence.entry;
            ways.others |= edges.is_empty() || is_entry;
            if seen.len() > BLOCKS {
                ways.others = true;
                break;
            }
            for edge in edges {
                if !seen.contains(&edge.block) {
                    seen.push(edge.block);
                    next.push((edge.block, None));
                }
            }
        }
        ways
    }
}

/// The lock calls of the object, and the other increments of the sequence.
fn events<'a>(evidence: &'a Evidence, increment: &Increment) -> Vec<Event<'a>> {
    let addition = increment.addition;
    let locks = evidence.locks.iter();
    let locks = locks.filter(|call| is_beside(call.lock, addition.address));
    let others = evidence.increments.iter();
    let others = others.filter(|other| other.addition.word == addition.word);
    locks
        .map(|call| (call.block, call.at, Some(call)))
        .chain(others.map(|other| (other.block, other.at, None)))
        .collect()
}

/// The first event of a block, or the first from a place in it on.
fn first<'e, 'a>(
    events: &'e [Event<'a>],
    direction: Direction,
    block: BlockIndex,
    from: Option<u64>,
) -> Option<&'e Event<'a>> {
    let here = events.iter().filter(|event| event.0 == block);
    match direction {
        Direction::Back => here
            .filter(|event| from.is_none_or(|from| event.1 < from))
            .max_by_key(|event| event.1),
        Direction::On => here
            .filter(|event| from.is_none_or(|from| event.1 > from))
            .min_by_key(|event| event.1),
    }
}

/// Whether a lock lies in the same object as the sequence: on the same pointer, or near it where
/// both are global.
fn is_beside(lock: Lock, sequence: Address) -> bool {
    match lock {
        Lock::At(lock) if sequence.base == Values::ZERO => {
            lock.base == Values::ZERO
                && lock.displacement.abs_diff(sequence.displacement) <= NEAR_BYTES
        }
        Lock::At(lock) => lock.base == sequence.base,
        Lock::PointedToBy(_) => false,
    }
}
