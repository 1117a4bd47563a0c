//! Names from anywhere → text that a terminal shows as it stands.

use ratatui::text::Span;

/// The text without anything that steers a terminal or hides in it: control characters, marks that turn
/// the direction of the text, and those that take no room are written as escapes.
///
/// Snapshots have their command names escaped already; one that was read from a file may say anything.
pub(super) fn safe(text: &str) -> String {
    if text.chars().all(|character| !is_unsafe(character)) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_unsafe(character) {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    out
}

/// Control characters and the format characters of Unicode (categories Cc, Cf), line separators, and
/// what joins or varies the characters beside it.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{300}'..='\u{36f}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Columns that the text takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// The beginning of the text, in at most `columns` columns; `…` at the end says that there is more.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 1;
    for character in text.chars() {
        let taken = width(character.encode_utf8(&mut [0; 4]));
        if used + taken > columns {
            break;
        }
        used += taken;
        out.push(character);
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_steer_a_terminal_is_escaped_and_letters_are_not() {
        assert_eq!(safe("walker/7"), "walker/7");
        assert_eq!(safe("läufer 読者"), "läufer 読者");
        assert_eq!(safe("\x1b[2J\n"), "\\u{1b}[2J\\u{a}");
        assert_eq!(
            safe("a\u{202e}b\u{200d}c\u{301}"),
            "a\\u{202e}b\\u{200d}c\\u{301}"
        );
    }

    #[test]
    fn a_cut_text_keeps_to_its_columns_and_says_so() {
        assert_eq!(cut("walker", 6), "walker");
        assert_eq!(cut("walker", 5), "walk…");
        assert_eq!(cut("読者読者", 6), "読者…");
        assert_eq!(cut("walker", 1), "…");
        assert_eq!(cut("walker", 0), "");
        for columns in 0..12 {
            assert!(width(&cut("読a者b読c者", columns)) <= columns);
        }
    }
}
