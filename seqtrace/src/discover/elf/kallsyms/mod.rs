//! The symbol table that a kernel carries for itself (`CONFIG_KALLSYMS`) → its symbols, for a
//! kernel that was stripped of the ELF one, as that in a boot image is.
//!
//! The tables (`scripts/kallsyms.c`) are found by what is in them, because nothing tells where
//! they are; every step is checked by a property that other bytes do not have by chance:
//!
//! * 256 strings and the 256 positions of these strings (`kallsyms_token_table`, `_token_index`);
//! * before them a number of names, that many names of these strings, and the position of every
//!   256th (`kallsyms_num_syms`, `_names`, `_markers`);
//! * on either side, depending on the version, as many addresses, in order, of which that of
//!   `_text` is where the text begins (`kallsyms_offsets`).

mod addresses;
mod names;
mod tokens;

use self::{addresses::addresses, names::Names, tokens::Tokens};
use super::memory::{Memory, Part};
use crate::discover::symbols::{Symbol, SymbolKind, Symbols};

/// The name of where the text begins.
const TEXT_START: &str = "_text";

/// Pairs of tables that are looked at before a kernel is taken to have none.
const CANDIDATES: usize = 16;

/// The symbols; `None` where there are no such tables.
pub(super) fn symbols(memory: &Memory<'_>, text_start: u64) -> Option<Symbols> {
    let parts = memory.parts().iter();
    parts.copied().find_map(|part| symbols_in(part, text_start))
}

fn symbols_in(part: Part<'_>, text_start: u64) -> Option<Symbols> {
    let mut tables = Tokens::candidates(part.bytes).take(CANDIDATES);
    tables.find_map(|tokens| {
        let mut names = Names::candidates(part.bytes, &tokens);
        names.find_map(|names| table(part, &tokens, &names, text_start))
    })
}

/// The symbols of these names, if there are addresses for them.
fn table(
    part: Part<'_>,
    tokens: &Tokens<'_>,
    names: &Names<'_>,
    text_start: u64,
) -> Option<Symbols> {
    let expanded: Vec<(u8, String)> = names.expanded(tokens).collect();
    let text = expanded.iter().position(|(_, name)| name == TEXT_START)?;
    let addresses = addresses(part, names, tokens, (text, text_start))?;
    let symbols = expanded.iter().zip(addresses);
    Some(Symbols::new(symbols.map(|((kind, name), address)| {
        let kind = match kind {
            b't' | b'T' | b'w' | b'W' => SymbolKind::Text,
            _ => SymbolKind::Data,
        };
        Symbol {
            address,
            name,
            kind,
        }
    })))
}
