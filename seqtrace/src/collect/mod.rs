//! Session in, batches out. The only user of aya maps.

pub mod batch;
