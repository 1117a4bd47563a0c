//! The bytes of a file with debuginfo, of a vmlinux or of a module.

use seqtrace::discover::dwarf::Debuginfo;

/// Reads the debuginfo, with the file itself for the supplement that it may ask for.
pub fn dwarf(bytes: &[u8]) {
    for supplement in [None, Some(bytes)] {
        let Ok(debuginfo) = Debuginfo::parse(bytes, supplement) else {
            continue;
        };
        for instance in &debuginfo.inlined {
            assert!(!instance.ranges.is_empty(), "{instance:?}");
            assert!(!instance.chain.is_empty(), "{instance:?}");
        }
    }
}
