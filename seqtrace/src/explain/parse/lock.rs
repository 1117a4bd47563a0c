//! A line → one use of a lock.
//!
//! From the first kernels with lockdep, `(name){+.+...}, at: [<addr>] fn+0x1/0x2`, to the present,
//! `addr (name#2/1){+.+.}-{2:2}, at: fn+0x1/0x2`.

use super::{super::report::Lock, frame};

/// Longest usage string: four bits for each of the irq states that a kernel knows.
const USAGE_BYTES: usize = 12;

/// Reads the lock of a line; `None` if there is none, or only a part of one.
pub(crate) fn lock(text: &str, line: u64) -> Option<Lock> {
    let open = text.find('(')?;
    let close = open + text[open..].find("){")?;
    let class = text.get(open + 1..close)?.trim();
    let (usage, rest) = text[close + 2..].split_once('}')?;
    if class.is_empty() || !is_usage(usage) {
        return None;
    }
    let address = text[..open].split_whitespace().last();
    let address = address
        .filter(|word| frame::is_address(word))
        .map(str::to_owned);
    let (wait, rest) = match rest.strip_prefix("-{") {
        Some(rest) => {
            let (wait, rest) = rest.split_once('}')?;
            (Some(wait_types(wait)?), rest)
        }
        None => (None, rest),
    };
    let at = rest
        .split_once("at:")
        .and_then(|(_, at)| frame::frame(at.trim(), line));
    Some(Lock {
        class: class.to_owned(),
        address,
        usage: usage.to_owned(),
        wait,
        at,
        line,
    })
}

/// `{5:5}`, `{2:2}`.
pub(crate) fn wait_types(text: &str) -> Option<(u8, u8)> {
    let (outer, inner) = text.split_once(':')?;
    Some((outer.parse().ok()?, inner.parse().ok()?))
}

fn is_usage(text: &str) -> bool {
    let is_state = |byte: u8| matches!(byte, b'.' | b'+' | b'-' | b'?');
    (4..=USAGE_BYTES).contains(&text.len()) && text.bytes().all(is_state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_of_old_and_new_kernels_are_read() {
        for (text, class, address, wait, at) in [
            (
                "c000001fce5570c8 (&s->seqcount#2){....}-{0:0}, at: __slab_alloc+0x34/0xf0",
                "&s->seqcount#2",
                Some("c000001fce5570c8"),
                Some((0, 0)),
                Some("__slab_alloc+0x34"),
            ),
            (
                "(&(&sig->stats_lock)->lock){+.+...}, at: [<ffffffff8105aa7b>] wait_task+0x1b/0x20",
                "&(&sig->stats_lock)->lock",
                None,
                None,
                Some("wait_task+0x1b"),
            ),
            (
                "#1: ffff888100ab1234 (&sb->s_type->i_mutex_key#3/1){+.+.}-{3:3}, at: f+0x1/0x2",
                "&sb->s_type->i_mutex_key#3/1",
                Some("ffff888100ab1234"),
                Some((3, 3)),
                Some("f+0x1"),
            ),
            (
                "-> #1 (pidmap_lock){....}-{2:2}:",
                "pidmap_lock",
                None,
                Some((2, 2)),
                None,
            ),
            (
                "(console_lock){+.+.}, at: a+0x0/0x1",
                "console_lock",
                None,
                None,
                Some("a+0x0"),
            ),
        ] {
            let lock = lock(text, 1).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(lock.class, class, "{text}");
            assert_eq!(lock.address.as_deref(), address, "{text}");
            assert_eq!(lock.wait, wait, "{text}");
            assert_eq!(lock.at.map(|at| at.place()).as_deref(), at, "{text}");
        }
    }

    #[test]
    fn a_part_of_a_lock_is_none() {
        for text in [
            "c000001fce5570c8 (&s->seqcount#2){....",
            "c000001fce5570c8 (&s->seqcount#2){....}-{0:",
            "c000001fce5570c8 (&s->seq",
            "free_pid+0x5c/0x160",
            "(unwind_backtrace) from [<c010b5a8>]",
        ] {
            assert_eq!(lock(text, 1), None, "{text}");
        }
    }
}
