//! The words of `seqtrace sites` → what is looked at, and what is printed of it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::{Task, check_writable, sources};
use crate::cli::{InputArguments, SelectionArguments, SitesArguments, VerbosityArguments};

/// What `sites` prints.
#[derive(Debug)]
pub enum View {
    /// A table.
    Table {
        /// A line for each site and instance, not for each seqcount.
        long: bool,
        /// What of it.
        selection: SelectionArguments,
    },
    /// One JSON document.
    Json {
        /// What of it.
        selection: SelectionArguments,
    },
    /// The instructions of a function.
    Card {
        /// The module, `None` when it was not named.
        image: Option<String>,
        /// The function.
        function: String,
        /// The distance from the function's symbol that was named, bytes.
        offset: Option<u64>,
    },
    /// How the scan compares with debuginfo.
    Score {
        /// The file with it.
        debuginfo: PathBuf,
        /// One JSON document instead of tables.
        json: bool,
    },
    /// The catalog as JSON lines, to a file or (`None`) to standard output.
    Catalog(Option<PathBuf>),
}

/// The kernel that is looked at.
#[derive(Debug)]
pub struct Input {
    /// A file instead of the running kernel.
    pub image: Option<PathBuf>,
    /// Where its modules are; `None`: without modules.
    pub modules: Option<PathBuf>,
    /// Where source lines and inline chains are; `None`: in the image, if there are any.
    pub debuginfo: Option<PathBuf>,
}

pub(super) fn task(arguments: SitesArguments) -> Result<(Task, VerbosityArguments)> {
    let SitesArguments {
        selection,
        long,
        json,
        disassemble,
        catalog,
        score,
        retries,
        input,
        discover,
    } = arguments;
    let (sources, verbosity) = sources(&discover);
    let InputArguments {
        image,
        modules,
        debuginfo,
    } = input;
    let view = if let Some(site) = disassemble {
        card(&site)?
    } else if let Some(file) = catalog {
        let file = (file.as_path() != Path::new("-")).then_some(file);
        if let Some(path) = &file {
            check_writable(path)?;
        }
        View::Catalog(file)
    } else if let Some(debuginfo) = score {
        View::Score { debuginfo, json }
    } else if json {
        View::Json { selection }
    } else {
        View::Table { long, selection }
    };
    ensure!(
        image.is_none() || retries.retries.is_empty() && retries.writers.is_empty(),
        "--retries and --writers are about what would be probed, which a file does not tell: leave --image out"
    );
    let task = Task::Sites {
        view,
        input: Input {
            image,
            modules,
            debuginfo,
        },
        request: super::trace::request(retries),
        sources,
    };
    Ok((task, verbosity))
}

/// `[MODULE:]FUNCTION[+OFFSET]`.
fn card(site: &str) -> Result<View> {
    let (image, rest) = match site.split_once(':') {
        Some((image, rest)) => (Some(image), rest),
        None => (None, site),
    };
    let (function, offset) = match rest.split_once('+') {
        Some((function, offset)) => {
            let digits = offset.strip_prefix("0x").unwrap_or(offset);
            let offset = u64::from_str_radix(digits, 16)
                .ok()
                .with_context(|| format!("`{offset}` in `{site}` is no hexadecimal distance"))?;
            (function, Some(offset))
        }
        None => (rest, None),
    };
    ensure!(
        !function.is_empty() && image.is_none_or(|image| !image.is_empty()),
        "`{site}` names no function: write `d_lookup`, `d_lookup+0x4b` or `module:function`"
    );
    Ok(View::Card {
        image: image.map(str::to_owned),
        function: function.to_owned(),
        offset,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::{cli::Cli, config::Config};

    #[test]
    fn a_site_is_a_function_with_an_image_before_and_an_offset_behind() {
        let named = |site: &str| match Config::new(Cli::parse_from([
            "seqtrace",
            "sites",
            "--disassemble",
            site,
        ]))?
        .task
        {
            Task::Sites {
                view:
                    View::Card {
                        image,
                        function,
                        offset,
                    },
                ..
            } => Ok((image, function, offset)),
            other => panic!("{other:?}"),
        };
        let some = |text: &str| Some(text.to_owned());
        for (site, expected) in [
            ("d_lookup", (None, "d_lookup".to_owned(), None)),
            ("d_lookup+0x4b", (None, "d_lookup".to_owned(), Some(0x4b))),
            (
                "kvm:a.cold+1f",
                (some("kvm"), "a.cold".to_owned(), Some(0x1f)),
            ),
        ] {
            assert_eq!(named(site).expect("valid"), expected, "{site}");
        }
        for (site, part) in [
            (
                "d_lookup+zz",
                "`zz` in `d_lookup+zz` is no hexadecimal distance",
            ),
            ("+0x4b", "names no function"),
            (":d_lookup", "names no function"),
        ] {
            let error: anyhow::Error = named(site).expect_err("not a site");
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
