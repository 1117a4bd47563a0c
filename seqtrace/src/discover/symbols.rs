//! The symbols of one image: names by address and addresses by name.
//!
//! Names share one string, because a kernel has a quarter of a million of them. Aliases (several
//! names at one address) are kept in the order they came in, which for kallsyms puts the name to
//! show first.

use std::hash::{Hash as _, Hasher as _};

use rustc_hash::FxHasher;

/// gcc emits this symbol for the padding in front of a function (`CONFIG_CALL_PADDING`).
pub const PADDING_PREFIX: &str = "__pfx_";

/// A `struct lock_class_key` in a function, which is empty in kernels without lockdep
/// (`include/linux/lockdep_types.h`): it lies where the next variable does.
const EMPTY_KEY: &str = "__key";

/// Whether a symbol names code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SymbolKind {
    /// A function or a label in text.
    Text,
    /// Anything else.
    Data,
}

/// A name for an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Symbol<'a> {
    /// Run-time address; for per-CPU variables the offset in the area of a CPU.
    pub address: u64,
    /// The name.
    pub name: &'a str,
    /// Code or data.
    pub kind: SymbolKind,
}

/// Symbols sorted by address.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    names: String,
    entries: Vec<Entry>,
    /// Hash of a name and the entry's index, sorted.
    by_name: Vec<(u32, u32)>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    address: u64,
    name_start: u32,
    name_bytes: u16,
    kind: SymbolKind,
}

impl Symbol<'_> {
    /// Whether there is something of its own at the address.
    fn names_something(&self) -> bool {
        let is_key = self
            .name
            .strip_prefix(EMPTY_KEY)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        !is_key && !self.name.starts_with(PADDING_PREFIX)
    }
}

impl Symbols {
    /// Sorts the symbols of a list; those of one address stay in its order.
    pub fn new<'a>(symbols: impl IntoIterator<Item = Symbol<'a>>) -> Self {
        let mut table = Self::default();
        for symbol in symbols {
            table.push(symbol);
        }
        table.entries.sort_by_key(|entry| entry.address);
        // They stay for as long as events are counted.
        table.entries.shrink_to_fit();
        table.names.shrink_to_fit();
        table.by_name = (0..table.entries.len() as u32)
            .map(|index| (hash(table.symbol(index as usize).name), index))
            .collect();
        table.by_name.sort_unstable();
        table
    }

    fn push(&mut self, symbol: Symbol<'_>) {
        let (Ok(name_start), Ok(name_bytes)) = (
            u32::try_from(self.names.len()),
            u16::try_from(symbol.name.len()),
        ) else {
            // The kernel's own limit is 512 bytes for a name; longer ones are no kernel symbols.
            return;
        };
        self.names.push_str(symbol.name);
        let Symbol {
            address,
            name: _,
            kind,
        } = symbol;
        self.entries.push(Entry {
            address,
            name_start,
            name_bytes,
            kind,
        });
    }

    /// Number of symbols.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All symbols by address.
    pub fn iter(&self) -> impl Iterator<Item = Symbol<'_>> + '_ {
        (0..self.entries.len()).map(|index| self.symbol(index))
    }

    /// The address of a name; the lowest where several have it.
    pub fn address_of(&self, name: &str) -> Option<u64> {
        let wanted = hash(name);
        let start = self.by_name.partition_point(|&(hash, _)| hash < wanted);
        self.by_name[start..]
            .iter()
            .take_while(|&&(hash, _)| hash == wanted)
            .map(|&(_, index)| self.symbol(index as usize))
            .find(|symbol| symbol.name == name)
            .map(|symbol| symbol.address)
    }

    /// The symbol an address belongs to, with the distance from it: the first name of the last
    /// symbol at or before the address. Names of padding, and of what is empty, are passed over where there
    /// is another.
    pub fn at(&self, address: u64) -> Option<(Symbol<'_>, u64)> {
        let end = self
            .entries
            .partition_point(|entry| entry.address <= address);
        let start_address = self.entries[..end].last()?.address;
        let before = self.entries[..end].iter().rev();
        let aliases = before.take_while(|entry| entry.address == start_address);
        let start = end - aliases.count();
        let mut names = (start..end).map(|index| self.symbol(index));
        let first = self.symbol(start);
        let shown = names.find(Symbol::names_something).unwrap_or(first);
        Some((shown, address - start_address))
    }

    /// The symbol that starts exactly at the address.
    pub fn starting_at(&self, address: u64) -> Option<Symbol<'_>> {
        self.at(address)
            .filter(|&(_, distance)| distance == 0)
            .map(|(symbol, _)| symbol)
    }

    fn symbol(&self, index: usize) -> Symbol<'_> {
        let Entry {
            address,
            name_start,
            name_bytes,
            kind,
        } = self.entries[index];
        let start = name_start as usize;
        let name = &self.names[start..start + usize::from(name_bytes)];
        Symbol {
            address,
            name,
            kind,
        }
    }
}

/// Half of a hash: names are compared, so that equal ones do no harm.
fn hash(name: &str) -> u32 {
    let mut hasher = FxHasher::default();
    name.hash(&mut hasher);
    (hasher.finish() >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::{Symbol, SymbolKind, Symbols};

    fn table() -> Symbols {
        let symbol = |address, name| Symbol {
            address,
            name,
            kind: SymbolKind::Text,
        };
        Symbols::new([
            symbol(0x200, "second"),
            symbol(0x1f0, "__pfx_second"),
            symbol(0x100, "first"),
            symbol(0x100, "alias_of_first"),
            symbol(0x300, "twin"),
            symbol(0x400, "twin"),
            symbol(0x500, "__key.0"),
            symbol(0x500, "some_lock"),
            symbol(0x600, "__key.1"),
        ])
    }

    #[test]
    fn an_address_gets_the_first_name_at_or_before_it() {
        let table = table();
        let label = |address| {
            table
                .at(address)
                .map(|(symbol, distance)| (symbol.name, distance))
        };
        assert_eq!(label(0x100), Some(("first", 0)));
        assert_eq!(label(0x10f), Some(("first", 0xf)));
        assert_eq!(label(0x1f0), Some(("__pfx_second", 0)));
        assert_eq!(label(0xff), None);
        assert_eq!(table.starting_at(0x201), None);
    }

    #[test]
    fn what_is_empty_gives_its_name_to_no_address_of_another() {
        let table = table();
        let name = |address| table.starting_at(address).map(|symbol| symbol.name);
        assert_eq!(name(0x500), Some("some_lock"));
        assert_eq!(name(0x600), Some("__key.1"));
    }

    #[test]
    fn every_alias_is_found_by_name() {
        let table = table();
        assert_eq!(table.address_of("alias_of_first"), Some(0x100));
        assert_eq!(table.address_of("twin"), Some(0x300));
        assert_eq!(table.address_of("third"), None);
    }
}
