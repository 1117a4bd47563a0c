//! The lines of a file → the lines that the kernel printed, one by one.
//!
//! Undoes what mail does (quotation, quoted-printable, wrapping) and what loggers do (prefixes, `#012`,
//! an empty line where the kernel began a text with a line feed, lines that come twice). It never looks
//! ahead: what waits for its end is kept, and [`Cleaner::finish`] brings it out.

use super::{
    parse::{self, frame},
    prefix,
};

/// Longest line that is kept, bytes; the rest of a longer one is left out.
const LINE_BYTES: usize = 4096;

/// Longest line that quoted-printable broke, bytes: it may have a whole report in it, by `#012`.
const JOINED_BYTES: usize = 1 << 18;

/// Quoted-printable breaks a line before its 77th byte; some break earlier, none this early.
const SOFT_BREAK_BYTES: usize = 60;

/// One line as the kernel printed it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Line {
    /// Where it began, counted from 1 in the lines of the file.
    pub(super) number: u64,
    /// The text without prefix.
    pub(super) text: String,
    /// Time since boot, microseconds, where the prefix has one.
    pub(super) time_us: Option<u64>,
    /// Whether it had a prefix, so that a line without one may be the rest of it.
    prefixed: bool,
}

/// What is known of the lines before.
#[derive(Debug, Default)]
pub(super) struct Cleaner {
    /// A line that quoted-printable broke, with the number of its first part.
    soft: Option<(u64, String)>,
    /// The text is quoted-printable.
    encoded: bool,
    /// A line that may go on.
    pending: Option<Line>,
    /// The last text that was given out, to drop its double.
    last: Option<String>,
}

impl Cleaner {
    /// Takes one line of the file, without its line feed, and gives out what is whole.
    pub(super) fn push(&mut self, number: u64, line: &[u8], out: &mut impl FnMut(Line)) {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end();
        self.encoded |= line.contains("=3D");
        if !self.encoded && !is_soft_break(line, SOFT_BREAK_BYTES) && self.soft.is_none() {
            self.decoded(number, line, out);
            return;
        }
        let (number, mut whole) = self.soft.take().unwrap_or((number, String::new()));
        if is_soft_break(line, 2) && whole.len() < JOINED_BYTES {
            whole += &line[..line.len() - 1];
            self.soft = Some((number, whole));
            return;
        }
        whole += line;
        let whole = if self.encoded { decode(&whole) } else { whole };
        self.decoded(number, &whole, out);
    }

    /// Gives out what was still waiting for its end.
    pub(super) fn finish(&mut self, out: &mut impl FnMut(Line)) {
        if let Some((number, line)) = self.soft.take() {
            self.decoded(number, &line, out);
        }
        if let Some(line) = self.pending.take() {
            self.give(line, out);
        }
        self.encoded = false;
    }

    /// A line as it was before it was encoded: quoted, or several in one.
    fn decoded(&mut self, number: u64, line: &str, out: &mut impl FnMut(Line)) {
        let line = prefix::unquote(line);
        if !line.contains("#012") {
            self.single(number, line, false, out);
            return;
        }
        for part in line.split("#012") {
            self.single(number, &part.replace("#011", " "), true, out);
        }
    }

    fn single(&mut self, number: u64, line: &str, whole: bool, out: &mut impl FnMut(Line)) {
        let stripped = prefix::strip(line);
        let prefixed = stripped.prefixed || whole;
        if stripped.text.is_empty() {
            // Without a prefix it ends a paragraph of mail; with one the kernel began with a line feed.
            if let Some(line) = self.pending.take() {
                self.give(line, out);
            }
            return;
        }
        if let Some(pending) = &mut self.pending
            && continues(pending, stripped.text, prefixed)
        {
            if pending.text.len() + stripped.text.len() < LINE_BYTES {
                pending.text.push(' ');
                pending.text += stripped.text;
            }
            return;
        }
        if let Some(line) = self.pending.take() {
            self.give(line, out);
        }
        self.pending = Some(Line {
            number,
            text: cut(stripped.text).to_owned(),
            time_us: stripped.time_us,
            prefixed,
        });
    }

    fn give(&mut self, line: Line, out: &mut impl FnMut(Line)) {
        if self.last.as_ref() == Some(&line.text) {
            return;
        }
        self.last = Some(line.text.clone());
        out(line);
    }
}

/// Whether `text` is what a mailer wrapped off the end of `pending`.
fn continues(pending: &Line, text: &str, prefixed: bool) -> bool {
    if prefixed {
        return false;
    }
    if wants_more(&pending.text) || is_remark(text) {
        return true;
    }
    pending.prefixed && !parse::stands_alone(text)
}

/// Whether a text can only be the end of a frame.
fn is_remark(text: &str) -> bool {
    text == "(unreliable)" || text.starts_with("(discriminator ")
}

/// Whether a line cannot end as it does.
fn wants_more(text: &str) -> bool {
    let is_address = |word: &str| {
        let inside = word
            .strip_prefix('[')
            .and_then(|word| word.strip_suffix(']'));
        inside.is_some_and(frame::is_address)
    };
    text.ends_with(", at:")
        || text.ends_with("},")
        || (text.ends_with(" at")
            && frame::is_name(
                text.trim_start_matches("(inlined by) ")
                    .trim_end_matches(" at"),
            ))
        || text == "(inlined by)"
        || text.split_whitespace().all(is_address)
}

/// Whether a line ends with the `=` that joins it to the next. A rule of `=` is none.
fn is_soft_break(line: &str, least: usize) -> bool {
    line.len() >= least && line.ends_with('=') && !line.ends_with("==")
}

/// `=3D` → `=`. Anything that is no such code stays.
fn decode(line: &str) -> String {
    let mut bytes = Vec::with_capacity(line.len());
    let mut rest = line.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = after
            .get(..2)
            .and_then(|code| std::str::from_utf8(code).ok());
        let code = code.filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(decoded) if byte == b'=' => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).trim_end().to_owned()
}

/// At most [`LINE_BYTES`] of a text.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(LINE_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(text: &str) -> Vec<(u64, String)> {
        let mut lines = Vec::new();
        let mut cleaner = Cleaner::default();
        let mut out = |line: Line| lines.push((line.number, line.text));
        for (number, line) in (1..).zip(text.lines()) {
            cleaner.push(number, line.as_bytes(), &mut out);
        }
        cleaner.finish(&mut out);
        lines
    }

    #[test]
    fn wrapped_lines_are_joined_and_notes_of_sources_are_not() {
        let lines = clean(
            "[ 1.0] c0 (&s->seqcount#2){....}-{0:0}, at:\n__slab_alloc+0x34/0xf0\n\
             [ 1.0] but task is already\nholding lock:\n\
             [ 1.0] free_pid+0x5c/0x160\nfree_pid at kernel/pid.c:131\n\
             (inlined by) x at kernel/y.c:1\n",
        );
        let expected = [
            (
                1,
                "c0 (&s->seqcount#2){....}-{0:0}, at: __slab_alloc+0x34/0xf0",
            ),
            (3, "but task is already holding lock:"),
            (5, "free_pid+0x5c/0x160"),
            (6, "free_pid at kernel/pid.c:131"),
            (7, "(inlined by) x at kernel/y.c:1"),
        ];
        let expected = expected.map(|(number, text)| (number, text.to_owned()));
        assert_eq!(lines, expected);
    }

    #[test]
    fn quoted_printable_is_decoded_and_joined() {
        let lines = clean(
            "=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=\n=3D=3D\n\
             > WARNING: possible circular=20\n> locking dep=\nendency detected\n",
        );
        assert_eq!(lines[0].1, "=".repeat(26));
        assert_eq!(lines[2], (4, "locking dependency detected".to_owned()));
    }

    #[test]
    fn a_report_in_one_line_of_syslog_is_taken_apart() {
        let lines =
            clean("Sep 14 20:20:01 host kernel: a:#012#012b (x){....}, at: f+0x1/0x2#012 c");
        let texts: Vec<&str> = lines.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["a:", "b (x){....}, at: f+0x1/0x2", "c"]);
    }

    #[test]
    fn doubled_lines_count_once() {
        let lines = clean("[ 1.0]\n[ 1.0] a:\n[ 1.0] a:\n[ 1.0] b\n");
        assert_eq!(lines, [(2, "a:".to_owned()), (4, "b".to_owned())]);
    }
}
