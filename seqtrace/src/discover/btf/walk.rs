//! How far a walk through nested types may go.
//!
//! Structures cannot contain themselves, but bytes can say so; a walk that follows every member
//! would then not end, or take exponential time.

use std::cell::Cell;

use super::DEPTH_LIMIT;

/// Members that one walk may visit. The largest real walk, all members of the kernel's largest
/// structure, visits some thousands.
#[derive(Debug)]
pub(super) struct Steps(Cell<u32>);

/// One level of a walk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk<'steps> {
    depth: usize,
    steps: &'steps Steps,
}

impl Steps {
    pub(super) fn new() -> Self {
        Self(Cell::new(50_000))
    }

    /// The outermost level.
    pub(super) fn walk(&self) -> Walk<'_> {
        Walk {
            depth: 0,
            steps: self,
        }
    }
}

impl Walk<'_> {
    /// The next level; `None` when it is too deep or no steps are left.
    pub(super) fn deeper(self) -> Option<Self> {
        let Steps(left) = self.steps;
        left.set(left.get().checked_sub(1)?);
        (self.depth < DEPTH_LIMIT).then_some(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}
