//! seqtrace makes Linux sequence counters visible: which readers wait and retry, on which
//! seqcount, for how long, and which writer held it.
//!
//! ```text
//!  kernel text, kallsyms, BTF        running kernel                        pure again
//!  discover ─► Catalog ─ plan ─► Plan ─ attach ─► Session ─ collect ─► Batch ─ aggregate ─► Snapshot ─► export
//!                 ▲ cache                              ▲ eBPF object                            ▲ recording
//! ```
//!
//! Modules are listed in the order the data flows; each may use only those before it, as
//! `tests/layers.rs` checks. `docs/architecture.md` has the whole picture.

pub mod cli;
pub mod config;
pub mod discover;
pub mod kernel;
pub mod plan;
pub mod governor;
pub mod attach;
pub mod collect;
pub mod aggregate;
pub mod recording;
pub mod audit;
pub mod explain;
pub mod export;
pub mod tui;
pub mod command;
