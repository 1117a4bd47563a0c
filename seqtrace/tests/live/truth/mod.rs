//! The numbers against the truth: the module `seqstress` makes readers wait, retry and fall back, and
//! counts what they did. It stands in `seqstress/`; the harness builds it for the guest's kernel.

pub(crate) mod actors;
pub(crate) mod cgroups;
pub(crate) mod commands;
pub(crate) mod contended;
pub(crate) mod damaged;
pub(crate) mod filters;
pub(crate) mod forced;
pub(crate) mod free;
pub(crate) mod inexact;
pub(crate) mod lines;
pub(crate) mod module;
pub(crate) mod repeats;
pub(crate) mod rows;
pub(crate) mod shared;
pub(crate) mod small_maps;
pub(crate) mod times;
