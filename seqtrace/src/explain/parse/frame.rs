//! A line → a frame of a stack, or a note about the frame before.
//!
//! Knows the forms of x86, arm, arm64, ppc64, s390 and riscv, of `decode_stacktrace.sh`, of
//! `addr2line -i` put under each frame, and of frames without offsets that robots print.

use super::super::report::{Frame, Inlined};

/// What a line of a stack is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Entry {
    /// A frame.
    Frame(Frame),
    /// A call inlined into the frame before it: `(inlined by) copy_process at kernel/fork.c:2104`.
    Below(Inlined),
    /// A call inlined into the frame after it: `read_seqbegin include/linux/seqlock.h:837 [inline]`.
    Above(Inlined),
}

/// Reads one line of a stack; `None` if it is none.
pub(crate) fn entry(text: &str, line: u64) -> Option<Entry> {
    if let Some(inlined) = note(text, line) {
        return Some(Entry::Below(inlined));
    }
    if let Some(inlined) = above(text, line) {
        return Some(Entry::Above(inlined));
    }
    frame(text, line).map(Entry::Frame)
}

/// Reads a frame.
pub(crate) fn frame(text: &str, line: u64) -> Option<Frame> {
    let text = arm_caller(text).unwrap_or(text);
    let (text, has_address) = skip_addresses(text);
    let (text, unreliable) = match text.strip_prefix("? ") {
        Some(rest) => (rest.trim_start(), true),
        None => (text, false),
    };
    let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
    let name = name.trim_matches(['(', ')']);
    let rest = rest.trim();
    let (function, offset) = match name.split_once("+0x") {
        Some((function, places)) => (function, Some(offset_of(places)?)),
        None => (name, None),
    };
    let source = source_of(rest);
    // Without an offset only what stands beside it shows that it is a frame.
    if !is_name(function) || (offset.is_none() && source.is_none() && !has_address) {
        return None;
    }
    if offset.is_none() && has_address && !rest.is_empty() {
        return None;
    }
    let module = rest
        .strip_prefix('[')
        .and_then(|rest| rest.split(']').next());
    let module = module.and_then(|words| words.split_whitespace().next());
    Some(Frame {
        function: function.to_owned(),
        offset,
        module: module.filter(|module| is_name(module)).map(str::to_owned),
        source,
        unreliable: unreliable || rest.contains("(unreliable)"),
        inlined: Vec::new(),
        line,
    })
}

/// `(inlined by) __exit_signal at kernel/exit.c:147`, `free_pid at kernel/pid.c:131`.
fn note(text: &str, line: u64) -> Option<Inlined> {
    let text = text.strip_prefix("(inlined by) ").unwrap_or(text);
    let (function, place) = text.split_once(" at ")?;
    let source = place.split_whitespace().next()?;
    (is_name(function) && is_source(source)).then(|| Inlined {
        function: function.to_owned(),
        source: source.to_owned(),
        line,
    })
}

/// `read_seqbegin include/linux/seqlock.h:837 [inline]`.
fn above(text: &str, line: u64) -> Option<Inlined> {
    let (function, source) = text.strip_suffix("[inline]")?.trim().split_once(' ')?;
    let source = source.trim().trim_matches(['(', ')']);
    (is_name(function) && is_source(source)).then(|| Inlined {
        function: function.to_owned(),
        source: source.to_owned(),
        line,
    })
}

/// `[<c01>] (show) from [<c02>] (caller+0x10/0x14)` → `(caller+0x10/0x14)`; the callee stood on the
/// line before.
fn arm_caller(text: &str) -> Option<&str> {
    let (inner, caller) = text.split_once(" from ")?;
    let inner = inner.rsplit(' ').next()?.trim_matches(['(', ')']);
    let inner = inner.split('+').next()?;
    let (bare, _) = skip_addresses(caller);
    (is_name(inner) && bare.contains("+0x")).then_some(caller)
}

/// Takes `[<addr>]`, `([<addr>]`, `[sp] [ip]` off the front.
fn skip_addresses(text: &str) -> (&str, bool) {
    let mut rest = text.trim_start();
    let mut found = false;
    while let Some(inside) = rest.trim_start_matches('(').strip_prefix('[') {
        let Some((address, after)) = inside.split_once(']') else {
            break;
        };
        if !is_address(address) {
            break;
        }
        found = true;
        rest = after.trim_start();
    }
    (rest, found)
}

/// Whether what stands in brackets is an address: `<ffffffff81234567>`, `c00000000063f8c8`.
pub(crate) fn is_address(text: &str) -> bool {
    let bare = text.trim_start_matches('<').trim_end_matches('>');
    let bare = bare.strip_prefix("0x").unwrap_or(bare);
    bare.len() >= 8 && bare.len() <= 16 && bare.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn offset_of(places: &str) -> Option<u64> {
    let offset = places
        .split_once("/0x")
        .map_or(places, |(offset, _)| offset);
    u64::from_str_radix(offset, 16).ok()
}

/// `(kernel/pid.c:131 (discriminator 4))`, `kernel/pid.c:131`.
fn source_of(rest: &str) -> Option<String> {
    let word = rest.split_whitespace().next()?;
    let word = word.trim_matches(['(', ')']);
    is_source(word).then(|| word.to_owned())
}

fn is_source(text: &str) -> bool {
    let Some((file, number)) = text.rsplit_once(':') else {
        return false;
    };
    let is_number =
        number == "?" || (!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()));
    is_number
        && [".c", ".h", ".S", ".rs"]
            .iter()
            .any(|end| file.ends_with(end))
}

/// Whether a text may be the name of a function.
pub(crate) fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$');
    text.len() <= 512
        && text
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_' || byte == b'.')
        && text.bytes().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_machine_are_read() {
        for (text, place) in [
            ("free_pid+0x5c/0x160", "free_pid+0x5c"),
            ("? lock_acquire+0x10c/0x560", "lock_acquire+0x10c"),
            (
                "[<ffffffff810a1b2c>] ? lock_acquire+0xcd/0x220",
                "lock_acquire+0xcd",
            ),
            (
                "[c000001ff07eefc0] [c00000000063f8c8] dump_stack+0xec/0x144 (unreliable)",
                "dump_stack+0xec",
            ),
            (
                "([<0000000000112a3e>] show_stack+0x56/0x80)",
                "show_stack+0x56",
            ),
            (
                "[<00000000001a2b3c>] lock_acquire+0x1ac/0x210",
                "lock_acquire+0x1ac",
            ),
            (
                "[<ffffffff80003a2e>] walk_stackframe+0x0/0xa2",
                "walk_stackframe+0x0",
            ),
            (
                "[<c010f1d4>] (unwind_backtrace) from [<c010b5a8>] (show_stack+0x10/0x14)",
                "show_stack+0x10",
            ),
            (
                "unwind_backtrace from show_stack+0x10/0x14",
                "show_stack+0x10",
            ),
            ("nft_set_walk+0x1a/0x30 [nf_tables]", "nft_set_walk+0x1a"),
            ("path_init (fs/namei.c:2325 (discriminator 1))", "path_init"),
            ("path_init+0x2b/0x560 fs/namei.c:2325", "path_init+0x2b"),
        ] {
            let frame = frame(text, 1).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(frame.place(), place, "{text}");
        }
        let frame = frame("nft_set_walk+0x1a/0x30 [nf_tables 1a2b]", 1).expect("a frame");
        assert_eq!(frame.module.as_deref(), Some("nf_tables"));
    }

    #[test]
    fn notes_belong_to_the_frame_before_and_robots_lines_to_the_one_after() {
        let below = entry("(inlined by) release_task at kernel/exit.c:198", 3);
        let above = entry("read_seqbegin include/linux/seqlock.h:837 [inline]", 3);
        for (found, function) in [(below, "release_task"), (above, "read_seqbegin")] {
            let inlined = match found {
                Some(Entry::Below(inlined) | Entry::Above(inlined)) => inlined,
                other => panic!("{other:?}"),
            };
            assert_eq!(inlined.function, function);
        }
    }

    #[test]
    fn other_lines_are_no_frames() {
        for text in [
            "Possible unsafe locking scenario:",
            "lock(pidmap_lock);",
            "Call Trace:",
            "[c000001ff07eefc0]",
            "CPU0 CPU1",
            "#0: c0 (lock#2){+.+.}-{2:2}, at: f+0x8/0x370",
            "other info that might help us debug this:",
        ] {
            assert_eq!(entry(text, 1), None, "{text}");
        }
    }
}
