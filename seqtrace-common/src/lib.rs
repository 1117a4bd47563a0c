//! Plain data that crosses the boundary between the kernel side and user space.
//!
//! Compiled twice, for BPF and for the host. Types in here are `repr(C)` with no `bool`, no enum
//! and no padding, and assert their size: a change of layout is a change of protocol, and padding
//! would leak kernel memory.
#![no_std]

pub mod blame;
pub mod counters;
pub mod event;
pub mod filter;
pub mod hold;
pub mod loss;
pub mod order;
pub mod recent;
pub mod run;
pub mod settings;
pub mod site;
pub mod text;
pub mod wait;
pub mod watch;
