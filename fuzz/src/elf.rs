//! The bytes of an ELF file: a vmlinux, or a module.

use std::sync::Arc;

use seqtrace::discover::{
    btf::Btf,
    elf,
    symbols::{Symbol, SymbolKind, Symbols},
};

/// What a kernel exports that shapes how a module is read.
const EXPORTS: [&str; 4] = ["rt_spin_lock", "rt_spin_unlock", "mutex_lock", "__fentry__"];

/// Takes a vmlinux apart, or a module on top of one, and parses the types in it.
pub fn elf(bytes: &[u8]) {
    let vmlinux = Symbols::new(EXPORTS.iter().zip(0..).map(|(name, index)| Symbol {
        address: 0xffff_ffff_8100_0000 + 64 * index,
        name,
        kind: SymbolKind::Text,
    }));
    let module = elf::module(bytes, Some(Arc::new(vmlinux)));
    let kernels = [elf::vmlinux(bytes), elf::module(bytes, None), module];
    for kernel in kernels.into_iter().flatten() {
        if let Some(types) = kernel.btf {
            let _refused = Btf::parse(types, None);
        }
    }
}
