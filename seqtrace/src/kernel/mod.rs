//! Facts about the running kernel, and files of kernels. The only module that reads `/proc` and
//! `/sys`.

pub mod cache;
pub mod cgroups;
pub mod chosen;
pub mod debuginfo;
pub mod feature;
pub mod file;
pub mod firings;
pub mod hazards;
pub mod inlined;
pub mod installed;
pub mod instance;
pub mod kallsyms;
pub mod kcore;
mod memory;
mod module_list;
pub mod modules;
pub mod object;
pub mod offline;
pub mod privilege;
pub mod program;
pub mod running;
pub mod shed;
pub mod text;
