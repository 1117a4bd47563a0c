//! The eBPF object. Built for the host (`cargo build --workspace`, clippy, tests) it is an empty
//! program, so that the workspace needs no special cases.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(not(target_arch = "bpf"))]
fn main() {}
