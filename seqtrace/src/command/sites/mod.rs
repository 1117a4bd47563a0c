//! `seqtrace sites`: what is found, and what would be probed; attaches nothing.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::Path,
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    aggregate::{coverage, snapshot::Costs},
    cli::{RoleArgument, SelectionArguments},
    command::{
        backends,
        prepare::{self, Prepared},
    },
    config::{Input, RequestWords, Sources, View},
    discover::{
        card::{self, Card},
        catalog::{Catalog, ImageCatalog},
        image::Image,
        store,
    },
    export::{
        self,
        selection::{Kind, Selection},
        sites::Sites,
    },
    kernel::{
        feature::{self, Check},
        running::Running,
    },
    plan::{Backends, Plan, SiteFilter},
};

mod debuginfo;
mod files;

use files::Files;

/// What there is to print.
struct Found {
    /// `uname -r`; `None` for a file that does not tell.
    release: Option<String>,
    catalog: Catalog,
    /// `None` for a file.
    plan: Option<Plan>,
    /// What the plan rests on.
    notes: Vec<String>,
    origin: Origin,
    costs: Costs,
}

/// Where the text of the images is.
enum Origin {
    Running(Box<Running>),
    Files(Files),
}

/// Prints a view of the sites of the running kernel, or of a file.
///
/// # Errors
///
/// When the sites cannot be found, nothing matches, or the output cannot be written.
pub fn sites(
    view: &View,
    input: &Input,
    request: &RequestWords,
    sources: &Sources,
    progress: bool,
) -> Result<()> {
    let mut found = match &input.image {
        Some(file) => offline(file, input, progress)?,
        None => running(sources, request, progress)?,
    };
    match &input.debuginfo {
        Some(file) => debuginfo::annotate(&mut found.catalog, file)?,
        None if shows_chains(view) => {
            let release = found.release.as_deref();
            let files = found.origin.files();
            debuginfo::annotate_from_usual_places(&mut found.catalog, release, files);
        }
        None => {}
    }
    match view {
        View::Table { long, selection } => {
            let listing = *long || !is_everything(selection);
            let sites = found.select(selection)?;
            let width = width();
            let table = if listing {
                sites.listing(width)
            } else {
                sites.summary(width)
            };
            print(table.as_bytes())
        }
        View::Json { selection } => print(found.select(selection)?.document().as_bytes()),
        View::Card {
            image,
            function,
            offset,
        } => print(found.card(image.as_deref(), function, *offset)?.as_bytes()),
        View::Score { debuginfo, json } => {
            let score = debuginfo::score_of(&found.catalog, debuginfo, found.origin.files())?;
            let text = if *json {
                export::score::document(&score)
            } else {
                export::score::table(&score, width())
            };
            print(text.as_bytes())
        }
        View::Catalog(file) => write_catalog(&found.catalog, file.as_deref()),
    }
}

/// Whether source lines and inline chains would be seen: reading them takes longer than the scan.
fn shows_chains(view: &View) -> bool {
    match view {
        View::Table { long, selection } => *long || !is_everything(selection),
        View::Json { .. } | View::Card { .. } => true,
        // A catalog is the same whether debuginfo lies at hand or not, unless it is named.
        View::Catalog(_) | View::Score { .. } => false,
    }
}

impl Found {
    fn select(&self, words: &SelectionArguments) -> Result<Sites> {
        let selection = selection(words);
        selection.check(&self.catalog)?;
        let plan = self.plan.as_ref().map(|plan| {
            let mut coverage = coverage::cover(plan, &[], &BTreeSet::new());
            coverage.notes.clone_from(&self.notes);
            (plan, coverage)
        });
        Ok(Sites::new(
            self.release.as_deref(),
            &self.catalog,
            plan,
            &selection,
            self.costs.clone(),
        ))
    }
}

impl Found {
    /// What the functions with a name do with seqcounts, in one image or in all.
    fn card(&self, image: Option<&str>, function: &str, offset: Option<u64>) -> Result<String> {
        let images = &self.catalog.images;
        ensure!(
            image.is_none_or(|name| images.iter().any(|one| one.image == name)),
            "there is no module `{}` here",
            image.unwrap_or_default()
        );
        let mut cards = Vec::new();
        let chosen = |one: &ImageCatalog| image.is_none_or(|name| one.image == name);
        for (index, one) in images.iter().enumerate().filter(|(_, one)| chosen(one)) {
            let names = card::functions(one, function);
            if names.is_empty() {
                continue;
            }
            let text = self.origin.image(&one.image, index)?;
            for name in names {
                cards.extend(card::cards(&text, one, name, offset));
            }
        }
        ensure!(
            !cards.is_empty(),
            "no function called `{function}` reads or writes a seqcount, as far as is found"
        );
        if let Some(offset) = offset {
            cards.retain(Card::has_what_was_asked_for);
            ensure!(
                !cards.is_empty(),
                "no instruction of `{function}` begins at +{offset:#x}"
            );
        }
        let cards: Vec<String> = cards.iter().map(export::card::text).collect();
        Ok(cards.join("\n"))
    }
}

impl Origin {
    fn files(&self) -> Option<&Files> {
        match self {
            Self::Running(_) => None,
            Self::Files(files) => Some(files),
        }
    }

    /// The text and symbols of an image, by its name and its index in the catalog.
    fn image(&self, name: &str, index: usize) -> Result<Image> {
        match self {
            Self::Running(running) => running.image(name),
            Self::Files(files) => files.image(index),
        }
    }
}

fn running(sources: &Sources, request: &RequestWords, progress: bool) -> Result<Found> {
    let Prepared {
        running,
        catalog,
        plan,
        backends,
        unknown_hazards,
        unnamed: _,
        costs,
    } = prepare::prepare(
        sources,
        (request, false),
        &SiteFilter::default(),
        backends::of_kernel(),
        progress,
    )?;
    Ok(Found {
        release: Some(running.release.clone()),
        catalog,
        plan: Some(plan),
        notes: notes(&running, backends, unknown_hazards),
        origin: Origin::Running(Box::new(running)),
        costs,
    })
}

/// What the plan rests on.
fn notes(running: &Running, backends: Backends, unknown_hazards: Option<String>) -> Vec<String> {
    let mut notes = vec![format!("kernel text read from {}", running.text_source())];
    let unknown =
        unknown_hazards.map(|why| format!("where this kernel forbids probes is not known: {why}"));
    if backends.probe {
        notes.extend(unknown);
        let missing = feature::probe_checks();
        let missing = missing.iter().find_map(Check::failure);
        notes.extend(missing.map(|why| format!("nothing can be attached: {why}")));
    }
    notes.extend(backends::blind_spots(backends));
    notes.extend(running.left_out());
    notes
}

/// The sites of the kernel in a file, and its release where the file tells.
///
/// # Errors
///
/// When the file cannot be read, or is no kernel.
pub(super) fn of_image(file: &Path, progress: bool) -> Result<(Option<String>, Catalog)> {
    let input = Input {
        image: Some(file.to_owned()),
        modules: None,
        debuginfo: None,
    };
    let (files, catalog) = files::scan(file, &input, progress)?;
    Ok((files.release, catalog))
}

fn offline(file: &Path, input: &Input, progress: bool) -> Result<Found> {
    let since = Instant::now();
    let (files, catalog) = files::scan(file, input, progress)?;
    Ok(Found {
        release: files.release.clone(),
        catalog,
        plan: None,
        notes: Vec::new(),
        origin: Origin::Files(files),
        costs: Costs {
            discover_ns: since.elapsed().as_nanos().try_into().unwrap_or(u64::MAX),
            peak_rss_bytes: prepare::peak_rss_bytes(),
            ..Costs::default()
        },
    })
}

/// All images one after the other, each with its head.
fn write_catalog(catalog: &Catalog, file: Option<&Path>) -> Result<()> {
    let bytes: Vec<u8> = catalog.images.iter().flat_map(store::encode).collect();
    match file {
        None => print(&bytes),
        Some(path) => {
            fs::write(path, bytes).with_context(|| format!("failed to write `{}`", path.display()))
        }
    }
}

fn print(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()?;
    Ok(())
}

/// Columns of the terminal; `None` where the output is read by a program.
fn width() -> Option<usize> {
    io::stdout()
        .is_terminal()
        .then(terminal_size::terminal_size)
        .flatten()
        .map(|(width, _)| usize::from(width.0))
}

fn is_everything(words: &SelectionArguments) -> bool {
    selection(words).is_everything()
}

fn selection(words: &SelectionArguments) -> Selection {
    let SelectionArguments {
        seqcount,
        function,
        role,
    } = words;
    Selection::new(seqcount, function, role.iter().copied().map(kind))
}

fn kind(role: RoleArgument) -> Kind {
    match role {
        RoleArgument::Block => Kind::Block,
        RoleArgument::Spin => Kind::Spin,
        RoleArgument::Retry => Kind::Retry,
        RoleArgument::Fallback => Kind::Fallback,
        RoleArgument::Begin => Kind::Begin,
        RoleArgument::Check => Kind::Check,
        RoleArgument::Write => Kind::Write,
    }
}
