//! Command names as the kernel keeps them → text that is safe on a terminal.

/// The text before the first zero. Anyone may name a thread anything (`prctl(PR_SET_NAME)`), so
/// what could steer a terminal is escaped and broken UTF-8 replaced.
pub(crate) fn text(comm: &[u8; 16]) -> String {
    let end = comm
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(comm.len());
    let mut text = String::new();
    for character in String::from_utf8_lossy(&comm[..end]).chars() {
        if character.is_control() {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
    text
}

#[cfg(test)]
pub(super) fn bytes(text: &str) -> [u8; 16] {
    let mut comm = [0; 16];
    comm[..text.len()].copy_from_slice(text.as_bytes());
    comm
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ends_at_the_first_zero() {
        assert_eq!(text(b"kworker/0:1\0junk"), "kworker/0:1");
        assert_eq!(text(b"sixteen bytes ok"), "sixteen bytes ok");
    }

    #[test]
    fn text_escapes_what_could_steer_a_terminal() {
        assert_eq!(text(&bytes("\x1b[2Jevil")), "\\u{1b}[2Jevil");
        assert_eq!(
            text(b"\xff\xfe\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
            "\u{fffd}\u{fffd}"
        );
    }
}
