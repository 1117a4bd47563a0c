//! Snapshots and plans in, bytes out. Pure.
//!
//! Every format shows what was covered and what was lost, so that no number travels without them.
//! The same snapshot gives the same bytes.

pub mod account;
pub mod audit;
pub mod card;
pub mod diff;
pub mod explain;
pub mod filters;
pub mod flamegraph;
pub mod folded;
pub mod json;
pub mod listing;
pub mod live;
pub mod order;
pub mod perfetto;
pub mod pprof;
pub mod quantity;
pub mod selection;
pub mod score;
pub mod sites;
pub mod speedscope;
pub mod table;
pub mod watch;

mod blame;
pub mod checks;
mod columns;
mod command;
mod governor;
mod holds;
mod inlined;
mod lines_by;
mod losses;
mod repeats;
mod samples;
