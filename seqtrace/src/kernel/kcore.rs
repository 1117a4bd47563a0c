//! `/proc/kcore` → bytes at kernel addresses, as they are right now.

use std::{fs::File, io, ops::Range, os::unix::fs::FileExt as _};

use anyhow::{Context as _, Result, bail, ensure};
use object::{
    LittleEndian,
    elf::{FileHeader64, PT_LOAD},
    read::elf::{FileHeader as _, ProgramHeader as _},
};

/// Enough for the ELF header and the program headers: a machine has some tens of them.
const HEADER_BYTES: usize = 64 << 10;

/// The most that one call reads: no text of vmlinux is larger.
const LARGEST_READ: u64 = 256 << 20;

/// A stretch of kernel addresses and where it lies in the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stretch {
    address: u64,
    bytes: u64,
    offset: u64,
}

/// The open file.
#[derive(Debug)]
pub struct Kcore {
    file: File,
    stretches: Vec<Stretch>,
}

impl Kcore {
    /// Opens it and reads where everything is.
    ///
    /// # Errors
    ///
    /// When there is none, it may not be read, or it is not what the kernel documents.
    pub fn open() -> Result<Self> {
        let file = match File::open("/proc/kcore") {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
                "there is no `/proc/kcore` to read the kernel's text from: use a kernel with \
                 CONFIG_PROC_KCORE"
            ),
            Err(error) => {
                return Err(error).context("failed to open `/proc/kcore` (run as root)");
            }
        };
        let mut header = vec![0; HEADER_BYTES];
        let length = file
            .read_at(&mut header, 0)
            .context("failed to read `/proc/kcore`")?;
        header.truncate(length);
        Ok(Self {
            file,
            stretches: parse(&header)?,
        })
    }

    /// The part of a range from its start on that lies in one stretch; empty where none has it.
    pub fn clamp(&self, range: Range<u64>) -> Range<u64> {
        let stretch = self.stretches.iter().find(|stretch| {
            let distance = range.start.checked_sub(stretch.address);
            distance.is_some_and(|distance| distance < stretch.bytes)
        });
        let end = stretch.map_or(range.start, |s| s.address.saturating_add(s.bytes));
        range.start..range.end.min(end)
    }

    /// The bytes of `address .. address + bytes`. Memory that is not mapped reads as zeros.
    ///
    /// # Errors
    ///
    /// When the range is no kernel memory, or the kernel refuses.
    pub fn read(&self, address: u64, bytes: u64) -> Result<Vec<u8>> {
        ensure!(
            bytes <= LARGEST_READ,
            "{bytes} bytes at {address:#x} are no kernel text: its symbols are wrong"
        );
        let offset = locate(&self.stretches, address, bytes)
            .with_context(|| format!("{address:#x} is not in `/proc/kcore`"))?;
        let mut memory = vec![0; bytes as usize];
        self.file
            .read_exact_at(&mut memory, offset)
            .with_context(|| format!("failed to read `/proc/kcore` at {address:#x}"))?;
        Ok(memory)
    }
}

/// The loadable stretches in the head of the file.
fn parse(header: &[u8]) -> Result<Vec<Stretch>> {
    let what = "`/proc/kcore` is not the core file that this kernel should have";
    let file = FileHeader64::<LittleEndian>::parse(header).context(what)?;
    let segments = file.program_headers(LittleEndian, header).context(what)?;
    Ok(segments
        .iter()
        .filter(|segment| segment.p_type(LittleEndian) == PT_LOAD)
        .map(|segment| Stretch {
            address: segment.p_vaddr(LittleEndian),
            bytes: segment.p_memsz(LittleEndian),
            offset: segment.p_offset(LittleEndian),
        })
        .collect())
}

/// Where in the file a whole range lies.
fn locate(stretches: &[Stretch], address: u64, bytes: u64) -> Option<u64> {
    stretches.iter().find_map(|stretch| {
        let distance = address.checked_sub(stretch.address)?;
        let end = distance.checked_add(bytes)?;
        (end <= stretch.bytes).then(|| stretch.offset.checked_add(distance))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF header and one loadable segment, as the kernel writes them.
    fn header(segment: Stretch) -> Vec<u8> {
        let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
        bytes.resize(64 + 56, 0);
        bytes[16..18].copy_from_slice(&4u16.to_le_bytes()); // ET_CORE
        bytes[18..20].copy_from_slice(&62u16.to_le_bytes()); // EM_X86_64
        bytes[32..40].copy_from_slice(&64u64.to_le_bytes()); // e_phoff
        bytes[52..54].copy_from_slice(&64u16.to_le_bytes()); // e_ehsize
        bytes[54..56].copy_from_slice(&56u16.to_le_bytes()); // e_phentsize
        bytes[56..58].copy_from_slice(&1u16.to_le_bytes()); // e_phnum
        let Stretch {
            address,
            bytes: size,
            offset,
        } = segment;
        bytes[64..68].copy_from_slice(&1u32.to_le_bytes()); // PT_LOAD
        bytes[72..80].copy_from_slice(&offset.to_le_bytes());
        bytes[80..88].copy_from_slice(&address.to_le_bytes());
        bytes[104..112].copy_from_slice(&size.to_le_bytes());
        bytes
    }

    const TEXT: Stretch = Stretch {
        address: 0xffff_ffff_8100_0000,
        bytes: 0x1000,
        offset: 0x2000,
    };

    #[test]
    fn an_address_is_found_in_its_segment_and_nowhere_else() {
        let stretches = parse(&header(TEXT)).expect("a sound header");
        assert_eq!(locate(&stretches, TEXT.address + 0x10, 0x20), Some(0x2010));
        assert_eq!(locate(&stretches, TEXT.address, 0x1000), Some(0x2000));
        assert_eq!(locate(&stretches, TEXT.address, 0x1001), None);
        assert_eq!(locate(&stretches, TEXT.address - 1, 1), None);
        assert_eq!(locate(&stretches, u64::MAX, 2), None);
    }

    #[test]
    fn a_header_cut_anywhere_is_an_error() {
        let whole = header(TEXT);
        for length in 0..whole.len() {
            assert!(
                parse(&whole[..length]).is_err(),
                "{length} bytes were taken"
            );
        }
    }
}
