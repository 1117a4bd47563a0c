//! Lines → the sections that are reports.
//!
//! A section begins with a header and ends with the next one, with the end of a trace, or when nothing
//! that reports consist of was seen for a while. Reports of what processors do that follow each other
//! are one section: one processor waits for another.

use super::{clean::Line, kind::Kind, parse};

/// Lines in a row that belong to no report, after which a report is over.
const FOREIGN_LINES: usize = 40;

/// Longest report, lines; more are left out. A dump of 256 processors has about ten thousand.
const SECTION_LINES: usize = 20_000;

/// All lines of one report together, bytes.
const SECTION_BYTES: usize = 4 << 20;

/// Reports of processors that are farther apart are two incidents, microseconds.
const INCIDENT_US: u64 = 120_000_000;

/// The lines of one report.
#[derive(Debug)]
pub(super) struct Section {
    /// What its first line said.
    pub(super) kind: Kind,
    /// Its lines, the header first.
    pub(super) lines: Vec<Line>,
    /// Bytes of its lines.
    pub(super) bytes: usize,
    /// Lines at the end that no report consists of.
    foreign: usize,
}

/// Cuts lines into sections.
#[derive(Debug, Default)]
pub(super) struct Segmenter {
    open: Option<Section>,
}

impl Segmenter {
    /// Whether a report is being read.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Takes the next line, and gives out the section that it ended.
    pub(super) fn push(&mut self, line: Line) -> Option<Section> {
        let begins = self.begins(&line);
        let Some(open) = &mut self.open else {
            self.open = begins.map(|kind| Section::new(kind, line));
            return None;
        };
        if let Some(kind) = begins {
            if open.goes_on_with(kind, &line) {
                open.foreign = 0;
                open.add(line);
                return None;
            }
            return self
                .open
                .replace(Section::new(kind, line))
                .map(Section::trimmed);
        }
        open.foreign = if parse::is_part(&line.text) {
            0
        } else {
            open.foreign + 1
        };
        let is_end = line.text.starts_with("---[ end ") && !open.kind.shows_cpus();
        open.add(line);
        if is_end || open.foreign >= FOREIGN_LINES {
            return self.finish();
        }
        None
    }

    /// Gives out the section that is open at the end.
    pub(super) fn finish(&mut self) -> Option<Section> {
        self.open.take().map(Section::trimmed)
    }

    /// The kind of the report that a line begins. What stands in the middle of a report begins one
    /// only where none is open.
    fn begins(&self, line: &Line) -> Option<Kind> {
        let header = Kind::of_header(&line.text);
        if header.is_some() || self.open.is_some() {
            return header;
        }
        Kind::is_middle(&line.text).then_some(Kind::Headless)
    }
}

impl Section {
    fn new(kind: Kind, line: Line) -> Self {
        Self {
            kind,
            bytes: line.text.len(),
            lines: vec![line],
            foreign: 0,
        }
    }

    /// What is too much is left out.
    fn add(&mut self, line: Line) {
        if self.lines.len() < SECTION_LINES && self.bytes < SECTION_BYTES {
            self.bytes += line.text.len();
            self.lines.push(line);
        }
    }

    /// Whether another header tells more of the same incident.
    fn goes_on_with(&self, kind: Kind, line: &Line) -> bool {
        // What is suspicious has the words of a header in old kernels; robots print a failed check
        // once for each inlined call.
        let may_repeat = matches!(kind, Kind::RcuUsage | Kind::WriterAssert);
        if kind == self.kind && may_repeat && self.lines.len() < 4 {
            return true;
        }
        if !(self.kind.shows_cpus() && kind.shows_cpus()) || self.lines.len() >= SECTION_LINES {
            return false;
        }
        let begin = self.lines.iter().find_map(|line| line.time_us);
        match (begin, line.time_us) {
            (Some(begin), Some(now)) => now.saturating_sub(begin) <= INCIDENT_US,
            (None, _) | (_, None) => true,
        }
    }

    /// Without the lines after its end.
    fn trimmed(mut self) -> Self {
        let last = self
            .lines
            .iter()
            .rposition(|line| parse::is_part(&line.text));
        self.lines.truncate(last.map_or(1, |last| last + 1));
        self
    }
}
