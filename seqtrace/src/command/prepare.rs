//! Discover and plan: everything that comes before attaching, for all commands.

use std::{collections::BTreeMap, time::Instant};

use anyhow::{Context as _, Result, bail};
use log::{info, warn};
use nix::sys::resource::{UsageWho, getrusage};

use crate::{
    aggregate::snapshot::Costs,
    attach::TaskLayout,
    cli::TextSource,
    command::progress::Progress,
    config::{RequestWords, Sources},
    discover::{
        self,
        btf::Btf,
        catalog::{Catalog, ImageCatalog},
    },
    kernel::{
        cache::Cache,
        feature::{self, Check},
        hazards,
        running::{Running, VMLINUX},
        shed,
        text::Choice,
    },
    plan::{Backends, OwnerOffsets, Plan, Request, SeqcountNames, SiteFilter, plan},
};

/// What the stages before attaching have found out.
#[derive(Debug)]
pub struct Prepared {
    /// The running kernel.
    pub running: Running,
    /// Its sites.
    pub catalog: Catalog,
    /// What to do with them.
    pub plan: Plan,
    /// What counts.
    pub backends: Backends,
    /// Why it is not known where this kernel forbids probes; `None`: it is.
    pub unknown_hazards: Option<String>,
    /// Sites that are filtered by a name that theirs, which is not known, might be.
    pub unnamed: u64,
    /// What discovery cost.
    pub costs: Costs,
}

impl Prepared {
    /// Drops what is needed before counting only: some 10 MiB of types, and the catalog, of which the plan has
    /// what it needs.
    pub fn shed(&mut self) {
        self.running.forget_types();
        self.catalog = Catalog::default();
        shed::give_back();
    }
}

/// Fails with the first needed thing that is missing, in one line that says what to do.
///
/// # Errors
///
/// As said.
pub fn require(checks: &[Check]) -> Result<()> {
    match checks.iter().find_map(Check::failure) {
        Some(failure) => bail!(failure),
        None => Ok(()),
    }
}

/// Finds the sites of the running kernel and decides which to probe.
///
/// # Errors
///
/// When the kernel or the user's rights do not allow it, in one line that says what to do.
pub fn prepare(
    sources: &Sources,
    (request, blame): (&RequestWords, bool),
    filter: &SiteFilter,
    backends: Backends,
    progress: bool,
) -> Result<Prepared> {
    require(&feature::discover_checks())?;
    let since = Instant::now();
    let running = Running::read(sources.modules, choice(sources.text))?;
    info!("the kernel's text is read from {}", running.text_source());
    let hazards = hazards::read(running.init_text());
    let (catalog, cached) = catalog(&running, sources, progress)?;
    let mut bases = BTreeMap::new();
    for image in &catalog.images {
        bases.insert(image.image.clone(), running.base(&image.image)?);
    }
    let RequestWords { retries, writers } = request;
    let request = Request {
        retries: SeqcountNames::new(retries),
        backends,
        writers: SeqcountNames::new(writers),
        blame,
    };
    let owners = owner_offsets(&running.btf);
    let mut plan = plan(&catalog, &bases, &hazards, owners, &request)?;
    plan.resolve_words(|location| running.address_of(location));
    let unnamed = plan.restrict(filter)?;
    let costs = Costs {
        discover_ns: since.elapsed().as_nanos().try_into().unwrap_or(u64::MAX),
        cached,
        attach_ns: 0,
        peak_rss_bytes: peak_rss_bytes(),
    };
    info!("{} sites in {:?}", plan.targets.len(), since.elapsed());
    Ok(Prepared {
        running,
        catalog,
        plan,
        backends,
        unknown_hazards: hazards.unknown,
        unnamed,
        costs,
    })
}

fn choice(text: TextSource) -> Choice {
    match text {
        TextSource::Auto => Choice::Auto,
        TextSource::Kcore => Choice::Kcore,
        TextSource::Bpf => Choice::Bpf,
        TextSource::File => Choice::File,
    }
}

/// The catalog of all images, and whether all of it came from the cache.
fn catalog(running: &Running, sources: &Sources, progress: bool) -> Result<(Catalog, bool)> {
    let mut cache = sources.cache.then(Cache::of_user).flatten();
    let mut images = Vec::new();
    let mut cached = true;
    for (name, build_id) in running.images() {
        let found = cache.as_ref().and_then(|cache| load(cache, name, build_id));
        if let Some(image) = found {
            images.push(image);
            continue;
        }
        cached = false;
        let image = match scan(running, name, progress) {
            Ok(image) => image,
            // It may have left meanwhile; the rest can be traced all the same.
            Err(error) if name != VMLINUX => {
                warn!("module `{name}` is left out: {error:#}");
                continue;
            }
            Err(error) => return Err(error),
        };
        if let Some(Err(error)) = cache.as_ref().map(|cache| cache.keep(&image)) {
            warn!("{error:#}");
            // It would not keep the others either.
            cache = None;
        }
        images.push(image);
    }
    Ok((Catalog { images }, cached))
}

/// A cached catalog; one that cannot be used is told and scanned anew.
fn load(cache: &Cache, name: &str, build_id: &str) -> Option<ImageCatalog> {
    cache.load(name, build_id).unwrap_or_else(|error| {
        warn!("{error:#}");
        None
    })
}

fn scan(running: &Running, name: &str, progress: bool) -> Result<ImageCatalog> {
    let image = running.image(name)?;
    let progress = Progress::new(progress, "scanning functions");
    let types = running.types(name);
    let found = discover::scan(&image, Some(&types), &|done, all| {
        progress.report(done, all);
    });
    info!(
        "`{name}`: {} sites in {} functions, {} bytes of text",
        found.sites.len(),
        found.functions,
        found.text_bytes
    );
    Ok(found)
}

/// Where the owner stands in each kind of lock: on PREEMPT_RT all are built on `rt_mutex_base`
/// (`include/linux/spinlock_types.h`, `rwbase_rt.h`, `mutex_types.h`).
pub(super) fn owner_offsets(types: &Btf) -> OwnerOffsets {
    let offset = |structure, path| {
        let offset = types.member_offset(structure, path)?;
        i32::try_from(offset).ok()
    };
    OwnerOffsets {
        spinlock: offset("spinlock", "lock.owner"),
        rwlock: offset("rwbase_rt", "rtmutex.owner"),
        mutex: offset("mutex", "rtmutex.owner"),
    }
}

/// Where the kernel side finds what it needs of a task.
///
/// # Errors
///
/// When the kernel's BTF does not have it.
pub fn task_layout(types: &Btf) -> Result<TaskLayout> {
    let known = |member: &str| {
        let offset = types.member_offset("task_struct", member)?;
        u32::try_from(offset).ok()
    };
    let offset = |member: &str| {
        known(member).with_context(|| format!("this kernel's BTF has no `task_struct.{member}`"))
    };
    Ok(TaskLayout {
        pid: offset("pid")?,
        tgid: offset("tgid")?,
        comm: offset("comm")?,
        nvcsw: offset("nvcsw")?,
        on_cpu: known("on_cpu"),
        state: known("__state"),
    })
}

/// Largest resident set of this process so far.
pub fn peak_rss_bytes() -> u64 {
    // In kilobytes (getrusage(2)).
    getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss().unsigned_abs() * 1024)
}
