//! The kernel's own list of modules, in its memory → where the tables of each lie. For users to whom
//! `/sys/module/*/sections` is closed: what it shows is in `struct module` as well (`include/linux/module.h`).

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};

use super::{modules::Module, text::Text};
use crate::discover::{btf::Btf, symbols::Symbols};

/// No kernel has more modules; a list that is longer goes in circles.
const MOST_MODULES: usize = 4096;

/// `MODULE_NAME_LEN`, for pointers of eight bytes.
const NAME_BYTES: u64 = 56;

/// Where `struct module` has what is needed, from the kernel's BTF.
#[derive(Clone, Copy, Debug)]
struct Layout {
    list: u64,
    name: u64,
    /// Pointer to the first entry, number of entries, bytes of an entry, by [`TABLES`].
    tables: [(u64, u64, u64); 3],
    bytes: u64,
}

/// Section of a table, members of `struct module`, structure of an entry.
const TABLES: [(&str, &str, &str, &str); 3] = [
    (
        "__jump_table",
        "jump_entries",
        "num_jump_entries",
        "jump_entry",
    ),
    ("__bug_table", "bug_table", "num_bugs", "bug_entry"),
    (
        "__ex_table",
        "extable",
        "num_exentries",
        "exception_table_entry",
    ),
];

/// The section that `struct module` itself lies in.
const OWN: &str = ".gnu.linkonce.this_module";

/// Sections of each module by name: the tables and, for each, where it ends.
type Sections = BTreeMap<String, BTreeMap<String, u64>>;

/// Looks in the kernel's memory for the sections that `/sys` does not show to this user. Modules that stay
/// without are taken out: how many, and why.
pub(super) fn complete(
    modules: &mut BTreeMap<String, Module>,
    symbols: &Symbols,
    types: &Btf,
    text: &Text,
) -> Option<(usize, String)> {
    let is_hidden = |module: &Module| module.sections.is_empty();
    if !modules.values().any(is_hidden) {
        return None;
    }
    let head = symbols.address_of("modules");
    let found = head
        .context("`/proc/kallsyms` has no `modules`")
        .and_then(|head| read(head, types, |address, n| text.read(address, n)));
    let why = match found {
        Ok(mut found) => {
            for module in modules.values_mut().filter(|module| is_hidden(module)) {
                module.sections = found.remove(&module.name).unwrap_or_default();
            }
            "the kernel's list does not have them".to_owned()
        }
        Err(error) => format!("{error:#}"),
    };
    let all = modules.len();
    modules.retain(|_, module| !is_hidden(module));
    (modules.len() < all).then(|| (all - modules.len(), why))
}

/// Follows the list that begins at `head` through memory, which `read` has.
///
/// # Errors
///
/// When the kernel's types lack what is needed, or memory does not hold a list.
fn read(head: u64, types: &Btf, read: impl Fn(u64, u64) -> Result<Vec<u8>>) -> Result<Sections> {
    follow(head, &layout(types)?, read)
}

fn layout(types: &Btf) -> Result<Layout> {
    let member = |name: &str| {
        let offset = types.member_offset("module", name);
        offset.with_context(|| format!("this kernel's BTF has no `module.{name}`"))
    };
    let structure = |name: &str| {
        let id = types.structure(name);
        let id = id.with_context(|| format!("this kernel's BTF has no `{name}`"))?;
        Ok::<_, anyhow::Error>(types.size_bytes(id))
    };
    let mut tables = [(0, 0, 0); 3];
    for (table, (_, first, number, entry)) in tables.iter_mut().zip(TABLES) {
        *table = (member(first)?, member(number)?, structure(entry)?);
    }
    Ok(Layout {
        list: member("list")?,
        name: member("name")?,
        tables,
        bytes: structure("module")?,
    })
}

fn follow(
    head: u64,
    layout: &Layout,
    read: impl Fn(u64, u64) -> Result<Vec<u8>>,
) -> Result<Sections> {
    let mut modules = Sections::new();
    let mut next = number(&read(head, 8)?, 0, 8)?;
    while next != head {
        ensure!(
            modules.len() < MOST_MODULES,
            "the kernel's list of modules has no end"
        );
        let address = next.wrapping_sub(layout.list);
        let module = read(address, layout.bytes)?;
        let name = bytes(&module, layout.name, NAME_BYTES)?;
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let mut sections = BTreeMap::from([(OWN.to_owned(), address)]);
        for ((section, ..), (first, entries, entry)) in TABLES.iter().zip(layout.tables) {
            let (first, entries) = (number(&module, first, 8)?, number(&module, entries, 4)?);
            if entries > 0 {
                sections.insert((*section).to_owned(), first);
                let end = first.wrapping_add(entries * entry);
                sections.insert(format!("__stop_{section}"), end);
            }
        }
        modules.insert(String::from_utf8_lossy(name).into_owned(), sections);
        next = number(&module, layout.list, 8)?;
    }
    Ok(modules)
}

fn bytes(memory: &[u8], offset: u64, bytes: u64) -> Result<&[u8]> {
    let range = offset as usize..offset.saturating_add(bytes) as usize;
    memory
        .get(range)
        .context("`struct module` is shorter than the kernel's BTF says")
}

fn number(memory: &[u8], offset: u64, width: u64) -> Result<u64> {
    let mut value = [0; 8];
    value[..width as usize].copy_from_slice(bytes(memory, offset, width)?);
    Ok(u64::from_le_bytes(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: u64 = 0x1000;
    const LAYOUT: Layout = Layout {
        list: 8,
        name: 24,
        tables: [(80, 88, 16), (96, 104, 12), (112, 120, 12)],
        bytes: 128,
    };

    /// A module at `address` whose list goes on at `next`, with two jump entries.
    fn module(name: &str, next: u64, jumps: u64) -> Vec<u8> {
        let mut memory = vec![0; 128];
        memory[8..16].copy_from_slice(&next.to_le_bytes());
        memory[24..24 + name.len()].copy_from_slice(name.as_bytes());
        memory[80..88].copy_from_slice(&jumps.to_le_bytes());
        memory[88..92].copy_from_slice(&2_u32.to_le_bytes());
        memory
    }

    fn memory(last: u64) -> impl Fn(u64, u64) -> Result<Vec<u8>> {
        move |address, _| match address {
            HEAD => Ok(0x2008_u64.to_le_bytes().to_vec()),
            0x2000 => Ok(module("one", 0x3008, 0x9000)),
            0x3000 => Ok(module("two", last, 0xa000)),
            _ => anyhow::bail!("{address:#x} cannot be read"),
        }
    }

    #[test]
    fn the_list_is_followed_to_its_end_and_tables_end_behind_their_last_entry() {
        let modules = follow(HEAD, &LAYOUT, memory(HEAD)).expect("a list");
        assert_eq!(modules.keys().collect::<Vec<_>>(), ["one", "two"]);
        let sections: Vec<_> = modules["two"].iter().collect();
        let (start, end) = ("__jump_table".to_owned(), "__stop___jump_table".to_owned());
        let own = OWN.to_owned();
        assert_eq!(
            sections,
            [(&own, &0x3000), (&start, &0xa000), (&end, &0xa020)]
        );
    }

    #[test]
    fn a_list_without_end_or_out_of_memory_is_refused() {
        assert!(follow(HEAD, &LAYOUT, memory(0x7008)).is_err());
        let error = follow(HEAD, &LAYOUT, |address, bytes| {
            // Every module has another name and is followed by the next.
            let mut next = module(&format!("{address:x}"), address + 0x1008, 0);
            next.truncate(bytes as usize);
            if bytes == 8 {
                Ok(0x2008_u64.to_le_bytes().to_vec())
            } else {
                Ok(next)
            }
        });
        let error = error.expect_err("no end").to_string();
        assert!(error.contains("has no end"), "{error}");
    }
}
