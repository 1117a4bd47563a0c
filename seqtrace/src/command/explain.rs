//! `seqtrace explain`: what the reports of a log say, and whether to believe them.

use std::{
    fs::{self, File},
    io::{self, IsTerminal as _, Read},
    path::Path,
};

use anyhow::{Context as _, Result, bail};
use log::warn;

use crate::{
    command::{report, sites},
    config::{Explain, ExplainForm},
    discover::catalog::{Catalog, Role},
    explain::{
        self, Explained,
        spin::{Site, Sites},
    },
    export,
};

/// Registers of x86-64, numbered as in the encoding of instructions.
const REGISTERS: [&str; 16] = [
    "RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI", "R8", "R9", "R10", "R11", "R12", "R13",
    "R14", "R15",
];

/// How far behind a spin site the address of a processor may be that spins there, bytes: the `pause`
/// and what follows it in the loop.
const LOOP_BYTES: u64 = 16;

/// Reads a log and prints what is in it.
///
/// # Errors
///
/// When the log or the image cannot be read, there is no report in it, or the output cannot be written.
pub fn explain(asked: &Explain, progress: bool) -> Result<()> {
    let Explain { file, form, image } = asked;
    let kernel = image
        .as_deref()
        .map(|image| Kernel::read(image, progress))
        .transpose()?;
    let explained = match file {
        Some(file) => {
            let log =
                File::open(file).with_context(|| format!("failed to open `{}`", file.display()))?;
            read(log, kernel.as_ref())
                .with_context(|| format!("failed to read `{}`", file.display()))?
        }
        None if io::stdin().is_terminal() => bail!(
            "standard input is a terminal: give the file of a log, or pipe one in: `dmesg | seqtrace explain`"
        ),
        None => {
            read(io::stdin().lock(), kernel.as_ref()).context("failed to read standard input")?
        }
    };
    if explained.reports.is_empty() {
        bail!(
            "no report of lockdep, lockup, stall or hung task in {} lines: give the log of the kernel \
             (`dmesg`, `journalctl -k`), from the first line of the report on",
            explained.lines
        );
    }
    if let Some(kernel) = &kernel {
        kernel.check_release(&explained);
    }
    match form {
        ExplainForm::Text => report::print(&export::explain::text(&explained, report::size().0)),
        ExplainForm::Json => report::print(&export::explain::document(&explained)),
        ExplainForm::Dot(file) => draw(export::explain::dot(&explained), file.as_deref()),
        ExplainForm::Svg(file) => draw(export::explain::svg(&explained), file.as_deref()),
    }
}

fn read(mut log: impl Read, kernel: Option<&Kernel>) -> Result<Explained> {
    let sites = kernel.map(|kernel| kernel as &dyn Sites);
    Ok(explain::explain(&mut log, sites)?)
}

fn draw(drawn: Option<String>, file: Option<&Path>) -> Result<()> {
    let drawn = drawn.context("nothing to draw: no report of the log has a circle of locks")?;
    match file {
        Some(file) => {
            fs::write(file, drawn).with_context(|| format!("failed to write `{}`", file.display()))
        }
        None => report::print(&drawn),
    }
}

/// The sites of an image.
struct Kernel {
    release: Option<String>,
    catalog: Catalog,
}

impl Kernel {
    fn read(image: &Path, progress: bool) -> Result<Self> {
        let (release, catalog) = sites::of_image(image, progress)?;
        Ok(Self { release, catalog })
    }

    /// Addresses of another build mean other code.
    fn check_release(&self, explained: &Explained) {
        let Some(release) = &self.release else { return };
        for explanation in &explained.reports {
            if let Some(known) = &explanation.report.release
                && known.text != *release
                && !explanation.spins.is_empty()
            {
                warn!(
                    "the log is of {}, the image of {release}: its sites may be others",
                    known.text
                );
                return;
            }
        }
    }
}

impl Sites for Kernel {
    fn spin_at(&self, function: &str, offset: u64) -> Option<Site> {
        let sites = self.catalog.images.iter().flat_map(|image| &image.sites);
        let spins = sites.filter(|site| site.role == Role::Spin && site.function == function);
        let mut near =
            spins.filter(|site| (site.offset..=site.offset + LOOP_BYTES).contains(&offset));
        let site = near.next()?;
        let register = site.sequence_register;
        let register = register.and_then(|number| REGISTERS.get(usize::from(number)));
        Some(Site {
            seqcount: site.seqcount.label(),
            register: register.map(|&name| name.to_owned()),
        })
    }
}
