//! Loaded modules: `/proc/modules` and `/sys/module` → where each lies.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::discover::note;

/// A loaded module.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Module {
    /// Its name, as the kernel writes it (`nf_conntrack`).
    pub name: String,
    /// Its build id in hexadecimal; empty when it has none.
    pub build_id: String,
    /// Run-time address of each of its sections, by name.
    pub sections: BTreeMap<String, u64>,
}

/// Names of the modules that are loaded, sorted.
///
/// # Errors
///
/// When `/proc` is not mounted. A kernel without modules has none.
pub fn names() -> Result<Vec<String>> {
    match fs::read_to_string("/proc/modules") {
        Ok(text) => Ok(parse(&text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).context("failed to read `/proc/modules`"),
    }
}

/// Names in the text of `/proc/modules`, `name size users dependencies state address` a line, of
/// those that are live; sorted.
pub fn parse(text: &str) -> Vec<String> {
    let mut names: Vec<String> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let name = words.next()?;
            (words.nth(3)? == "Live").then(|| name.to_owned())
        })
        .collect();
    names.sort();
    names
}

/// Where the module `name` lies; `None` when it has just left. Without sections where `/sys` tells them
/// to root only.
///
/// # Errors
///
/// When `/sys` does not tell.
pub fn read(name: &str) -> Result<Option<Module>> {
    let directory = PathBuf::from("/sys/module").join(name);
    let entries = match fs::read_dir(directory.join("sections")) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| format!("failed to read the sections of `{name}`"));
        }
    };
    let mut sections = BTreeMap::new();
    for entry in entries.flatten() {
        let section = entry.file_name().to_string_lossy().into_owned();
        if let Some(address) = address(&entry.path()) {
            sections.insert(section, address);
        }
    }
    let notes = fs::read(directory.join("notes/.note.gnu.build-id")).unwrap_or_default();
    Ok(Some(Module {
        name: name.to_owned(),
        build_id: note::build_id(&notes).unwrap_or_default(),
        sections,
    }))
}

fn address(path: &Path) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    u64::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
}

impl Module {
    /// The address of section `name`, and that of the section that follows it in memory.
    pub fn extent(&self, name: &str) -> Option<(u64, Option<u64>)> {
        let start = *self.sections.get(name)?;
        let next = self
            .sections
            .values()
            .filter(|&&address| address > start)
            .min();
        Some((start, next.copied()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_modules_are_listed_by_name() {
        let text = "nf_tables 372736 0 - Live 0xffffffffc0a00000\n\
                    btrfs 1 0 - Loading 0x0000000000000000\n\
                    nf_conntrack 1 1 nf_tables, Live 0xffffffffc0900000 (E)\n";
        assert_eq!(parse(text), ["nf_conntrack", "nf_tables"]);
    }

    #[test]
    fn a_section_reaches_to_the_next_one() {
        let sections = [
            (".text", 0x1000),
            ("__jump_table", 0x3000),
            (".data", 0x3040),
        ];
        let module = Module {
            name: "m".to_owned(),
            build_id: String::new(),
            sections: sections.map(|(name, at)| (name.to_owned(), at)).into(),
        };
        assert_eq!(module.extent("__jump_table"), Some((0x3000, Some(0x3040))));
        assert_eq!(module.extent(".data"), Some((0x3040, None)));
        assert_eq!(module.extent(".bss"), None);
    }
}
