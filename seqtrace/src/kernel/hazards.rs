//! Where the kernel forbids probes: texts of debugfs and tracefs → ranges and names.
//!
//! Predictions only. The kernel has the last word, and what it refuses is kept as a refusal.

use std::{
    collections::HashSet,
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};

/// Where probes are forbidden, as far as this kernel tells.
#[derive(Clone, Debug, Default)]
pub struct Hazards {
    /// Functions that ftrace knows, by name. The kernel refuses kprobe events in all others
    /// (`kernel/trace/trace_kprobe.c`, `within_notrace_func`). `None`: the kernel was built
    /// without the restriction.
    pub traceable: Option<HashSet<String>>,
    /// The kprobes blacklist: address ranges, in no order.
    pub blacklist: Vec<Range<u64>>,
    /// Init text of vmlinux, freed after boot.
    pub init_text: Option<Range<u64>>,
    /// Why `traceable` could not be read; then it says nothing.
    pub unknown: Option<String>,
}

/// Places where tracefs is mounted, the usual one first.
const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// Reads the hazards of the running kernel. `init_text` is taken as given (from the symbols).
///
/// tracefs and debugfs may be missing. Without debugfs the blacklist is empty.
pub fn read(init_text: Option<Range<u64>>) -> Hazards {
    let (traceable, unknown) = match traceable() {
        Ok(traceable) => (traceable, None),
        Err(error) => (None, Some(format!("{error:#}"))),
    };
    let blacklist = fs::read_to_string("/sys/kernel/debug/kprobes/blacklist")
        .map(|text| parse_blacklist(&text))
        .unwrap_or_default();
    Hazards {
        traceable,
        blacklist,
        init_text,
        unknown,
    }
}

fn traceable() -> Result<Option<HashSet<String>>> {
    match fs::read_to_string(tracefs()?.join("available_filter_functions")) {
        Ok(text) => Ok(Some(parse_traceable(&text))),
        // The file exists where ftrace is compiled in; without it no function is `notrace`.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("failed to read `available_filter_functions` of tracefs"),
    }
}

/// The directory tracefs is mounted on.
///
/// # Errors
///
/// When it is not mounted, with the command that mounts it.
pub fn tracefs() -> Result<PathBuf> {
    for path in TRACEFS {
        if Path::new(path).join("README").exists() {
            return Ok(PathBuf::from(path));
        }
    }
    ensure!(!is_tracefs_closed(), "this user may not read tracefs");
    bail!(
        "tracefs is not mounted on `{}`: run `mount -t tracefs nodev {}` as root",
        TRACEFS[0],
        TRACEFS[0]
    )
}

/// Whether tracefs is mounted and this user may not look into it.
pub fn is_tracefs_closed() -> bool {
    let looked = TRACEFS.map(|path| Path::new(path).join("README").try_exists());
    let is_closed = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    !looked.iter().any(|found| matches!(found, Ok(true)))
        && looked
            .iter()
            .any(|found| found.as_ref().is_err_and(is_closed))
}

/// Names in the text of `available_filter_functions`: `name` or `name [module]` a line.
pub fn parse_traceable(text: &str) -> HashSet<String> {
    text.lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

/// Ranges in the text of `kprobes/blacklist`: `0xstart-0xend<TAB>name` a line. Lines of another
/// form are passed over.
pub fn parse_blacklist(text: &str) -> Vec<Range<u64>> {
    let address = |word: &str| u64::from_str_radix(word.trim().trim_start_matches("0x"), 16).ok();
    text.lines()
        .filter_map(|line| {
            let (start, end) = line.split_whitespace().next()?.split_once('-')?;
            Some(address(start)?..address(end)?)
        })
        .filter(|range| !range.is_empty())
        .collect()
}

impl Hazards {
    /// Whether the kernel takes `function` for `notrace`: ftrace knows neither it nor, for a name
    /// with a suffix (`.cold`, `.constprop.0`), the part before the first dot.
    pub fn is_notrace(&self, function: &str) -> bool {
        let Some(traceable) = &self.traceable else {
            return false;
        };
        let stem = function.split('.').next().unwrap_or(function);
        !traceable.contains(function) && !traceable.contains(stem)
    }

    /// Whether `address` is on the kprobes blacklist.
    pub fn is_blacklisted(&self, address: u64) -> bool {
        self.blacklist.iter().any(|range| range.contains(&address))
    }

    /// Whether `address` is init text.
    pub fn is_init(&self, address: u64) -> bool {
        self.init_text
            .as_ref()
            .is_some_and(|range| range.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_notrace_when_ftrace_knows_neither_it_nor_its_stem() {
        let hazards = Hazards {
            traceable: Some(parse_traceable(
                "d_lookup\nalloc.constprop.0\nnf_ct_get [nf_conntrack]\n",
            )),
            ..Hazards::default()
        };
        assert!(!hazards.is_notrace("d_lookup"));
        assert!(!hazards.is_notrace("d_lookup.cold"));
        assert!(!hazards.is_notrace("alloc.constprop.0"));
        assert!(!hazards.is_notrace("nf_ct_get"));
        assert!(hazards.is_notrace("__do_sys_getcwd"));
        assert!(!Hazards::default().is_notrace("__do_sys_getcwd"));
    }

    #[test]
    fn the_blacklist_is_read_as_half_open_ranges() {
        let text = "0xffffffff81000000-0xffffffff81000010\tasm_exc\nnonsense\n0x20-0x20\tempty\n";
        let hazards = Hazards {
            blacklist: parse_blacklist(text),
            ..Hazards::default()
        };
        assert_eq!(hazards.blacklist.len(), 1);
        assert!(hazards.is_blacklisted(0xffff_ffff_8100_0000));
        assert!(!hazards.is_blacklisted(0xffff_ffff_8100_0010));
    }
}
