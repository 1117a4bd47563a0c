//! A log of any length → the lines around its reports.
//!
//! Blocks are searched for words that every header has, and lines are looked at one by one only where
//! such a word was found. So a log is read at the speed of the search, and memory is bounded by the
//! block and the report that is open.

use std::{
    io::{self, ErrorKind, Read},
    ops::Range,
    sync::LazyLock,
};

use aho_corasick::AhoCorasick;
use memchr::{memchr, memchr_iter, memrchr};

use super::{clean::Cleaner, segment::Section, segment::Segmenter};

/// How much is read at once, bytes.
const BLOCK_BYTES: usize = 1 << 18;

/// How far from one word of a header the other may be, bytes: a header is short, and its prefix too.
const NEAR_BYTES: usize = 160;

/// Lines before a word that was found, in which a wrapped header may have begun.
const LINES_BEFORE: usize = 3;

/// Lines after a word that was found, in which a wrapped header may end.
const LINES_AFTER: u32 = 6;

/// Words of headers, two for each: one alone is a header only where quoted-printable broke the other.
const WORDS: [&str; 39] = [
    "circular",
    "dependency",
    "reverse order",
    "inconsistent",
    "lock state",
    "inversion",
    "lock order",
    "-unsafe",
    "recursive",
    "locking detected",
    "BUG: Invalid",
    "wait context",
    "bad unlock",
    "balance detected",
    "held lock",
    "freed!",
    "RCU usage",
    "suspicious",
    "rcu_deref",
    "user space!",
    "lock held when",
    "lockup",
    "stuck for",
    "LOCKUP",
    "detected hard",
    "watchdog: CPU",
    "stall",
    "self-detected",
    "CPUs/tasks",
    "NMI back",
    "trace for cpu",
    "blocked for",
    "more than",
    "linux/seq",
    "lock.h:",
    "is trying",
    "to acquire",
    "might help us",
    "debug this",
];

/// The search for all of them at once.
static SEARCH: LazyLock<AhoCorasick> =
    LazyLock::new(|| AhoCorasick::new(WORDS).expect("the words are few and short"));

/// What was read, in numbers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Size {
    /// Lines.
    pub(super) lines: u64,
    /// Bytes.
    pub(super) bytes: u64,
}

/// Reads a log to its end and hands each section of it to `take`.
///
/// # Errors
///
/// When reading fails.
pub(super) fn read(log: &mut impl Read, take: &mut impl FnMut(Section)) -> io::Result<Size> {
    let mut stream = Stream {
        cleaner: Cleaner::default(),
        segmenter: Segmenter::default(),
        size: Size::default(),
        linger: 0,
        in_line: false,
        take,
    };
    let mut buffer = vec![0; 2 * BLOCK_BYTES];
    let mut filled = 0;
    loop {
        let count = match log.read(&mut buffer[filled..]) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        stream.size.bytes += count as u64;
        filled += count;
        let is_end = count == 0;
        if !is_end && filled < BLOCK_BYTES && memchr(b'\n', &buffer[..filled]).is_none() {
            continue;
        }
        // A line that fills the buffer is taken in pieces.
        let whole = match memrchr(b'\n', &buffer[..filled]) {
            Some(end) if !is_end => end + 1,
            None if !is_end && filled < buffer.len() => 0,
            Some(_) | None => filled,
        };
        let used = stream.block(&buffer[..whole], is_end);
        buffer.copy_within(used..filled, 0);
        filled -= used;
        if is_end {
            break;
        }
    }
    stream.finish();
    Ok(stream.size)
}

struct Stream<'a, F> {
    cleaner: Cleaner,
    segmenter: Segmenter,
    size: Size,
    /// Lines that are still looked at one by one.
    linger: u32,
    /// The last line was not seen to its end.
    in_line: bool,
    take: &'a mut F,
}

impl<F: FnMut(Section)> Stream<'_, F> {
    /// Takes whole lines, and says how many bytes of them are done with.
    fn block(&mut self, block: &[u8], is_end: bool) -> usize {
        let mut at = 0;
        while at < block.len() {
            if self.linger == 0 && !self.segmenter.is_open() {
                let Some(found) = header_in(block, at, is_end) else {
                    let keep = lines_back(block, at, block.len());
                    let is_over = is_end || block.len() - keep > BLOCK_BYTES;
                    let keep = if is_over { block.len() } else { keep };
                    self.skip(&block[at..keep]);
                    return keep;
                };
                let begin = lines_back(block, at, found);
                self.skip(&block[at..begin]);
                at = begin;
                self.linger = LINES_BEFORE as u32 + LINES_AFTER;
            }
            let end = memchr(b'\n', &block[at..]).map_or(block.len(), |end| at + end + 1);
            self.line(&block[at..end]);
            at = end;
        }
        at
    }

    /// Counts lines that nobody looks at.
    fn skip(&mut self, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        // What was kept back belongs to lines that are over.
        self.flush();
        self.size.lines += memchr_iter(b'\n', lines).count() as u64;
        self.in_line = !lines.ends_with(b"\n");
    }

    fn line(&mut self, line: &[u8]) {
        let number = self.size.lines + 1;
        self.in_line = !line.ends_with(b"\n");
        self.size.lines += u64::from(!self.in_line);
        let line = line.trim_ascii_end();
        self.linger = self.linger.saturating_sub(1);
        let Self {
            cleaner,
            segmenter,
            take,
            ..
        } = self;
        cleaner.push(number, line, &mut |line| {
            if let Some(section) = segmenter.push(line) {
                take(section);
            }
        });
        if self.linger == 0 && !self.segmenter.is_open() {
            self.flush();
        } else if self.segmenter.is_open() {
            self.linger = self.linger.max(1);
        }
    }

    fn flush(&mut self) {
        let Self {
            cleaner,
            segmenter,
            take,
            ..
        } = self;
        cleaner.finish(&mut |line| {
            if let Some(section) = segmenter.push(line) {
                take(section);
            }
        });
    }

    fn finish(&mut self) {
        self.size.lines += u64::from(self.in_line);
        self.flush();
        if let Some(section) = self.segmenter.finish() {
            (self.take)(section);
        }
    }
}

/// Where the first word lies from `least` on that may be of a header; `None` if there is none.
fn header_in(block: &[u8], least: usize, is_end: bool) -> Option<usize> {
    let mut at = least;
    loop {
        let found = SEARCH.find(&block[at..])?;
        let (start, end) = (at + found.start(), at + found.end());
        let near = start.saturating_sub(NEAR_BYTES).max(least)..(end + NEAR_BYTES).min(block.len());
        let goes_on = near.end == block.len() && !is_end;
        let has_other = |range: Range<usize>| SEARCH.is_match(&block[range]);
        let is_broken = || {
            block[near.clone()]
                .windows(2)
                .any(|pair| pair == b"=\n" || pair == b"=\r")
        };
        if goes_on || has_other(end..near.end) || has_other(near.start..start) || is_broken() {
            return Some(start);
        }
        at = end;
    }
}

/// The begin of the line that `at` lies in, and of up to [`LINES_BEFORE`] before it, but not before
/// `least`.
fn lines_back(block: &[u8], least: usize, at: usize) -> usize {
    let mut begin = at;
    for _ in 0..=LINES_BEFORE {
        match memrchr(b'\n', &block[least..begin.saturating_sub(1).max(least)]) {
            Some(end) => begin = least + end + 1,
            None => return least,
        }
    }
    begin
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections(log: &str, piece: usize) -> (Vec<(u64, usize)>, Size) {
        struct Pieces<'a>(&'a [u8], usize);
        impl Read for Pieces<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let count = self.0.len().min(self.1).min(buffer.len());
                let (now, later) = self.0.split_at(count);
                buffer[..count].copy_from_slice(now);
                self.0 = later;
                Ok(count)
            }
        }
        let mut found = Vec::new();
        let mut take =
            |section: Section| found.push((section.lines[0].number, section.lines.len()));
        let size = read(&mut Pieces(log.as_bytes(), piece), &mut take).expect("memory reads");
        (found, size)
    }

    #[test]
    fn a_report_is_found_wherever_blocks_end() {
        let noise = "usb 1-1: new high-speed USB device number 2\n".repeat(500);
        let report = "WARNING: possible recursive locking detected\n5.10.0 #1 Not tainted\n\
                      a/1 is trying to acquire lock:\nc0123456 (&x){+.+.}-{2:2}, at: f+0x1/0x2\n";
        let log = format!("{noise}{report}{noise}{report}");
        for piece in [1, 7, 100, 4096, 1 << 20] {
            let (found, size) = sections(&log, piece);
            assert_eq!(found, [(501, 4), (1005, 4)], "{piece}");
            assert_eq!(size.lines, 1008);
            assert_eq!(size.bytes, log.len() as u64);
        }
    }

    #[test]
    fn a_line_without_an_end_takes_no_more_memory_than_the_buffer() {
        let log = "circular ".repeat(200_000);
        let (found, size) = sections(&log, 1 << 20);
        assert_eq!(found, []);
        assert_eq!(size.bytes, log.len() as u64);
    }
}
