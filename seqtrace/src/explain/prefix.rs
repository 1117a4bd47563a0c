//! A line as some logger wrote it → the text that the kernel printed, and when.
//!
//! Takes off what `dmesg`, consoles, syslog and journald put in front. Indentation goes too: no report
//! means anything by it.

/// How far into a line the word `kernel:` of a syslog prefix is looked for, bytes.
const SYSLOG_BYTES: usize = 120;

/// Words that a syslog prefix has before `kernel:`: a date of three, a host, a facility and a level.
const SYSLOG_WORDS: usize = 6;

/// What is left of a line, and what its prefix said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Stripped<'a> {
    /// The text, without blanks around it.
    pub(super) text: &'a str,
    /// Whether there was a prefix.
    pub(super) prefixed: bool,
    /// Time since boot, microseconds, where the prefix has one.
    pub(super) time_us: Option<u64>,
}

/// Takes every prefix off a line, in whatever order they come.
pub(super) fn strip(line: &str) -> Stripped<'_> {
    let mut stripped = Stripped {
        text: line.trim(),
        prefixed: false,
        time_us: None,
    };
    while let Some((rest, time_us)) = strip_one(stripped.text) {
        stripped.text = rest.trim_start();
        stripped.prefixed = true;
        stripped.time_us = time_us.or(stripped.time_us);
    }
    stripped
}

/// Takes marks of quotation off the front of a line of mail.
pub(super) fn unquote(line: &str) -> &str {
    let mut line = line;
    while let Some(rest) = line.trim_start().strip_prefix('>') {
        line = rest;
    }
    line
}

fn strip_one(text: &str) -> Option<(&str, Option<u64>)> {
    if let Some(rest) = level(text).or_else(|| facility(text)) {
        return Some((rest, None));
    }
    if let Some((inside, rest)) = bracketed(text) {
        if let Some(time_us) = seconds(inside) {
            return Some((rest, Some(time_us)));
        }
        return (is_caller(inside) || has_clock(inside)).then_some((rest, None));
    }
    if let Some((time_us, rest)) = record(text) {
        return Some((rest, Some(time_us)));
    }
    syslog(text)
        .or_else(|| iso_date(text))
        .map(|rest| (rest, None))
}

/// `<4>` of the raw log.
fn level(text: &str) -> Option<&str> {
    let (digits, rest) = text.strip_prefix('<')?.split_once('>')?;
    let is_level = (1..=3).contains(&digits.len()) && is_digits(digits);
    is_level.then_some(rest)
}

/// `4,1413,238140695,-;` of `/dev/kmsg` and netconsole.
fn record(text: &str) -> Option<(u64, &str)> {
    let (head, rest) = text.split_once(';')?;
    let mut fields = head.split(',');
    let (level, number, time_us) = (fields.next()?, fields.next()?, fields.next()?);
    let has_flags = fields.next().is_some();
    if level.len() > 3 || !is_digits(level) || !is_digits(number) || !has_flags {
        return None;
    }
    Some((time_us.parse().ok()?, rest))
}

/// `kern  :warn  :` of `dmesg --decode`.
fn facility(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("kern")?.trim_start().strip_prefix(':')?;
    let (level, rest) = rest.split_once(':')?;
    let level = level.trim();
    let is_level = level.len() <= 6 && level.bytes().all(|byte| byte.is_ascii_lowercase());
    is_level.then_some(rest)
}

fn bracketed(text: &str) -> Option<(&str, &str)> {
    let (inside, rest) = text.strip_prefix('[')?.split_once(']')?;
    Some((inside.trim(), rest))
}

/// `528.077900` → microseconds.
fn seconds(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.')?;
    if !is_digits(whole) || !is_digits(part) || part.len() > 9 {
        return None;
    }
    let micros: u64 = format!("{part:0<6}").get(..6)?.parse().ok()?;
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(1_000_000)?
        .checked_add(micros)
}

/// `T7867`, `C14` of `CONFIG_PRINTK_CALLER`.
fn is_caller(text: &str) -> bool {
    let number = text.strip_prefix(['T', 'C']);
    number.is_some_and(is_digits)
}

/// Whether a date stands in brackets, as `dmesg -T` has it: there is a time of day.
fn has_clock(text: &str) -> bool {
    text.len() <= 40 && has_time_of_day(text)
}

fn has_time_of_day(text: &str) -> bool {
    text.as_bytes().windows(8).any(|window| {
        let is_digit = |at: usize| window[at].is_ascii_digit();
        let are_digits = [0, 1, 3, 4, 6, 7].into_iter().all(is_digit);
        are_digits && window[2] == b':' && window[5] == b':'
    })
}

/// `Sep 14 20:20:01 host kernel:`, `host kernel:`, `kernel:`.
fn syslog(text: &str) -> Option<&str> {
    let mut end = text.len().min(SYSLOG_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let at = text[..end].find("kernel:")?;
    let before = &text[..at];
    let is_prefix = (before.is_empty() || before.ends_with([' ', '.']))
        && before.split_whitespace().count() <= SYSLOG_WORDS
        && !before.contains("+0x");
    is_prefix.then(|| &text[at + "kernel:".len()..])
}

/// `2020-09-14T20:20:01.123Z` of a collector of logs.
fn iso_date(text: &str) -> Option<&str> {
    let (date, rest) = text.split_once(' ')?;
    let is_date = date.len() >= 19
        && date.len() <= 40
        && date.is_ascii()
        && is_digits(&date[..4])
        && has_time_of_day(date);
    is_date.then_some(rest)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_is_taken_off() {
        for prefix in [
            "[  528.077900] ",
            "[ 528.077900][ T7867] ",
            "[  528.077900] [   C14] ",
            "<4>[  528.077900] ",
            "<4>",
            "kern  :warn  : [  528.077900] ",
            "4,1413,528077900,-;",
            "[Mon Sep 14 20:20:01 2020] ",
            "Sep 14 20:20:01 host kernel: ",
            "Sep 14 20:20:01 host kernel: [  528.077900] ",
            "2020-09-14T20:20:01+0200 host kernel: ",
            "2020-09-14T20:20:01.000001Z [  528.077900] ",
        ] {
            for text in [
                "-> #1 (pidmap_lock){....}-{2:2}:",
                "[<c0101234>] (dump) from [<c0105678>] (show+0x10/0x14)",
                "[c000001ff07eefc0] [c00000000063f8c8] dump_stack+0xec/0x144",
                "[ BUG: Invalid wait context ]",
                "free_pid at kernel/pid.c:131",
            ] {
                let line = format!("{prefix}{text}");
                let stripped = strip(&line);
                assert_eq!(stripped.text, text, "{line}");
                assert!(stripped.prefixed, "{line}");
                let time = prefix.contains("528").then_some(528_077_900);
                assert_eq!(stripped.time_us, time, "{line}");
            }
        }
    }

    #[test]
    fn what_is_no_prefix_stays() {
        for text in [
            "[ INFO: possible recursive locking detected ]",
            "[<0000000000112233>] lock_acquire+0x1/0x2",
            "(inlined by) copy_process at kernel/fork.c:2104",
            "<Interrupt>",
            "kernel BUG at fs/inode.c:12",
        ] {
            assert_eq!(strip(text).text, text);
            assert!(!strip(text).prefixed, "{text}");
        }
    }

    #[test]
    fn quotation_goes_however_deep_it_is() {
        assert_eq!(unquote("> > >> a > b"), " a > b");
        assert_eq!(unquote("-> #1"), "-> #1");
    }
}
