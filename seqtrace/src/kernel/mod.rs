//! Facts about the running kernel. The only module that reads `/proc` and `/sys`.

pub mod cache;
pub mod feature;
pub mod hazards;
pub mod inlined;
pub mod instance;
pub mod kallsyms;
pub mod kcore;
pub mod modules;
pub mod object;
pub mod privilege;
pub mod program;
pub mod running;
pub mod text;
