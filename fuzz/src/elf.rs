//! The bytes of an ELF file: a vmlinux.

use seqtrace::discover::{btf::Btf, elf};

/// Takes a vmlinux apart and parses the types in it.
pub fn elf(bytes: &[u8]) {
    if let Ok(kernel) = elf::vmlinux(bytes)
        && let Some(types) = kernel.btf
    {
        let _refused = Btf::parse(types, None);
    }
}
