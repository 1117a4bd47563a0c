//! `/proc/kallsyms` → the symbols of vmlinux and of each module.

use std::{collections::BTreeMap, fs, ops::Range, sync::Arc};

use anyhow::{Context as _, Result, ensure};

use crate::discover::symbols::{Symbol, SymbolKind, Symbols};

/// An address farther than this behind its symbol is not in that function.
const LONGEST_FUNCTION_BYTES: u64 = 1 << 20;

/// The symbols of the running kernel.
#[derive(Clone, Debug, Default)]
pub struct Kallsyms {
    /// Those of vmlinux.
    pub vmlinux: Arc<Symbols>,
    /// Those of each module, by its name.
    pub modules: BTreeMap<String, Arc<Symbols>>,
}

/// Reads them.
///
/// # Errors
///
/// When the file cannot be read or shows no addresses.
pub fn read() -> Result<Kallsyms> {
    let text = fs::read_to_string("/proc/kallsyms").context("failed to read `/proc/kallsyms`")?;
    parse(&text)
}

/// Parses lines of `address type name`, followed by `[module]` for a module's.
///
/// Types are those of `nm`: `t T w W` are text. Lines of another form are passed over.
///
/// # Errors
///
/// When every address is zero: the kernel hides them.
pub fn parse(text: &str) -> Result<Kallsyms> {
    let mut own = Vec::new();
    let mut modules: BTreeMap<&str, Vec<Symbol<'_>>> = BTreeMap::new();
    for (symbol, module) in text.lines().filter_map(line) {
        match module {
            None => own.push(symbol),
            Some(module) => modules.entry(module).or_default().push(symbol),
        }
    }
    ensure!(
        own.iter().any(|symbol| symbol.address != 0),
        "`/proc/kallsyms` shows no addresses (kernel.kptr_restrict): run as root and set \
         `sysctl kernel.kptr_restrict=0`"
    );
    Ok(Kallsyms {
        vmlinux: Arc::new(Symbols::new(own)),
        modules: modules
            .into_iter()
            .map(|(name, symbols)| (name.to_owned(), Arc::new(Symbols::new(symbols))))
            .collect(),
    })
}

impl Kallsyms {
    /// Text of vmlinux, without that of init.
    pub fn text(&self) -> Option<Range<u64>> {
        self.between("_stext", "_etext")
    }

    /// Init text of vmlinux.
    pub fn init_text(&self) -> Option<Range<u64>> {
        self.between("_sinittext", "_einittext")
    }

    /// Whether variables of vmlinux are named: they are not without CONFIG_KALLSYMS_ALL, but for
    /// the bounds of some sections (`scripts/kallsyms.c`, `symbol_valid`).
    pub fn has_variables(&self) -> bool {
        let text = [self.text(), self.init_text()];
        let outside = self.vmlinux.iter().filter(|symbol| {
            let ranges = text.iter().flatten();
            ranges
                .into_iter()
                .all(|range| !range.contains(&symbol.address))
        });
        outside.count() * 100 > self.vmlinux.len()
    }

    fn between(&self, start: &str, end: &str) -> Option<Range<u64>> {
        Some(self.vmlinux.address_of(start)?..self.vmlinux.address_of(end)?)
    }

    /// The function that holds a kernel text address: `getrusage`, `nf_ct_get [nf_conntrack]`;
    /// `None` where no symbol is near, as in a BPF program.
    pub fn name_of(&self, address: u64) -> Option<String> {
        let of_vmlinux = self.vmlinux.at(address).map(|found| (found, None));
        let of_modules = self.modules.iter().filter_map(|(module, symbols)| {
            let found = symbols.at(address)?;
            Some((found, Some(module)))
        });
        let ((symbol, distance), module) = of_vmlinux
            .into_iter()
            .chain(of_modules)
            .filter(|((symbol, _), _)| symbol.kind == SymbolKind::Text)
            .min_by_key(|((_, distance), _)| *distance)?;
        if distance > LONGEST_FUNCTION_BYTES {
            return None;
        }
        Some(match module {
            None => symbol.name.to_owned(),
            Some(module) => format!("{} [{module}]", symbol.name),
        })
    }
}

fn line(line: &str) -> Option<(Symbol<'_>, Option<&str>)> {
    let mut words = line.split_ascii_whitespace();
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    let kind = match words.next()? {
        "t" | "T" | "w" | "W" => SymbolKind::Text,
        _ => SymbolKind::Data,
    };
    let name = words.next()?;
    let module = words
        .next()
        .and_then(|word| word.strip_prefix('[')?.strip_suffix(']'));
    Some((
        Symbol {
            address,
            name,
            kind,
        },
        module,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_sorted_into_their_images() {
        let text = "0000000000035e00 A pcpu_hot\n\
                    ffffffff81000000 T _text\n\
                    ffffffff82c0d8c0 d rename_lock\n\
                    nonsense\n\
                    ffffffffc0400010 t nf_ct_get\t[nf_conntrack]\n";
        let Kallsyms { vmlinux, modules } = parse(text).expect("addresses are shown");
        assert_eq!(vmlinux.len(), 3);
        assert_eq!(
            vmlinux.address_of("rename_lock"),
            Some(0xffff_ffff_82c0_d8c0)
        );
        let (symbol, distance) = vmlinux.at(0xffff_ffff_8100_0010).expect("in text");
        assert_eq!(
            (symbol.name, symbol.kind, distance),
            ("_text", SymbolKind::Text, 0x10)
        );
        let conntrack = &modules["nf_conntrack"];
        assert_eq!(
            conntrack.address_of("nf_ct_get"),
            Some(0xffff_ffff_c040_0010)
        );
    }

    #[test]
    fn a_function_is_named_by_the_nearest_symbol_before_the_address() {
        let text = "ffffffff81000000 T d_lookup\nffffffffc0400010 t nf_ct_get\t[nf_conntrack]\n";
        let symbols = parse(text).expect("addresses are shown");
        let name = |address| symbols.name_of(address);
        assert_eq!(name(0xffff_ffff_8100_0013).as_deref(), Some("d_lookup"));
        assert_eq!(
            name(0xffff_ffff_c040_0020).as_deref(),
            Some("nf_ct_get [nf_conntrack]")
        );
        assert_eq!(name(0xffff_ffff_a000_0000), None);
        assert_eq!(name(0x1000), None);
    }

    #[test]
    fn a_kernel_with_functions_only_has_no_variables() {
        let mut text = String::from(
            "ffffffff81000000 T _stext\nffffffff81100000 T _etext\n\
             ffffffff82000000 D __start___jump_table\n",
        );
        let lines = |letter, from: u64, count: u64| {
            let addresses = (from..).step_by(64).take(count as usize);
            let lines = addresses.map(|address| format!("{address:x} {letter} s{address:x}"));
            lines.collect::<Vec<_>>().join("\n") + "\n"
        };
        text += &lines('t', 0xffff_ffff_8100_0000, 1000);
        assert!(!parse(&text).expect("addresses are shown").has_variables());
        text += &lines('d', 0xffff_ffff_8300_0000, 100);
        assert!(parse(&text).expect("addresses are shown").has_variables());
    }

    #[test]
    fn hidden_addresses_are_an_error_that_says_what_to_do() {
        let text = "0000000000000000 T _text\n0000000000000000 T d_lookup\n";
        let error = parse(text).expect_err("hidden").to_string();
        assert!(error.contains("kernel.kptr_restrict=0"), "{error}");
    }
}
