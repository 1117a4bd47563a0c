//! Words → lines of a width, with a heading in front of the first.

/// Width of the headings.
const INDENT: usize = 12;

/// `text` in lines of at most `width` characters where its words allow it, `heading` before the first
/// and as much space before the others.
pub(super) fn paragraph(heading: &str, text: &str, width: usize) -> String {
    let room = width.saturating_sub(INDENT).max(20);
    let mut out = String::new();
    let mut before = format!("{heading:<INDENT$}");
    let mut line = String::new();
    for word in text.split_whitespace() {
        let length = line.chars().count() + 1 + word.chars().count();
        if !line.is_empty() && length > room {
            let added = format!("{before}{line}\n");
            out += &added;
            before = " ".repeat(INDENT);
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    out += format!("{before}{line}").trim_end();
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_to_the_width_and_words_stay_whole() {
        let text = paragraph("verdict", "one two three four", 32);
        assert_eq!(text, "verdict     one two three four\n");
        let text = paragraph("next", "alpha beta gamma delta epsilon", 32);
        assert_eq!(
            text,
            "next        alpha beta gamma\n            delta epsilon\n"
        );
    }
}
