//! The `newc` archive that the kernel unpacks as its first root: entries in, bytes out.
//! Format: Documentation/driver-api/early-userspace/buffer-format.rst in the kernel's sources.

use std::collections::BTreeSet;

const FOLDER: u32 = 0o040_755;
const SYMLINK: u32 = 0o120_777;
const CHARACTER_DEVICE: u32 = 0o020_600;
const REGULAR_FILE: u32 = 0o100_000;

/// An archive being written; everything in it belongs to root.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    folders: BTreeSet<String>,
    entries: u32,
}

impl Archive {
    /// Adds a folder, and those above it.
    pub(crate) fn folder(&mut self, path: &str) {
        let path = path.trim_matches('/');
        if path.is_empty() || self.folders.contains(path) {
            return;
        }
        self.parent(path);
        self.folders.insert(path.to_owned());
        self.entry(path, FOLDER, (0, 0), &[]);
    }

    /// Adds a file with these permission bits.
    pub(crate) fn file(&mut self, path: &str, permissions: u32, content: &[u8]) {
        self.parent(path);
        self.entry(path, REGULAR_FILE | permissions, (0, 0), content);
    }

    /// Adds a symbolic link.
    pub(crate) fn symlink(&mut self, path: &str, target: &str) {
        self.parent(path);
        self.entry(path, SYMLINK, (0, 0), target.as_bytes());
    }

    /// Adds a character device.
    pub(crate) fn character_device(&mut self, path: &str, major: u32, minor: u32) {
        self.parent(path);
        self.entry(path, CHARACTER_DEVICE, (major, minor), &[]);
    }

    /// The finished archive.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    fn parent(&mut self, path: &str) {
        if let Some((parent, _)) = path.trim_matches('/').rsplit_once('/') {
            self.folder(parent);
        }
    }

    fn entry(&mut self, path: &str, mode: u32, (major, minor): (u32, u32), content: &[u8]) {
        let path = path.trim_start_matches('/');
        self.entries += 1;
        let links = if mode & 0o170_000 == 0o040_000 { 2 } else { 1 };
        let size = u32::try_from(content.len()).expect("an initramfs file is below 4 GiB");
        let name_size = u32::try_from(path.len() + 1).expect("a path is short");
        self.bytes.extend_from_slice(b"070701");
        // inode, mode, uid, gid, links, mtime, size, device of the file, device it is, name, checksum
        for field in [
            self.entries,
            mode,
            0,
            0,
            links,
            0,
            size,
            0,
            0,
            major,
            minor,
            name_size,
            0,
        ] {
            self.bytes
                .extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(content);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_header_a_name_and_aligned_content() {
        let mut archive = Archive::default();
        archive.file("ab", 0o755, b"12345");
        let bytes = archive.bytes;
        let header = "07070100000001000081ed00000000000000000000000100000000\
                      0000000500000000000000000000000000000000000000030000000\
                      0";
        assert_eq!(str::from_utf8(&bytes[..110]).unwrap(), header);
        assert_eq!(&bytes[110..], b"ab\0\0\0\x0012345\0\0\0".split_at(0).1);
    }

    #[test]
    fn folders_above_a_file_come_before_it_and_once() {
        let mut archive = Archive::default();
        archive.file("/a/b/c", 0o644, b"");
        archive.symlink("a/b/d", "c");
        let text = String::from_utf8(archive.finish()).unwrap();
        let names: Vec<_> = ["a\0", "a/b\0", "a/b/c\0", "a/b/d\0", "TRAILER!!!\0"]
            .map(|name| text.find(name).unwrap())
            .into();
        assert!(names.is_sorted(), "{names:?}");
        assert_eq!(text.matches("070701").count(), 5);
    }
}
