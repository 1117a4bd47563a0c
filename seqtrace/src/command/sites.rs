//! `seqtrace sites`: what would be probed; attaches nothing.

use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::Path,
    sync::Arc,
};

use anyhow::{Context as _, Result};

use crate::{
    aggregate::coverage,
    command::{
        prepare::{self, Prepared},
        progress::Progress,
    },
    config::Sources,
    discover::{self, btf::Btf, elf, store, unpack},
    export::sites::Sites,
    kernel::{
        feature::{self, Check},
        running::Running,
    },
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
        unknown_hazards,
        costs,
    } = prepare::prepare(sources, progress)?;
    let mut coverage = coverage::cover(&plan, &[]);
    coverage.notes = notes(&running, unknown_hazards);
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

/// What the plan rests on.
fn notes(running: &Running, unknown_hazards: Option<String>) -> Vec<String> {
    let mut notes = vec![format!("kernel text: {}", running.text_source())];
    let unknown =
        unknown_hazards.map(|why| format!("where this kernel forbids probes is not known: {why}"));
    notes.extend(unknown);
    let missing = feature::trace_checks();
    let missing = missing.iter().find_map(Check::failure);
    notes.extend(missing.map(|why| format!("nothing can be attached: {why}")));
    notes
}

/// Prints the catalog of a file.
///
/// # Errors
///
/// When the file cannot be read, or is no kernel.
pub fn offline(file: &Path, progress: bool) -> Result<()> {
    let bytes = fs::read(file).with_context(|| format!("failed to read `{}`", file.display()))?;
    let kernel = unpack::elf_file(&bytes)
        .and_then(|bytes| elf::vmlinux(&bytes))
        .with_context(|| format!("failed to use `{}`", file.display()))?;
    let types = kernel
        .btf
        .map(|bytes| Btf::parse(bytes, None))
        .transpose()?;
    let types = types.map(Arc::new);
    let progress = Progress::new(progress, "scanning functions");
    let catalog = discover::scan(&kernel.image, types.as_deref(), &|done, all| {
        progress.report(done, all);
    });
    let mut out = io::stdout().lock();
    out.write_all(&store::encode(&catalog))?;
    out.flush()?;
    Ok(())
}
