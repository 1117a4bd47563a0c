//! Snapshots and events → the bytes of a recording.

use std::{
    io::{self, Write},
    mem,
};

use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;
use zstd::stream::write::Encoder;

use super::{
    Header, limits,
    lines::{EventLine, HeaderLine, NameLine, SnapshotLine},
    numbering,
};
use crate::aggregate::{SiteLabel, occurrence::Occurrence, snapshot::Snapshot};

/// Level of compression: the library's own default.
const LEVEL: i32 = 3;

/// One file being written. Dropped without [`Writer::finish`] it leaves one that is cut off.
pub struct Writer<W: Write> {
    out: Encoder<'static, Counted<W>>,
    line: Vec<u8>,
    sites: FxHashSet<u32>,
    names: FxHashMap<String, u32>,
    stacks: FxHashMap<Vec<u32>, u32>,
    /// Numbers in the file by those that events come with.
    stack_of_event: FxHashMap<u32, u32>,
}

impl<W: Write> Writer<W> {
    /// Begins a recording in `out` with its header.
    ///
    /// # Errors
    ///
    /// When `out` cannot be written.
    pub fn begin(out: W, header: &Header) -> io::Result<Self> {
        let counted = Counted { out, bytes: 0 };
        let mut encoder = Encoder::new(counted, LEVEL)?;
        encoder.include_checksum(true)?;
        let mut writer = Self {
            out: encoder,
            line: Vec::new(),
            sites: FxHashSet::default(),
            names: FxHashMap::default(),
            stacks: FxHashMap::default(),
            stack_of_event: FxHashMap::default(),
        };
        writer.line(&HeaderLine { recording: header })?;
        writer.flush()?;
        Ok(writer)
    }

    /// Adds an event. `label` names its site and `frames` its stack, outermost first; they are asked
    /// for what is not in the file yet.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn event(
        &mut self,
        event: &Occurrence,
        label: impl FnOnce() -> SiteLabel,
        frames: impl FnOnce() -> Vec<String>,
    ) -> io::Result<()> {
        if self.sites.insert(event.site) {
            self.line(&NameLine::Site(event.site, label()))?;
        }
        let known = event
            .stack
            .and_then(|stack| self.stack_of_event.get(&stack));
        let stack = match (event.stack, known) {
            (None, _) => None,
            (Some(_), Some(number)) => Some(*number),
            (Some(stack), None) => {
                let number = self.stack(frames())?;
                self.stack_of_event.insert(stack, number);
                Some(number)
            }
        };
        self.line(&EventLine {
            event: &Occurrence {
                stack,
                ..event.clone()
            },
        })
    }

    /// Adds a snapshot, and hands everything so far over to the file; `last` closes the recording.
    ///
    /// # Errors
    ///
    /// When the file cannot be written, or the snapshot is larger than a reader takes.
    pub fn snapshot(&mut self, snapshot: &Snapshot, last: bool) -> io::Result<()> {
        let mut value = serde_json::to_value(snapshot).map_err(io::Error::other)?;
        let mut failed = None;
        numbering::number(&mut value, &mut |frames| {
            self.stack(frames).unwrap_or_else(|error| {
                failed = Some(error);
                0
            })
        });
        if let Some(error) = failed {
            return Err(error);
        }
        self.line(&if last {
            SnapshotLine::Last(value)
        } else {
            SnapshotLine::Snapshot(value)
        })?;
        self.flush()
    }

    /// Bytes of the file so far, without what was not flushed.
    pub fn bytes(&self) -> u64 {
        self.out.get_ref().bytes
    }

    /// Ends the stream and gives the file back.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn finish(self) -> io::Result<W> {
        let mut counted = self.out.finish()?;
        counted.flush()?;
        Ok(counted.out)
    }

    fn flush(&mut self) -> io::Result<()> {
        // Ends a block: a reader gets everything up to here.
        self.out.flush()
    }

    /// The number of a stack; one that is new is written first.
    fn stack(&mut self, frames: Vec<String>) -> io::Result<u32> {
        let mut numbers = Vec::with_capacity(frames.len());
        for frame in frames {
            numbers.push(self.frame(frame)?);
        }
        if let Some(number) = self.stacks.get(&numbers) {
            return Ok(*number);
        }
        let number = self.stacks.len() as u32;
        self.line(&NameLine::Stack(numbers.clone()))?;
        self.stacks.insert(numbers, number);
        Ok(number)
    }

    fn frame(&mut self, name: String) -> io::Result<u32> {
        if let Some(number) = self.names.get(&name) {
            return Ok(*number);
        }
        let number = self.names.len() as u32;
        self.line(&NameLine::Frame(name.clone()))?;
        self.names.insert(name, number);
        Ok(number)
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut bytes = mem::take(&mut self.line);
        bytes.clear();
        serde_json::to_writer(&mut bytes, line)?;
        bytes.push(b'\n');
        let written = if bytes.len() > limits::LINE_BYTES {
            Err(io::Error::other(format!(
                "a snapshot takes {} bytes, more than a recording can hold: lower --map-entries",
                bytes.len()
            )))
        } else {
            self.out.write_all(&bytes)
        };
        self.line = bytes;
        written
    }
}

/// Counts what goes through.
struct Counted<W> {
    out: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
