//! Batches in, snapshots out. Pure.

pub mod snapshot;
