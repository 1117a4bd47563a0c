//! The bytes of types, and every question that discovery asks about them.

use std::sync::Arc;

use seqtrace::discover::btf::{Btf, Kind, TypeId};

/// A length, then the types of a kernel, then those of a module on top of them.
pub fn btf(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk() else {
        return;
    };
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let (kernel, module) = rest.split_at(length.min(rest.len()));
    let Ok(kernel) = Btf::parse(kernel.to_vec(), None) else {
        return;
    };
    ask(&kernel);
    if let Ok(module) = Btf::parse(module.to_vec(), Some(Arc::new(kernel))) {
        ask(&module);
    }
}

/// The bytes that [`btf`] takes apart again.
pub(crate) fn encode(kernel: &[u8], module: &[u8]) -> Vec<u8> {
    let length = u32::try_from(kernel.len()).expect("seeds are small");
    [&length.to_le_bytes()[..], kernel, module].concat()
}

fn ask(btf: &Btf) {
    let members = btf.seqcount_members().count();
    assert!(members == 0 || !btf.is_empty());
    // The last one does not exist.
    for id in btf.own_types().chain([TypeId(btf.len())]) {
        let name = btf.name(id).to_owned();
        let end = i64::try_from(btf.size_bytes(id)).unwrap_or(i64::MAX);
        let _ = (btf.resolve(id), btf.lockname(id), btf.container_of(id));
        let _ = (btf.structure(&name), btf.variable(&name));
        if let Kind::Function(prototype) = btf.kind(id) {
            let _ = (btf.function(&name), btf.parameters(prototype).count());
        }
        for member in btf.members(id) {
            let _ = btf.member_offset(&name, member.name);
        }
        for offset in [-8, 0, 4, end / 2, end] {
            let _ = btf.place_at(id, offset);
        }
        let _ = btf.seqcounts_from(Some(id), -8);
    }
    let _ = btf.seqcounts_from(None, 8);
}
