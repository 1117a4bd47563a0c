//! Checks of the seqcounts whose every retry is to be counted → targets on what decides them.
//!
//! A failed check is counted once. Where it leads to a cold address, one of the two is left out: the
//! cold one, unless the reader falls back there, or another check that is not probed leads there too.

use anyhow::{Result, bail};

use super::{Backends, Kind, Place, Request, Skip, Target};
use crate::{
    discover::catalog::{Catalog, Check, Half, ImageCatalog, Instance},
    kernel::hazards::Hazards,
};

/// Mnemonics of the instructions that ask for equality and nothing else: the zero flag alone tells
/// whether the check failed.
const EQUALITY: [&str; 6] = ["je", "jne", "sete", "setne", "cmove", "cmovne"];

/// Adds a target for each check of `image` that is asked for, and leaves out the cold sites in
/// `targets` whose retries are counted there. `targets` has the sites of the image from `first` on.
pub(super) fn add(
    targets: &mut Vec<Target>,
    first: usize,
    image: &ImageCatalog,
    base: u64,
    hazards: &Hazards,
    request: &Request,
) {
    let sites = first..first + image.sites.len();
    let mut checks: Vec<Target> = image
        .instances
        .iter()
        .filter(|instance| request.retries.take(&instance.seqcount))
        .filter_map(|instance| target(image, instance, base, hazards, request.backends))
        .collect();
    for site in &mut targets[sites] {
        match site.kind {
            Kind::Fallback => leave_out(&mut checks, site, Skip::CountedAtFallback),
            Kind::Retry => {
                let leading = leading_to(image, site.place.image_offset());
                let probed = checks.iter().filter(|check| is_probed_before(check, site));
                if leading > 0 && probed.count() == leading {
                    site.skip = Some(Skip::CountedAtCheck);
                } else {
                    leave_out(&mut checks, site, Skip::CountedAtRetry);
                }
            }
            Kind::Block | Kind::Spin | Kind::Check | Kind::Write => {}
        }
    }
    targets.append(&mut checks);
}

/// Fails if a pattern matches no check of the catalog: a mistyped name must not look like a kernel
/// without retries.
///
/// # Errors
///
/// As said.
pub(super) fn require_matches(catalog: &Catalog, request: &Request) -> Result<()> {
    let instances = catalog.images.iter().flat_map(|image| &image.instances);
    let checks = instances.filter(|instance| matches!(instance.half, Half::Check(_)));
    let seqcounts: Vec<_> = checks.map(|instance| &instance.seqcount).collect();
    if let Some(glob) = request.retries.unmatched(&seqcounts) {
        bail!(
            "no check of a seqcount called `{glob}` is found: `seqtrace sites --role check` lists \
             those there are"
        );
    }
    Ok(())
}

fn target(
    image: &ImageCatalog,
    instance: &Instance,
    base: u64,
    hazards: &Hazards,
    backends: Backends,
) -> Option<Target> {
    let Half::Check(check) = &instance.half else {
        return None;
    };
    let address = base.wrapping_add(check.decides);
    let odd_condition = (!asks_for_equality(check)).then_some(Skip::OtherCondition);
    let place = Place::Instance(instance.clone());
    let (backend, skip) = backends.choose(Kind::Check, &place, address, hazards);
    Some(Target {
        image: image.image.clone(),
        kind: Kind::Check,
        backend,
        address,
        end_address: None,
        owner_offset: None,
        skip: skip.or(odd_condition),
        on_demand: false,
        word: None,
        place,
    })
}

fn asks_for_equality(check: &Check) -> bool {
    EQUALITY.contains(&check.condition.as_str())
}

/// How many checks of the image, asked for or not, lead to the site.
fn leading_to(image: &ImageCatalog, site: u64) -> usize {
    let checks = image.instances.iter();
    let checks = checks.filter(|instance| matches!(instance.half, Half::Check(_)));
    checks.filter(|check| check.sites.contains(&site)).count()
}

/// Whether a check leads to the site.
fn leads_to(check: &Target, site: &Target) -> bool {
    match &check.place {
        Place::Instance(instance) => instance.sites.contains(&site.place.image_offset()),
        Place::Site(_) => false,
    }
}

fn is_probed_before(check: &Target, site: &Target) -> bool {
    leads_to(check, site) && check.skip.is_none()
}

/// Leaves out the checks that lead to a site which counts their failures.
fn leave_out(checks: &mut [Target], site: &Target, reason: Skip) {
    // What is not probed counts nothing.
    if site.skip.is_some() {
        return;
    }
    for check in checks {
        if is_probed_before(check, site) {
            check.skip = Some(reason);
        }
    }
}

#[cfg(test)]
mod tests;
