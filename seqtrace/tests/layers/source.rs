//! The text of a source file → the modules and packages it names.

use std::collections::BTreeSet;

/// One source file.
pub(crate) struct Source<'a> {
    path: &'a str,
    /// The text without comments and without the contents of strings.
    pub(crate) code: String,
    /// The contents of the strings.
    pub(crate) strings: Vec<String>,
}

impl<'a> Source<'a> {
    /// `path` is relative to `src`.
    pub(crate) fn new(path: &'a str, text: &str) -> Self {
        let (code, strings) = strip(text);
        Self {
            path,
            code,
            strings,
        }
    }

    /// The module of the crate the file belongs to.
    pub(crate) fn module(&self) -> &'a str {
        let head = self.path.split('/').next().unwrap_or(self.path);
        head.strip_suffix(".rs").unwrap_or(head)
    }

    /// The modules of the crate that the code names.
    pub(crate) fn modules_used(&self) -> BTreeSet<String> {
        let mut used: BTreeSet<String> = paths_after(&self.code, "crate::").collect();
        let depth = self.depth();
        for (at, levels, rest) in supers(&self.code) {
            // Inside a `mod tests { … }` one `super` leads to the file's own module.
            let depth = depth + inline_depth(&self.code, at);
            if levels == depth {
                used.extend(heads(rest));
            }
        }
        used.remove("");
        used
    }

    /// How many modules lie between the crate's root and the file, the file's own included.
    fn depth(&self) -> usize {
        let inside: Vec<&str> = self.path.split('/').collect();
        if self.path.ends_with("mod.rs") {
            inside.len() - 1
        } else {
            inside.len()
        }
    }

    /// The modules of the standard library that the code names: `fs`, `env`.
    pub(crate) fn std_used(&self) -> BTreeSet<String> {
        paths_after(&self.code, "std::").collect()
    }

    /// Whether the code names the package: as the beginning of a path, or alone in a `use`.
    pub(crate) fn names_package(&self, package: &str) -> bool {
        self.code.match_indices(package).any(|(at, _)| {
            let (before, after) = (&self.code[..at], &self.code[at + package.len()..]);
            if before.ends_with(is_word) || after.starts_with(is_word) {
                return false;
            }
            let inside_a_path = before
                .strip_suffix("::")
                .is_some_and(|before| before.ends_with(is_word));
            let alone = before.trim_end().ends_with("use") || before.trim_end().ends_with("crate");
            !inside_a_path && (after.starts_with("::") || alone)
        })
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// The first names of all paths that begin with `prefix`.
fn paths_after<'a>(code: &'a str, prefix: &'a str) -> impl Iterator<Item = String> + 'a {
    code.match_indices(prefix)
        .filter(|(at, _)| {
            let before = code[..*at].chars().next_back();
            !before.is_some_and(|character| is_word(character) || character == '$')
        })
        .flat_map(move |(at, _)| heads(&code[at + prefix.len()..]))
}

/// The first name of a path, or those of all paths of a `{…}` group.
fn heads(path: &str) -> Vec<String> {
    let head = |path: &str| -> String {
        let path = path.trim_start();
        path.chars().take_while(|c| is_word(*c)).collect()
    };
    let Some(group) = path.trim_start().strip_prefix('{') else {
        return vec![head(path)];
    };
    let mut heads = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' | ',' if depth == 0 => {
                heads.push(head(&group[start..at]));
                start = at + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    heads
}

/// Every run of `super::`: where it begins, how many there are, and what follows.
fn supers(code: &str) -> Vec<(usize, usize, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = code[at..].find("super::") {
        let start = at + next;
        let mut rest = &code[start..];
        let mut levels = 0;
        while let Some(after) = rest.strip_prefix("super::") {
            levels += 1;
            rest = after;
        }
        found.push((start, levels, rest));
        at = code.len() - rest.len();
    }
    found
}

/// How many `mod name { … }` blocks are open at `at`.
fn inline_depth(code: &str, at: usize) -> usize {
    let mut open = Vec::new();
    for (position, character) in code[..at].char_indices() {
        match character {
            '{' => {
                let before = code[..position].trim_end();
                let name = before.trim_end_matches(is_word).trim_end();
                let keyword = name.ends_with("mod")
                    && !name[..name.len() - 3].ends_with(is_word)
                    && name.len() < before.len();
                open.push(keyword);
            }
            '}' => {
                open.pop();
            }
            _ => {}
        }
    }
    open.into_iter().filter(|is_module| *is_module).count()
}

/// Splits Rust text into code, where strings and characters are emptied and comments blank, and
/// the contents of the strings.
pub(crate) fn strip(text: &str) -> (String, Vec<String>) {
    let mut code = String::new();
    let mut strings = Vec::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
        } else if rest.starts_with("/*") {
            rest = after_block_comment(rest);
            code.push(' ');
        } else if let Some(content) = raw_string(rest) {
            let marks = rest.find('"').unwrap_or(0);
            rest = &rest[marks + 1 + content.len() + marks..];
            strings.push(content.to_owned());
            code.push_str("\"\"");
        } else if character == '"' {
            let end = closing_quote(&rest[1..]);
            strings.push(rest[1..=end].to_owned());
            rest = rest.get(end + 2..).unwrap_or("");
            code.push_str("\"\"");
        } else if let Some(length) = character_literal(rest) {
            rest = &rest[length..];
            code.push_str("''");
        } else {
            code.push(character);
            rest = &rest[character.len_utf8()..];
        }
    }
    (code, strings)
}

/// What follows the (nested) comment at the start of `text`.
fn after_block_comment(text: &str) -> &str {
    let mut depth = 0;
    let mut rest = text;
    loop {
        if let Some(after) = rest.strip_prefix("/*") {
            depth += 1;
            rest = after;
        } else if let Some(after) = rest.strip_prefix("*/") {
            depth -= 1;
            rest = after;
        } else {
            let mut characters = rest.chars();
            if characters.next().is_none() {
                return rest;
            }
            rest = characters.as_str();
        }
        if depth == 0 {
            return rest;
        }
    }
}

/// The content of the raw string at the start of `text`, if there is one.
fn raw_string(text: &str) -> Option<&str> {
    let marks = text.strip_prefix('r')?;
    let number = marks.len() - marks.trim_start_matches('#').len();
    let content = marks[number..].strip_prefix('"')?;
    let end = content.find(&format!("\"{}", "#".repeat(number)))?;
    Some(&content[..end])
}

/// Where the quote stands that ends the string whose content `text` begins with.
fn closing_quote(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at,
            _ => {}
        }
    }
    text.len()
}

/// The length of the character literal at the start of `text`, `None` for a lifetime.
fn character_literal(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('\'')?;
    let first = inside.chars().next()?;
    if first == '\\' {
        let end = inside[2..].find('\'')?;
        return Some(1 + 2 + end + 1);
    }
    let after = &inside[first.len_utf8()..];
    after.starts_with('\'').then(|| 1 + first.len_utf8() + 1)
}
