//! The bytes of a recording → its header, snapshots and events.

use std::io::{BufRead, BufReader, ErrorKind, Read as _};

use anyhow::{Context as _, Result, bail, ensure};
use memchr::memmem::Finder;
use zstd::stream::read::Decoder;

use super::{
    FORMAT, Header, Taken, limits,
    lines::{EVENT, HEADER, HOLD, Head, HeaderLine, LAST, SNAPSHOT},
    names::Names,
    numbering::make_safe,
};
use crate::aggregate::{SiteLabel, occurrence::Occurrence};

/// What every zstd stream begins with (RFC 8878, 3.1.1).
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// What is read at once, bytes.
const BUFFER_BYTES: usize = 1 << 17;

/// What to say of a file that holds something else.
const FOREIGN: &str = "it is no recording: `seqtrace record` writes them";

/// How a recording ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ending {
    /// With its last snapshot.
    Whole,
    /// Before its last snapshot: the recorder was killed, or the file was cut.
    Cut,
    /// At something that no seqtrace wrote, and what that is; the rest of the file is not read.
    Damaged(String),
}

/// What follows the header.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// The totals so far.
    Snapshot(Box<Taken>),
    /// One event, its site and stack by number.
    Event(Occurrence),
}

/// A recording being read, from its beginning to its end or to the first damage.
pub struct Reader<R: BufRead> {
    input: BufReader<Decoder<'static, R>>,
    header: Header,
    line: Vec<u8>,
    names: Names,
    /// Whether the line read last closes the file.
    closed: bool,
    ending: Option<Ending>,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// When this is no recording, or one of a newer version; in one line, to stand behind the name of
    /// the file.
    pub fn open(mut input: R) -> Result<Self> {
        let start = input.fill_buf()?;
        ensure!(!start.is_empty(), "it is empty: nothing was recorded");
        let length = start.len().min(MAGIC.len());
        ensure!(start[..length] == MAGIC[..length], FOREIGN);
        let mut decoder = Decoder::with_buffer(input)?;
        decoder.window_log_max(limits::WINDOW_LOG)?;
        let mut reader = Self {
            input: BufReader::with_capacity(BUFFER_BYTES, decoder),
            header: Header::default(),
            line: Vec::new(),
            names: Names::default(),
            closed: false,
            ending: None,
        };
        if !reader.next_line() {
            match reader.ending {
                Some(Ending::Damaged(_)) => bail!(FOREIGN),
                Some(Ending::Cut | Ending::Whole) | None => {
                    bail!("it is cut off in its first line: nothing can be read")
                }
            }
        }
        reader.header = header(&reader.line)?;
        Ok(reader)
    }

    /// What the recording is of.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How the recording ends; known when nothing more can be read.
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// How the site of an event is called.
    pub fn site(&self, event: &Occurrence) -> Option<&SiteLabel> {
        self.names.site(event.site)
    }

    /// The frames of an event, outermost first; none where its stack was lost or not asked for.
    pub fn frames(&self, event: &Occurrence) -> impl Iterator<Item = &str> {
        self.names.frames(event.stack)
    }

    /// The next snapshot or event; `None` at the end, be it that of the file or of what can be read.
    /// Without `events` these are passed over, which is much faster.
    pub fn next(&mut self, events: bool) -> Option<Entry> {
        if !self.next_entry(events) {
            return None;
        }
        let entry = if self.line.starts_with(EVENT) {
            self.names.event(&self.line).map(Entry::Event)
        } else {
            let snapshot = self.names.snapshot(&self.line);
            let last = self.closed;
            snapshot.map(|snapshot| Entry::Snapshot(Box::new(Taken { last, snapshot })))
        };
        match entry {
            Ok(entry) => Some(entry),
            Err(error) => {
                self.end_damaged(&error);
                None
            }
        }
    }

    /// The next event; snapshots are passed over unread.
    pub fn next_event(&mut self) -> Option<Occurrence> {
        self.next_event_if(|_, _| true)
    }

    /// The next event that is a hold, or that may name the one it waited for; other events are passed over
    /// unread, and snapshots too.
    pub fn next_event_about_holds(&mut self) -> Option<Occurrence> {
        let hold = Finder::new(HOLD);
        self.next_event_if(|names, line| names.has_writers() || hold.find(line).is_some())
    }

    fn next_event_if(&mut self, is_wanted: impl Fn(&Names, &[u8]) -> bool) -> Option<Occurrence> {
        while self.next_entry(true) {
            if !self.line.starts_with(EVENT) || !is_wanted(&self.names, &self.line) {
                continue;
            }
            match self.names.event(&self.line) {
                Ok(event) => return Some(event),
                Err(error) => self.end_damaged(&error),
            }
        }
        None
    }

    /// The last snapshot that can be read; the others are not parsed.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn last_snapshot(&mut self) -> Result<Taken> {
        let mut newest = Vec::new();
        while self.next_entry(false) {
            std::mem::swap(&mut newest, &mut self.line);
        }
        if newest.is_empty() {
            match &self.ending {
                Some(Ending::Damaged(what)) => {
                    bail!("it is damaged before its first snapshot: {what}")
                }
                Some(Ending::Cut | Ending::Whole) | None => {
                    bail!("it is cut off before its first snapshot: no number was recorded")
                }
            }
        }
        Ok(Taken {
            last: newest.starts_with(LAST),
            snapshot: self.names.snapshot(&newest)?,
        })
    }

    /// Goes on to the next snapshot or, with `events`, event; takes over names on the way.
    fn next_entry(&mut self, events: bool) -> bool {
        while self.next_line() {
            if self.line.starts_with(EVENT) {
                if events {
                    return true;
                }
            } else if self.closed || self.line.starts_with(SNAPSHOT) {
                return true;
            } else if let Err(error) = self.names.take_over(&self.line) {
                self.end_damaged(&error);
            }
        }
        false
    }

    /// Reads one line, without its end; `false` at the end of what can be read.
    fn next_line(&mut self) -> bool {
        if self.ending.is_some() {
            return false;
        }
        self.line.clear();
        let mut bounded = (&mut self.input).take(limits::LINE_BYTES as u64);
        let read = bounded.read_until(b'\n', &mut self.line);
        self.ending = match read {
            Ok(0) if self.closed => Some(Ending::Whole),
            Ok(0) => Some(Ending::Cut),
            Ok(_) if self.line.pop_if(|byte| *byte == b'\n').is_some() => None,
            Ok(length) if length == limits::LINE_BYTES => {
                Some(Ending::Damaged("a line is too long".to_owned()))
            }
            Ok(_) => Some(Ending::Cut),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Some(Ending::Cut),
            Err(error) => Some(Ending::Damaged(error.to_string())),
        };
        if self.ending.is_none() {
            self.closed = self.line.starts_with(LAST);
        }
        self.ending.is_none()
    }

    fn end_damaged(&mut self, error: &anyhow::Error) {
        self.ending = Some(Ending::Damaged(format!("{error:#}")));
    }
}

fn header(line: &[u8]) -> Result<Header> {
    ensure!(line.starts_with(HEADER), FOREIGN);
    let head: HeaderLine<Head> = serde_json::from_slice(line).context(FOREIGN)?;
    let Head {
        format,
        mut version,
    } = head.recording;
    make_safe(&mut version);
    ensure!(
        format <= FORMAT,
        "it is of format {format}, and this seqtrace reads up to {FORMAT}: use seqtrace {version} or a \
         newer one"
    );
    ensure!(format > 0, "it is of format 0: no seqtrace wrote that");
    let header: HeaderLine = serde_json::from_slice(line).context("its first line is damaged")?;
    Ok(safe(header.recording))
}

/// The header with text that is safe on a terminal.
fn safe(mut header: Header) -> Header {
    let Header {
        format: _,
        version,
        release,
        build_id,
        realtime: _,
        host,
        cpus: _,
        words,
        began_unix_ns: _,
        began_ns: _,
        part: _,
        coverage: _,
    } = &mut header;
    let texts = [version, release, build_id, host];
    texts.into_iter().chain(words).for_each(make_safe);
    header
}
