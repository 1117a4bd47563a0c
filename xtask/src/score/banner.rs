//! The header of a bzImage → which kernel it is, as Debian writes it there. Pure.

/// Where the header of a bzImage says "HdrS", and where it points to the kernel's version: a
/// distance from byte 0x200 (`Documentation/arch/x86/boot.rst`).
const MAGIC: (usize, &[u8]) = (0x202, b"HdrS");
const VERSION_POINTER: usize = 0x20e;
const VERSION_BASE: usize = 0x200;

/// What a kernel's package is called and which version it has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Banner {
    /// `uname -r`: `6.12.117+deb13-rt-amd64`.
    pub(crate) release: String,
    /// Version of Debian's package: `6.12.117-1`.
    pub(crate) version: String,
}

/// Reads `6.12.117+deb13-amd64 (…) #1 SMP … Debian 6.12.117-1 (2026-11-12)`; `None` where there
/// is no such text.
pub(crate) fn read(image: &[u8]) -> Option<Banner> {
    let (at, magic) = MAGIC;
    if image.get(at..at + magic.len())? != magic {
        return None;
    }
    let pointer = image.get(VERSION_POINTER..VERSION_POINTER + 2)?;
    let start = VERSION_BASE + usize::from(u16::from_le_bytes([pointer[0], pointer[1]]));
    let text = image.get(start..)?;
    let text = &text[..text.iter().position(|&byte| byte == 0)?];
    let mut words = std::str::from_utf8(text).ok()?.split(' ');
    let release = words.next()?.to_owned();
    let version = words
        .skip_while(|&word| word != "Debian")
        .nth(1)?
        .to_owned();
    Some(Banner { release, version })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(text: &str) -> Vec<u8> {
        let mut image = vec![0; 0x400];
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x20e..0x210].copy_from_slice(&0x100_u16.to_le_bytes());
        image[0x300..0x300 + text.len()].copy_from_slice(text.as_bytes());
        image
    }

    #[test]
    fn release_and_version_are_those_of_the_package() {
        let text = "7.3.4+deb13-rt-amd64 (debian-kernel@lists.debian.org) #1 SMP PREEMPT_RT \
                    Debian 7.3.4-1~bpo13+1 (2026-11-15)";
        let banner = read(&image(text)).unwrap();
        assert_eq!(banner.release, "7.3.4+deb13-rt-amd64");
        assert_eq!(banner.version, "7.3.4-1~bpo13+1");
    }

    #[test]
    fn what_debian_did_not_build_has_no_banner() {
        assert_eq!(read(&image("6.12.1 (me@home) #1 SMP")), None);
        let mut cut = image("6.12.1 Debian 6.12.1-1");
        cut.truncate(0x300);
        assert_eq!(read(&cut), None);
        assert_eq!(read(&[0; 0x400]), None);
    }
}
