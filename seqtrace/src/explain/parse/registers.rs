//! A line → the registers on it, and the bytes of a `Code:` line.

use super::super::report::Code;

/// Longest name of a register: `ORIG_RAX`.
const NAME_BYTES: usize = 8;

/// Most units of a `Code:` line that are kept.
const UNITS: usize = 128;

/// `RAX: 000000000000039d RBX: …`, `x29: ffff… x28: …`, `GPR00: c0… c0…`; empty if there are none.
pub(crate) fn registers(text: &str) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    let mut name: Option<(&str, u32)> = None;
    for word in text.split([' ', '\t']).filter(|word| !word.is_empty()) {
        if word == ":" {
            continue;
        }
        let bare = word.trim_end_matches(':');
        let value = word.trim_start_matches("0x");
        let is_value = (value.len() == 16 || value.len() == 8)
            && value.bytes().all(|byte| byte.is_ascii_hexdigit());
        if let (true, Some((register, count))) = (is_value, name) {
            if let Ok(value) = u64::from_str_radix(value, 16) {
                found.push((numbered(register, count), value));
            }
            name = Some((register, count + 1));
        } else if is_register(bare) {
            name = Some((bare, 0));
        } else {
            name = None;
        }
    }
    found
}

/// `GPR00`, then `GPR01`: ppc64 and s390 name the first of a line only.
fn numbered(register: &str, count: u32) -> String {
    if count == 0 {
        return register.to_owned();
    }
    let digits = register.len()
        - register
            .trim_end_matches(|c: char| c.is_ascii_digit())
            .len();
    let (name, number) = register.split_at(register.len() - digits);
    match number.parse::<u32>() {
        Ok(first) => format!("{name}{:0digits$}", first + count),
        Err(_) => format!("{register}+{count}"),
    }
}

fn is_register(word: &str) -> bool {
    let has_letter = word.starts_with(|first: char| first.is_ascii_alphabetic());
    let is_plain = word
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    has_letter && is_plain && (2..=NAME_BYTES).contains(&word.len()) && word != "from"
}

/// `Code: 8b 05 <f3> 90 eb …`: the bytes, and which the instruction begins with.
pub(super) fn code(text: &str, line: u64) -> Option<Code> {
    let (_, units) = text.split_once("Code: ")?;
    let mut code = Code {
        line,
        ..Code::default()
    };
    let mut is_marked = false;
    for word in units.split_whitespace().take(UNITS) {
        let bare = word.trim_matches(['<', '>', '(', ')']);
        if bare.is_empty() || !bare.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            break;
        }
        if bare.len() != word.len() {
            code.at = code.units.len();
            is_marked = true;
        }
        code.units.push(bare.to_owned());
    }
    is_marked.then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_of_several_machines_are_read() {
        for (text, expected) in [
            (
                "RAX: 000000000000039d RBX: ffffc90000000000 RCX: 0000000000000000",
                ("RAX", 0x39d),
            ),
            ("x2 : 000000000000039d x1 : 0000000000000000", ("x2", 0x39d)),
            (
                "r10: 0000039d  r9 : 00000000  r8 : c0a00000",
                ("r10", 0x39d),
            ),
            (
                "GPR00: c000000000356a24 000000000000039d c000000001a2b300",
                ("GPR01", 0x39d),
            ),
        ] {
            let found = registers(text);
            let has = found
                .iter()
                .any(|(name, value)| (name.as_str(), *value) == expected);
            assert!(has, "{text}: {found:?}");
        }
        assert!(registers("but task is already holding lock:").is_empty());
    }

    #[test]
    fn the_marked_byte_is_where_the_instruction_begins() {
        let found = code("Code: 8b 05 f3 <f3> 90 eb f0", 7).expect("code");
        assert_eq!((found.at, found.units[found.at].as_str()), (3, "f3"));
        let found = code("Code: d503203f 540000e1 (d503203f) b9400001", 7).expect("code");
        assert_eq!((found.at, found.units.len()), (2, 4));
        assert_eq!(code("Code: Bad RIP value.", 7), None);
    }
}
