//! Bytes of a kernel in, catalog of its sites out.
//!
//! Pure: the same bytes give the same catalog on any host. Reading `/proc` and `/sys` is the
//! business of `kernel`.
//!
//! ```text
//!  image ─► function ─► survey ─► graph ─► fixpoint ─► evidence ─► rules ─► cold ─► catalog
//!                                 tables   value,       identify (BTF) ─► label ─▲
//!                                          state, transfer, increment ─► support ─► writes ─▲
//!
//!  debuginfo ─► dwarf ─► agreement (with the catalog) ─► score
//!                                                    ─► annotate ─► catalog
//! ```

mod access;
mod agreement;
pub mod annotate;
mod argument;
mod beside;
pub mod btf;
mod callee;
mod caller;
pub mod card;
pub mod catalog;
mod cold;
mod collect;
pub mod dwarf;
pub mod elf;
mod entries;
mod evidence;
mod fit;
mod fixpoint;
mod function;
mod graph;
mod identify;
pub mod image;
mod increment;
mod instruction;
mod label;
pub mod locate;
mod location;
mod lock_function;
pub mod locks;
mod looping;
mod meter;
mod nameless;
mod naming;
pub mod note;
mod optimize;
mod patched;
pub mod percpu;
mod pointer;
mod reads;
mod rules;
mod scan;
pub mod score;
mod scorer;
mod sections;
mod seqcount;
mod serial;
mod state;
pub mod store;
mod support;
mod survey;
pub mod symbols;
mod tables;
#[cfg(test)]
mod tests;
mod transfer;
pub mod unpack;
mod value;
mod witness;
mod writes;

pub use scan::{scan, scan_every_function};
