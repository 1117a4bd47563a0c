//! A catalog and debuginfo of the same image → the catalog with the calls that were inlined at each
//! address, and with what only one of the two has.
//!
//! Adds nothing to what is found and takes nothing away: sites come from the scan.

use std::collections::BTreeMap;

use super::{
    agreement::{Agreement, Verdict},
    catalog::{Disagreement, Frame, ImageCatalog, Instance, Only},
    dwarf::{Debuginfo, Inlined},
};

/// How many instances only one of debuginfo and the scan has; the catalog lists them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Disagreements {
    /// Instances that the scan did not find.
    pub only_in_debuginfo: usize,
    /// Instances in no primitive, which are not marked as open-coded.
    pub only_in_scan: usize,
}

/// Fills in the chains of the catalog's instances and sites, and what debuginfo and the scan
/// disagree on. The build ids have to be the same ([`Debuginfo::ensure_build`]).
pub fn annotate(catalog: &mut ImageCatalog, debuginfo: &Debuginfo) -> Disagreements {
    let agreement = Agreement::new(catalog, debuginfo);
    let verdicts = agreement.verdicts();
    let mut disagreements: Vec<Disagreement> = debuginfo
        .wanted()
        .filter(|inlined| agreement.same(inlined).is_empty())
        .map(|inlined| missed(debuginfo, inlined))
        .collect();
    let only_in_debuginfo = disagreements.len();
    let unexplained = catalog.instances.iter().zip(&verdicts);
    disagreements.extend(
        unexplained
            .filter(|(instance, verdict)| verdict.is_false(instance))
            .map(|(instance, _)| Disagreement {
                function: instance.function.clone(),
                offset: instance.offset,
                image_offset: instance.image_offset,
                only: Only::Scan,
                chain: Vec::new(),
            }),
    );
    let only_in_scan = disagreements.len() - only_in_debuginfo;
    disagreements.sort_by_key(|disagreement| disagreement.image_offset);
    catalog.disagreements = disagreements;
    for (instance, verdict) in catalog.instances.iter_mut().zip(&verdicts) {
        let inlined = verdict.same.or(verdict.around);
        instance.chain = inlined.map_or_else(Vec::new, |at| debuginfo.inlined[at].chain.clone());
    }
    annotate_sites(catalog, debuginfo);
    Disagreements {
        only_in_debuginfo,
        only_in_scan,
    }
}

/// The chain of a site is that of the instance it belongs to, else of the primitive it lies in.
fn annotate_sites(catalog: &mut ImageCatalog, debuginfo: &Debuginfo) {
    let owners: BTreeMap<u64, &[Frame]> = catalog
        .instances
        .iter()
        .filter(|instance| !instance.chain.is_empty())
        .flat_map(|instance| {
            let Instance { sites, chain, .. } = instance;
            sites.iter().map(|&site| (site, chain.as_slice()))
        })
        .collect();
    let chains: Vec<Vec<Frame>> = catalog
        .sites
        .iter()
        .map(|site| {
            let owner = owners.get(&site.image_offset).copied();
            let address = debuginfo.base.wrapping_add(site.image_offset);
            owner
                .or_else(|| Some(innermost(debuginfo, address)?.chain.as_slice()))
                .map_or_else(Vec::new, <[Frame]>::to_vec)
        })
        .collect();
    for (site, chain) in catalog.sites.iter_mut().zip(chains) {
        site.chain = chain;
    }
}

/// The innermost instance around an address.
fn innermost(debuginfo: &Debuginfo, address: u64) -> Option<&Inlined> {
    let around = |inlined: &&Inlined| {
        let mut ranges = inlined.ranges.iter();
        ranges.any(|range| range.contains(&address))
    };
    let all = debuginfo.inlined.iter().filter(around);
    all.max_by_key(|inlined| inlined.chain.len())
}

fn missed(debuginfo: &Debuginfo, inlined: &Inlined) -> Disagreement {
    let (function, offset) = debuginfo.place(inlined);
    Disagreement {
        function,
        offset,
        image_offset: inlined.ranges[0].start.wrapping_sub(debuginfo.base),
        only: Only::Debuginfo,
        chain: inlined.chain.clone(),
    }
}

impl Verdict {
    /// Whether debuginfo knows of no primitive there, and the scan does not say that it is none.
    pub(super) fn is_false(&self, instance: &Instance) -> bool {
        self.same.is_none() && self.around.is_none() && !instance.open_coded
    }
}
