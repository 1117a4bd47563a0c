//! What to attach: catalog × kernel facts → probes and skips. Pure.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::{discover::catalog::Catalog, kernel::hazards::Hazards};

mod checks;
pub mod backend;
pub mod demand;
pub mod filter;
pub mod hazard;
mod names;
pub mod order;
mod writers;
pub mod tasks;
mod word;
pub mod target;

pub use backend::Backends;
pub use filter::SiteFilter;
pub use names::SeqcountNames;
pub use target::{Backend, Kind, Place, Target};
pub use tasks::{Cgroup, TaskFilter};
pub use word::Word;

/// What to attach and what not. `targets` has every site of the catalog exactly once, in the order
/// of the catalog, and behind them all the instances that were asked for.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The index of a target is its slot in the counting maps.
    pub targets: Vec<Target>,
}

/// Why a site is left out by us.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    /// The function is `notrace`: the kernel refuses kprobe events there.
    Notrace,
    /// The function is on the kernel's kprobes blacklist.
    Blacklisted,
    /// The function is init text, which is gone after boot.
    InitText,
    /// The tracer itself runs this function for each event.
    UsedByTracer,
    /// A cold site whose retries are counted at the checks that lead there.
    CountedAtCheck,
    /// A check whose failures lead to a probed site of retries, from other checks too.
    CountedAtRetry,
    /// A check whose failures lead to a probed site of fallbacks.
    CountedAtFallback,
    /// A check whose result is used by an instruction that does not ask for equality.
    OtherCondition,
    /// None of the backends in use sees what happens there.
    NoBackend,
    /// An increment of a sequence that the registers do not lead to.
    UnknownWord,
    /// It is not among those that were asked for.
    Filtered,
}

/// What is asked for beyond the cold sites.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Seqcounts whose checks are probed, so that every retry is counted.
    pub retries: SeqcountNames,
    /// What may count.
    pub backends: Backends,
    /// Seqcounts whose increments are probed, so that every hold is counted.
    pub writers: SeqcountNames,
    /// Increments of the other seqcounts for which readers are seen to wait are probed on demand.
    pub blame: bool,
}

/// Byte offsets of the rt_mutex owner from the address of each kind of lock; `None` where the
/// kernel's BTF does not tell or the kernel is not PREEMPT_RT.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct OwnerOffsets {
    /// From a `spinlock_t`.
    pub spinlock: Option<i32>,
    /// From an `rwlock_t`.
    pub rwlock: Option<i32>,
    /// From a `struct mutex`.
    pub mutex: Option<i32>,
}

impl OwnerOffsets {
    /// The offset for the lock that `lock_function` takes.
    fn of(self, lock_function: &str) -> Option<i32> {
        match lock_function {
            "rt_spin_lock" => self.spinlock,
            "rt_read_lock" => self.rwlock,
            "mutex_lock" => self.mutex,
            _ => None,
        }
    }
}

/// Decides for every site of `catalog`, and for every instance that `request` asks for, whether it
/// is counted, and by what.
///
/// `bases` has the run-time base address of each image by name.
///
/// # Errors
///
/// When an image of the catalog has no base: it is not loaded; when a pattern of the request matches
/// nothing.
pub fn plan(
    catalog: &Catalog,
    bases: &BTreeMap<String, u64>,
    hazards: &Hazards,
    owners: OwnerOffsets,
    request: &Request,
) -> Result<Plan> {
    checks::require_matches(catalog, request)?;
    writers::require_matches(catalog, request)?;
    let mut targets = Vec::new();
    let mut first_sites = Vec::new();
    for image in &catalog.images {
        let base = *bases
            .get(&image.image)
            .with_context(|| format!("`{}` is not loaded in this kernel", image.image))?;
        first_sites.push((image, base, targets.len()));
        for site in &image.sites {
            let address = base.wrapping_add(site.image_offset);
            let end_address = site.end.map(|end| base.wrapping_add(end.image_offset));
            let kind = Kind::of_role(site.role);
            let place = Place::Site(site.clone());
            let (backend, skip) = request.backends.choose(kind, &place, address, hazards);
            targets.push(Target {
                image: image.image.clone(),
                kind,
                backend,
                address,
                end_address,
                owner_offset: site.lock_function.as_deref().and_then(|f| owners.of(f)),
                skip,
                on_demand: false,
                word: None,
                place,
            });
        }
    }
    let waited_for = if request.blame {
        writers::waited_for(&targets)
    } else {
        BTreeSet::new()
    };
    for (image, base, first) in first_sites {
        checks::add(&mut targets, first, image, base, hazards, request);
        writers::add(&mut targets, image, base, hazards, (request, &waited_for));
    }
    Ok(Plan { targets })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::catalog::{ImageCatalog, Name, Role, Seqcount, Site};

    /// A spin site of `rename_lock` at `image_offset`.
    fn site(function: &str, image_offset: u64) -> Site {
        Site {
            function: function.to_owned(),
            offset: 0x10,
            image_offset,
            role: Role::Spin,
            seqcount: Seqcount {
                name: Name::Global("rename_lock".to_owned()),
                lockname: None,
                lock: None,
            },
            end: None,
            lock_function: None,
            sequence_register: None,
            location: None,
            cold: Vec::new(),
            chain: Vec::new(),
        }
    }

    fn catalog(sites: Vec<Site>) -> Catalog {
        Catalog {
            images: vec![ImageCatalog {
                image: "vmlinux".to_owned(),
                build_id: String::new(),
                realtime: true,
                functions: 1,
                text_bytes: 1,
                sites,
                instances: Vec::new(),
                inferred: BTreeMap::new(),
                disagreements: Vec::new(),
            }],
        }
    }

    #[test]
    fn every_site_becomes_one_target_at_its_run_time_address() {
        let catalog = catalog(vec![site("d_lookup", 0x100), site("mod_find", 0x200)]);
        let bases = BTreeMap::from([("vmlinux".to_owned(), 0xffff_ffff_8100_0000)]);
        let plan = plan(
            &catalog,
            &bases,
            &Hazards::default(),
            OwnerOffsets::default(),
            &Request::default(),
        )
        .expect("the image is loaded");
        let found: Vec<_> = plan.targets.iter().map(|t| (t.address, t.skip)).collect();
        assert_eq!(
            found,
            [
                (0xffff_ffff_8100_0100, None),
                (0xffff_ffff_8100_0200, Some(Skip::UsedByTracer))
            ]
        );
    }

    #[test]
    fn the_owner_is_found_by_the_lock_function() {
        let mut block = site("getrusage", 0);
        block.lock_function = Some("rt_read_lock".to_owned());
        let owners = OwnerOffsets {
            rwlock: Some(24),
            ..OwnerOffsets::default()
        };
        let bases = BTreeMap::from([("vmlinux".to_owned(), 0)]);
        let plan = plan(
            &catalog(vec![block]),
            &bases,
            &Hazards::default(),
            owners,
            &Request::default(),
        )
        .expect("the image is loaded");
        assert_eq!(plan.targets[0].owner_offset, Some(24));
    }

    #[test]
    fn an_image_that_is_not_loaded_is_an_error() {
        let error = plan(
            &catalog(Vec::new()),
            &BTreeMap::new(),
            &Hazards::default(),
            OwnerOffsets::default(),
            &Request::default(),
        )
        .expect_err("no base");
        assert_eq!(error.to_string(), "`vmlinux` is not loaded in this kernel");
    }
}
