//! `.modinfo`, what a module says of itself: `key=value` strings, each ended by a zero byte.

/// Section of these strings.
pub(super) const MODINFO: &str = ".modinfo";

/// What a module says of itself.
#[derive(Clone, Debug, Default)]
pub struct Modinfo {
    bytes: Vec<u8>,
}

impl Modinfo {
    /// From the bytes of the section.
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
        }
    }

    /// The first value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.bytes.split(|&byte| byte == 0).find_map(|entry| {
            let value = std::str::from_utf8(entry).ok()?.strip_prefix(key)?;
            value.strip_prefix('=')
        })
    }

    /// `uname -r` of the kernel that it was built for.
    pub fn release(&self) -> Option<&str> {
        self.get("vermagic")?.split(' ').next()
    }

    /// Whether it was built for a PREEMPT_RT kernel (`include/linux/vermagic.h`).
    pub(super) fn is_realtime(&self) -> bool {
        self.get("vermagic")
            .is_some_and(|magic| magic.split(' ').any(|word| word == "preempt_rt"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_tells_its_name_and_its_kernel() {
        let text =
            b"description=name=x\0\0name=xt_set\0vermagic=6.12-rt SMP preempt_rt \0\xff\0cut";
        let modinfo = Modinfo::new(text);
        assert_eq!(modinfo.get("name"), Some("xt_set"));
        assert_eq!(modinfo.release(), Some("6.12-rt"));
        assert!(modinfo.is_realtime());
        assert_eq!(modinfo.get("cut"), None);
        assert!(!Modinfo::new(b"vermagic=6.12-preempt_rt SMP\0").is_realtime());
    }
}
