//! Where tools that were built or downloaded are kept: outside the clone, so that a fresh clone
//! need not fetch them again. Removing the directory costs nothing but time.

use std::{env, ffi::OsString, path::PathBuf};

use anyhow::{Context as _, Result};

/// The cache directory: `$SEQTRACE_CACHE`, else `$XDG_CACHE_HOME/seqtrace`, else
/// `~/.cache/seqtrace`. It need not exist.
pub(crate) fn directory() -> Result<PathBuf> {
    choose(|name| env::var_os(name))
        .context("failed to find a cache directory, set `SEQTRACE_CACHE` to an absolute path")
}

/// Relative paths are passed over: the XDG specification calls them invalid.
fn choose(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("SEQTRACE_CACHE")
        .or_else(|| Some(absolute("XDG_CACHE_HOME")?.join("seqtrace")))
        .or_else(|| Some(absolute("HOME")?.join(".cache/seqtrace")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(set: &[(&str, &str)]) -> Option<PathBuf> {
        choose(|name| {
            let (_, value) = set.iter().find(|(known, _)| *known == name)?;
            Some(OsString::from(value))
        })
    }

    #[test]
    fn the_own_variable_beats_xdg_which_beats_home() {
        let all = [
            ("SEQTRACE_CACHE", "/own"),
            ("XDG_CACHE_HOME", "/xdg"),
            ("HOME", "/home/a"),
        ];
        assert_eq!(chosen(&all), Some("/own".into()));
        assert_eq!(chosen(&all[1..]), Some("/xdg/seqtrace".into()));
        assert_eq!(chosen(&all[2..]), Some("/home/a/.cache/seqtrace".into()));
        assert_eq!(chosen(&[]), None);
    }

    #[test]
    fn relative_paths_are_passed_over() {
        let set = [
            ("SEQTRACE_CACHE", "tools"),
            ("XDG_CACHE_HOME", ""),
            ("HOME", "/root"),
        ];
        assert_eq!(chosen(&set), Some("/root/.cache/seqtrace".into()));
    }
}
