//! The words of a kernel release → a version that can be compared.

use serde::Serialize;

/// A kernel release: `5.9.0-rc5-next-20200914`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Release {
    /// As it was printed.
    pub text: String,
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number, 0 where there is none.
    pub patch: u32,
    /// The number after `-rc`, if any.
    pub candidate: Option<u32>,
    /// The date of linux-next, `20200914`, if it is one.
    pub next: Option<u32>,
}

impl Release {
    /// Reads a release; `None` for what does not begin with two numbers.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.splitn(3, '.');
        let major = numbers.next()?.parse().ok()?;
        let (minor, _) = leading_number(numbers.next()?)?;
        let patch = numbers.next().and_then(leading_number);
        let after = |mark: &str| {
            let (_, rest) = text.split_once(mark)?;
            leading_number(rest).map(|(number, _)| number)
        };
        Some(Self {
            text: text.to_owned(),
            major,
            minor,
            patch: patch.map_or(0, |(number, _)| number),
            candidate: after("-rc"),
            next: after("-next-"),
        })
    }

    /// The first release word in a line such as `5.9.0-rc5 #1 Not tainted`.
    pub fn find(line: &str) -> Option<Self> {
        let words = line.split_whitespace();
        words
            .filter(|word| word.contains('.'))
            .find_map(Self::parse)
    }

    /// Whether it is of this series or a later one.
    pub fn at_least(&self, major: u32, minor: u32) -> bool {
        (self.major, self.minor) >= (major, minor)
    }
}

fn leading_number(text: &str) -> Option<(u32, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_all_kinds_are_read() {
        for (line, expected) in [
            (
                "5.9.0-rc5-next-20200914 #1 Not tainted",
                (5, 9, 0, Some(5), Some(20_200_914)),
            ),
            ("4.10.0+ #12 Tainted: G        W", (4, 10, 0, None, None)),
            ("6.12-rc3 #1 Not tainted", (6, 12, 0, Some(3), None)),
            (
                "CPU: 1 PID: 7 Comm: a Not tainted 6.1.0-13-rt-amd64 #1",
                (6, 1, 0, None, None),
            ),
        ] {
            let found = Release::find(line).expect(line);
            let found = (
                found.major,
                found.minor,
                found.patch,
                found.candidate,
                found.next,
            );
            assert_eq!(found, expected, "{line}");
        }
        assert_eq!(Release::find("but task is already holding lock:"), None);
    }
}
