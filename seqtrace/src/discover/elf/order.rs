//! Which of the names at one address is shown: the order of `scripts/kallsyms.c`, so that a
//! kernel's ELF symbols and those that it carries for itself give the same names.

/// A key to sort the names of one address by; the name that is shown comes first.
pub(super) fn rank(name: &str, is_weak: bool) -> impl Ord + use<'_> {
    let underscores = name.len() - name.trim_start_matches('_').len();
    (is_weak, is_by_linker_script(name), underscores, name)
}

/// `may_be_linker_script_provide_symbol`: the ends of tables.
fn is_by_linker_script(name: &str) -> bool {
    name.len() >= 8
        && name.strip_prefix("__").is_some_and(|rest| {
            ["start_", "stop_", "end_"]
                .iter()
                .any(|start| rest.starts_with(start))
                || name.ends_with("_start")
                || name.ends_with("_end")
        })
}
