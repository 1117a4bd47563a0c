//! One image as discovery sees it: text at its run-time addresses, symbols, and the tables
//! that tell how control really flows.

use std::sync::Arc;

use super::symbols::{Symbol, Symbols};

/// Bytes at an address.
#[derive(Clone, Debug, Default)]
pub struct Segment {
    /// Run-time address of the first byte.
    pub address: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// vmlinux or a module.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// `vmlinux`, or the module's name.
    pub name: String,
    /// Build id in hexadecimal; empty when it is not known.
    pub build_id: String,
    /// The address that offsets in the catalog count from: `_text` for vmlinux, the start of
    /// `.text` for a module.
    pub base: u64,
    /// Executable bytes, by address, without overlap. As they run, or as they were linked.
    pub text: Vec<Segment>,
    /// The image's own symbols.
    pub symbols: Arc<Symbols>,
    /// For a module: the symbols that its calls resolve to, those of vmlinux first. None for
    /// vmlinux.
    pub imports: Vec<Arc<Symbols>>,
    /// `__jump_table`: the second target of each static branch. May be empty.
    pub jump_table: Segment,
    /// `__bug_table`: which `ud2` are warnings, after which execution goes on. May be empty.
    pub bug_table: Segment,
    /// `__ex_table`: instructions that may fault, and where execution goes on then. May be empty.
    pub exception_table: Segment,
    /// Whether the kernel is PREEMPT_RT, where readers block.
    pub realtime: bool,
}

impl Segment {
    /// The bytes of an address range, if all of it is here.
    pub fn slice(&self, start: u64, end: u64) -> Option<&[u8]> {
        let from = usize::try_from(start.checked_sub(self.address)?).ok()?;
        let to = usize::try_from(end.checked_sub(self.address)?).ok()?;
        self.bytes.get(from..to)
    }

    /// The first address behind the bytes.
    pub fn end(&self) -> u64 {
        self.address.saturating_add(self.bytes.len() as u64)
    }

    /// Whether the address lies in the bytes.
    pub fn contains(&self, address: u64) -> bool {
        (self.address..self.end()).contains(&address)
    }
}

impl Image {
    /// The text of an address range, if all of it lies in one segment.
    pub fn text_at(&self, start: u64, end: u64) -> Option<&[u8]> {
        self.text
            .iter()
            .find_map(|segment| segment.slice(start, end))
    }

    /// The segment of text an address lies in.
    pub fn segment_of(&self, address: u64) -> Option<&Segment> {
        self.text.iter().find(|segment| segment.contains(address))
    }

    /// The address of a name, in the image itself or in what it imports.
    pub fn resolve(&self, name: &str) -> Option<u64> {
        self.tables().find_map(|symbols| symbols.address_of(name))
    }

    /// The name of what starts exactly at the address, in the image or in what it imports.
    pub fn name_at(&self, address: u64) -> Option<&str> {
        let found = self
            .tables()
            .find_map(|symbols| symbols.starting_at(address))?;
        Some(found.name)
    }

    /// The symbol an address lies in and the distance from it, in the image or in what it
    /// imports, whichever is nearest.
    pub fn symbol_at(&self, address: u64) -> Option<(Symbol<'_>, u64)> {
        self.tables()
            .filter_map(|symbols| symbols.at(address))
            .min_by_key(|&(_, distance)| distance)
    }

    /// The image's own symbols, then those of its imports.
    fn tables(&self) -> impl Iterator<Item = &Symbols> {
        std::iter::once(&*self.symbols).chain(self.imports.iter().map(Arc::as_ref))
    }

    /// Bytes of text.
    pub fn text_bytes(&self) -> u64 {
        self.text
            .iter()
            .map(|segment| segment.bytes.len() as u64)
            .sum()
    }
}
