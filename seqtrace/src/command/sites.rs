//! `seqtrace sites`: what would be probed; attaches nothing.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::Result;

use crate::{
    aggregate::coverage,
    command::prepare::{self, Prepared},
    config::Sources,
    export::sites::Sites,
};

/// Prints the plan, or one JSON document.
///
/// # Errors
///
/// When the sites cannot be found, or the output cannot be written.
pub fn sites(json: bool, sources: &Sources, progress: bool) -> Result<()> {
    let Prepared {
        running,
        catalog,
        plan,
        costs,
    } = prepare::prepare(sources, progress)?;
    let coverage = coverage::cover(&plan, &[]);
    let sites = Sites::new(&running.release, &catalog, &plan, coverage, costs);
    let mut out = io::stdout().lock();
    if json {
        out.write_all(sites.document().as_bytes())?;
    } else {
        let width = out
            .is_terminal()
            .then(terminal_size::terminal_size)
            .flatten()
            .map(|(width, _)| usize::from(width.0));
        out.write_all(sites.table(width).as_bytes())?;
    }
    out.flush()?;
    Ok(())
}
