//! Session in, batches out. The only user of aya maps.
//!
//! Refuses to judge: it adds up CPUs and carries records, and leaves names, rates and ranking to
//! `aggregate`.

pub mod batch;
pub mod writes;

mod collector;
mod cpus;
mod hits;
mod inbox;
mod longest;
mod maps;
pub mod order;
mod quiet;
mod recent;
mod stacks;

pub use self::{collector::Collector, cpus::cpus, hits::Hits};
