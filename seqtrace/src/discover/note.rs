//! ELF notes → the build id.

use std::fmt::Write as _;

/// `NT_GNU_BUILD_ID` (`include/uapi/linux/elf.h`).
const BUILD_ID: u32 = 3;

/// The build id, in hexadecimal, in the bytes of an ELF note section (`/sys/kernel/notes`);
/// `None` where there is none.
pub fn build_id(mut notes: &[u8]) -> Option<String> {
    loop {
        let (head, rest) = notes.split_first_chunk::<12>()?;
        let word =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (name_bytes, description_bytes) = (word(0) as usize, word(4) as usize);
        let (name, rest) = rest.split_at_checked(name_bytes.checked_next_multiple_of(4)?)?;
        let description = rest.get(..description_bytes)?;
        if word(8) == BUILD_ID && name.starts_with(b"GNU\0") {
            return Some(hexadecimal(description));
        }
        notes = rest.get(description_bytes.checked_next_multiple_of(4)?..)?;
    }
}

/// Bytes as hexadecimal digits, two each.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(name: &[u8], kind: u32, description: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend((name.len() as u32).to_le_bytes());
        bytes.extend((description.len() as u32).to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        for part in [name, description] {
            bytes.extend(part);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn the_build_id_is_found_behind_other_notes() {
        let notes = [
            note(b"Xen\0", 3, b"other"),
            note(b"GNU\0", 3, &[0xab, 0x01]),
        ]
        .concat();
        assert_eq!(build_id(&notes).as_deref(), Some("ab01"));
        assert_eq!(build_id(&note(b"GNU\0", 1, &[1])), None);
    }

    #[test]
    fn notes_cut_anywhere_have_no_build_id() {
        let whole = note(b"GNU\0", 3, &[0xab; 20]);
        for length in 0..whole.len() {
            assert_eq!(build_id(&whole[..length]), None, "{length} bytes");
        }
        let mut lying = whole;
        lying[0..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(build_id(&lying), None);
    }
}
