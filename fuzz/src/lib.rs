//! Any bytes in, nothing out: what seqtrace does with a file that lies. It refuses it or reads
//! it, and neither panics nor runs away; a target that returns has passed.
//!
//! The programs in `fuzz_targets` hand these functions to libFuzzer (`cargo xtask fuzz`); the
//! tests feed them the seeds.

mod btf;
mod dwarf;
mod elf;
mod explain;
mod recording;
mod scan;
pub mod seed;
mod unpack;

pub use self::{
    btf::btf, dwarf::dwarf, elf::elf, explain::explain, recording::recording, scan::scan,
    unpack::unpack,
};

/// A fuzz target: a function that returns for any bytes.
pub type Target = fn(&[u8]);

/// All targets by the names of their programs.
pub const TARGETS: [(&str, Target); 7] = [
    ("elf", elf),
    ("btf", btf),
    ("dwarf", dwarf),
    ("unpack", unpack),
    ("scan", scan),
    ("recording", recording),
    ("explain", explain),
];
