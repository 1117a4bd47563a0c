//! A log → the same log as somebody else has it: a fixed sequence of accidents, so that each can be
//! repeated.

/// What became of a log.
pub(crate) struct Mangled {
    pub(crate) text: String,
    /// Parts of it are missing.
    pub(crate) is_cut: bool,
    /// What was done, for messages.
    pub(crate) how: String,
}

/// Knuth's MMIX generator.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % limit
    }
}

/// Variant `number` of a log whose lines begin with `[ts][ Tn] ` or with nothing.
pub(crate) fn mangle(log: &str, number: u64) -> Mangled {
    let mut random = Random(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut how = Vec::new();
    let style = random.below(STYLES.len());
    how.push(STYLES[style].to_owned());
    let mut lines: Vec<String> = log.lines().map(|line| prefixed(line, style)).collect();
    if random.below(4) == 0 {
        how.push("doubled".to_owned());
        lines = lines
            .into_iter()
            .flat_map(|line| [line.clone(), line])
            .collect();
    }
    if style == SYSLOG && random.below(2) == 0 {
        how.push("one line".to_owned());
        lines = vec![lines.join("#012")];
    } else if random.below(3) == 0 {
        let width = 66 + random.below(40);
        how.push(format!("wrapped at {width}"));
        lines = lines.iter().flat_map(|line| wrapped(line, width)).collect();
    }
    for _ in 0..random.below(3) {
        how.push("quoted".to_owned());
        lines = lines.iter().map(|line| format!("> {line}")).collect();
    }
    let mut text = lines.join("\n") + "\n";
    if random.below(3) == 0 {
        how.push("quoted-printable".to_owned());
        text = quoted_printable(&text);
    }
    if random.below(4) == 0 {
        how.push("CRLF".to_owned());
        text = text.replace('\n', "\r\n");
    }
    let is_cut = random.below(3) == 0;
    if is_cut {
        let (mut from, mut to) = (random.below(text.len()), random.below(text.len()));
        if from > to {
            (from, to) = (to, from);
        }
        text = match random.below(3) {
            0 => text[..to].to_owned(),
            1 => text[from / 2..].to_owned(),
            _ => format!("{}{}", &text[..from], &text[to..]),
        };
        how.push("cut".to_owned());
    }
    let noise = "usb 1-1: new high-speed USB device number 2 using xhci_hcd\n";
    text = format!(
        "{}{text}{}",
        noise.repeat(random.below(50)),
        noise.repeat(random.below(50))
    );
    Mangled {
        text,
        is_cut,
        how: how.join(", "),
    }
}

/// A log quoted and encoded, as an answer to a mail has it.
pub(crate) fn mailed(log: &str) -> String {
    let quoted: Vec<String> = log.lines().map(|line| format!("> {line}")).collect();
    quoted_printable(&(quoted.join("\n") + "\n"))
}

const SYSLOG: usize = 3;

const STYLES: [&str; 8] = [
    "as it is",
    "time only",
    "no prefix",
    "syslog",
    "journald",
    "level",
    "decoded level",
    "CPU",
];

fn prefixed(line: &str, style: usize) -> String {
    let text = line
        .split_once("][ T7867]")
        .map(|(time, rest)| (time.trim_start_matches('[').trim(), rest.trim()));
    // Notes of sources were put in after the log was taken.
    let Some((time, text)) = text else {
        return line.to_owned();
    };
    match style {
        0 => line.to_owned(),
        1 => format!("[  {time}] {text}"),
        2 => text.to_owned(),
        SYSLOG => format!("Sep 14 20:20:01 node-7 kernel: [  {time}] {text}"),
        4 => format!("2020-09-14T20:20:01+0000 node-7 kernel: {text}"),
        5 => format!("<4>[  {time}] {text}"),
        6 => format!("kern  :warn  : [  {time}] {text}"),
        _ => format!("[  {time}] [   C14] {text}"),
    }
}

/// As a mailer wraps: at the last blank before the width.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    let mut rest = line;
    let mut lines = Vec::new();
    while rest.len() > width {
        let Some(at) = rest[..width].rfind(' ').filter(|at| *at > 0) else {
            break;
        };
        lines.push(rest[..at].to_owned());
        rest = &rest[at + 1..];
    }
    lines.push(rest.to_owned());
    lines
}

/// RFC 2045: `=` is a code, and no line is longer than 76 characters.
fn quoted_printable(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut column = 0;
        for c in line.chars() {
            let code = if c == '=' {
                "=3D".to_owned()
            } else {
                c.to_string()
            };
            if column + code.len() > 75 {
                out += "=\n";
                column = 0;
            }
            column += code.len();
            out += &code;
        }
        out.push('\n');
    }
    out
}
