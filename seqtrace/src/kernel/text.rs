//! Bytes of the running kernel, as they are right now: from `/proc/kcore`, or through a BPF
//! program where there is none. Where neither works, says that files must do.
//!
//! Never invents bytes: what cannot be read is left out of the segments.

mod bpf;

use std::ops::Range;

use anyhow::{Result, bail, ensure};
use log::info;

use self::bpf::Programs;
use super::kcore::Kcore;
use crate::discover::image::Segment;

/// Where text is to be read from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Choice {
    /// The first that works.
    Auto,
    /// `/proc/kcore`.
    Kcore,
    /// A BPF program.
    Bpf,
    /// The files that the kernel was installed from.
    File,
}

/// What the text is read from.
#[derive(Debug)]
pub struct Text(Reader);

#[derive(Debug)]
enum Reader {
    Kcore(Kcore),
    Bpf(Programs),
    /// With the reasons why not from memory; empty where that was not tried.
    Files(String),
}

/// What one run of the BPF program has brought.
#[derive(Debug)]
struct Chunk {
    bytes: Vec<u8>,
    /// For each page whether it could be read.
    readable: Vec<bool>,
}

impl Text {
    /// Opens what was chosen.
    ///
    /// # Errors
    ///
    /// When it cannot be used. [`Choice::Auto`] ends with files, of which nothing is looked at yet.
    pub fn open(choice: Choice) -> Result<Self> {
        match choice {
            Choice::Kcore => Kcore::open().map(Reader::Kcore),
            Choice::Bpf => Programs::load().map(Reader::Bpf),
            Choice::File => Ok(Reader::Files(String::new())),
            Choice::Auto => Ok(first()),
        }
        .map(Self)
    }

    /// What it is called: `/proc/kcore`, `a BPF program`.
    pub fn source(&self) -> &'static str {
        match self.0 {
            Reader::Kcore(_) => "`/proc/kcore`",
            Reader::Bpf(_) => "a BPF program",
            Reader::Files(_) => "the kernel's files",
        }
    }

    /// Where memory is not read: why not, as the beginning of a line that says why the files
    /// cannot be used either.
    pub fn no_memory(&self) -> Option<&str> {
        match &self.0 {
            Reader::Files(why) => Some(why),
            Reader::Kcore(_) | Reader::Bpf(_) => None,
        }
    }

    /// The bytes of `address .. address + bytes`.
    ///
    /// # Errors
    ///
    /// When any of them cannot be read. `/proc/kcore` cannot tell, and has zeros.
    pub fn read(&self, address: u64, bytes: u64) -> Result<Vec<u8>> {
        match &self.0 {
            Reader::Kcore(kcore) => kcore.read(address, bytes),
            Reader::Files(_) => bail!("{NO_MEMORY}"),
            Reader::Bpf(_) => {
                let end = address.saturating_add(bytes);
                let mut segments = self.segments(address..end)?;
                let whole = segments
                    .first()
                    .is_some_and(|first| first.bytes.len() as u64 == bytes);
                ensure!(
                    whole,
                    "{bytes} bytes of kernel memory at {address:#x} cannot be read"
                );
                Ok(segments.swap_remove(0).bytes)
            }
        }
    }

    /// What can be read of a range, by address; neighbours are joined.
    ///
    /// # Errors
    ///
    /// When the reader itself fails. What cannot be read is no error.
    pub fn segments(&self, range: Range<u64>) -> Result<Vec<Segment>> {
        match &self.0 {
            Reader::Kcore(kcore) => {
                let Range { start, end } = kcore.clamp(range);
                ensure!(start < end, "{start:#x} is not in `/proc/kcore`");
                let bytes = kcore.read(start, end - start)?;
                Ok(vec![Segment {
                    address: start,
                    bytes,
                }])
            }
            Reader::Files(_) => bail!("{NO_MEMORY}"),
            Reader::Bpf(programs) => collect(range, |address| programs.chunk(address)),
        }
    }
}

/// The first reader that works; what was passed over is told.
fn first() -> Reader {
    let no_kcore = match Kcore::open() {
        Ok(kcore) => return Reader::Kcore(kcore),
        Err(error) => error,
    };
    info!("{no_kcore:#}; trying a BPF program");
    match Programs::load() {
        Ok(programs) => Reader::Bpf(programs),
        Err(no_program) => {
            info!("{no_program:#}; trying the files of the kernel");
            Reader::Files(format!("{no_kcore:#}; {no_program:#}; "))
        }
    }
}

/// Joins the readable pages of a range, chunk by chunk.
fn collect(range: Range<u64>, chunk: impl Fn(u64) -> Result<Chunk>) -> Result<Vec<Segment>> {
    ensure!(
        range.end.saturating_sub(range.start) <= LARGEST_READ,
        "{:#x} to {:#x} is no kernel text: its symbols are wrong",
        range.start,
        range.end
    );
    let mut segments: Vec<Segment> = Vec::new();
    let mut at = range.start - range.start % Chunk::PAGE_BYTES;
    while at < range.end {
        let Chunk { bytes, readable } = chunk(at)?;
        let pages = bytes.chunks(Chunk::PAGE_BYTES as usize).zip(readable);
        for ((page, is_readable), start) in pages.zip((at..).step_by(Chunk::PAGE_BYTES as usize)) {
            let from = start.max(range.start);
            let to = (start + page.len() as u64).min(range.end);
            if !is_readable || from >= to {
                continue;
            }
            let wanted = &page[(from - start) as usize..(to - start) as usize];
            match segments.last_mut() {
                Some(last) if last.end() == from => last.bytes.extend_from_slice(wanted),
                _ => segments.push(Segment {
                    address: from,
                    bytes: wanted.to_vec(),
                }),
            }
        }
        let Some(next) = at.checked_add(Chunk::BYTES) else {
            break;
        };
        at = next;
    }
    Ok(segments)
}

/// Who reads files asks for images, not for addresses.
const NO_MEMORY: &str = "the kernel's memory is not read";

/// The most that is read in one go: no text of vmlinux is larger.
const LARGEST_READ: u64 = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = Chunk::PAGE_BYTES;

    /// Memory whose every byte is the low byte of its page's number, without the pages of `holes`.
    fn memory(holes: &[u64]) -> impl Fn(u64) -> Result<Chunk> {
        move |address| {
            let pages = (address / PAGE..).take((Chunk::BYTES / PAGE) as usize);
            Ok(Chunk {
                bytes: pages
                    .clone()
                    .flat_map(|page| vec![page as u8; PAGE as usize])
                    .collect(),
                readable: pages.map(|page| !holes.contains(&page)).collect(),
            })
        }
    }

    #[test]
    fn readable_pages_are_joined_and_cut_to_the_range() {
        let found = collect(PAGE + 5..40 * PAGE - 7, memory(&[])).expect("reads");
        let [only] = &found[..] else {
            panic!("{} segments", found.len());
        };
        assert_eq!((only.address, only.end()), (PAGE + 5, 40 * PAGE - 7));
        assert_eq!((only.bytes[0], only.bytes[PAGE as usize]), (1, 2));
        assert_eq!(only.bytes.last(), Some(&39));
    }

    #[test]
    fn a_page_that_cannot_be_read_is_left_out() {
        let found = collect(0..20 * PAGE, memory(&[0, 17, 18])).expect("reads");
        let ranges: Vec<_> = found.iter().map(|s| (s.address, s.end())).collect();
        assert_eq!(ranges, [(PAGE, 17 * PAGE), (19 * PAGE, 20 * PAGE)]);
    }

    #[test]
    fn a_range_that_is_too_large_is_refused() {
        let error = collect(0..u64::MAX, memory(&[])).expect_err("too large");
        assert!(
            error.to_string().contains("its symbols are wrong"),
            "{error}"
        );
    }
}
