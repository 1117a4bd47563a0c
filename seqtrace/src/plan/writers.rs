//! Increments of the seqcounts whose holds are to be counted → targets.
//!
//! A latch has no hold: its readers go to the other copy. What is added by two leaves the sequence even.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use super::{Backend, Kind, Place, Request, Target};
use crate::{
    discover::catalog::{Catalog, Half, ImageCatalog, Instance, Name, Write},
    kernel::hazards::Hazards,
};

/// Names of the seqcounts for which readers are seen to wait.
pub(super) fn waited_for(targets: &[Target]) -> BTreeSet<String> {
    let waits = targets.iter().filter(|target| {
        let waits = matches!(target.kind, Kind::Block | Kind::Spin);
        waits && target.skip.is_none() && target.backend == Backend::Probe
    });
    let named = waits.filter(|target| match target.place.seqcount().name {
        Name::Global(_) | Name::Member(_) => true,
        Name::Ambiguous(_) | Name::Unknown => false,
    });
    named
        .map(|target| target.place.seqcount().label())
        .collect()
}

/// Adds a target for each increment of `image` that is asked for, or that is to be probed on demand
/// because readers may be seen to wait for it.
pub(super) fn add(
    targets: &mut Vec<Target>,
    image: &ImageCatalog,
    base: u64,
    hazards: &Hazards,
    (request, waited_for): (&Request, &BTreeSet<String>),
) {
    let sections = image
        .instances
        .iter()
        .filter(|instance| is_of_section(instance));
    targets.extend(sections.filter_map(|instance| {
        let on_demand = !request.writers.take(&instance.seqcount);
        if on_demand && !waited_for.contains(&instance.seqcount.label()) {
            return None;
        }
        let address = base.wrapping_add(instance.image_offset);
        let place = Place::Instance(instance.clone());
        let (backend, skip) = request
            .backends
            .choose(Kind::Write, &place, address, hazards);
        Some(Target {
            image: image.image.clone(),
            kind: Kind::Write,
            backend,
            address,
            end_address: None,
            owner_offset: None,
            word: None,
            skip,
            on_demand,
            place,
        })
    }));
}

/// Fails if a pattern matches no increment of the catalog.
///
/// # Errors
///
/// As said.
pub(super) fn require_matches(catalog: &Catalog, request: &Request) -> Result<()> {
    let instances = catalog.images.iter().flat_map(|image| &image.instances);
    let writes = instances.filter(|instance| is_of_section(instance));
    let seqcounts: Vec<_> = writes.map(|instance| &instance.seqcount).collect();
    if let Some(glob) = request.writers.unmatched(&seqcounts) {
        bail!(
            "no write section of a seqcount called `{glob}` is found: `seqtrace sites --role write` \
             lists those there are"
        );
    }
    Ok(())
}

/// Whether the instance begins or ends a write section.
fn is_of_section(instance: &Instance) -> bool {
    match &instance.half {
        Half::Write(write) => match write {
            Write::Begin | Write::End | Write::Unknown => true,
            Write::Latch | Write::Invalidate => false,
        },
        Half::Begin { .. } | Half::Check(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{discover::catalog::Seqcount, plan::SeqcountNames};

    fn instance(write: Write, image_offset: u64) -> Instance {
        Instance {
            function: "writer".to_owned(),
            offset: 0x10,
            image_offset,
            half: Half::Write(write),
            seqcount: Seqcount {
                name: Name::Global("rename_lock".to_owned()),
                lockname: None,
                lock: None,
            },
            location: None,
            open_coded: false,
            sites: Vec::new(),
            chain: Vec::new(),
        }
    }

    #[test]
    fn both_ends_of_sections_are_probed_and_nothing_else() {
        let all = [
            Write::Begin,
            Write::End,
            Write::Unknown,
            Write::Latch,
            Write::Invalidate,
        ];
        let instances = all
            .into_iter()
            .zip(0..)
            .map(|(write, at)| instance(write, at));
        let image = ImageCatalog {
            image: "vmlinux".to_owned(),
            build_id: String::new(),
            realtime: false,
            functions: 1,
            text_bytes: 1,
            sites: Vec::new(),
            instances: instances.collect(),
            disagreements: Vec::new(),
            inferred: std::collections::BTreeMap::new(),
        };
        let glob = |text| SeqcountNames::new(&[globset::Glob::new(text).expect("a glob")]);
        let request = |text| Request {
            writers: glob(text),
            ..Request::default()
        };
        let mut targets = Vec::new();
        add(
            &mut targets,
            &image,
            0x1000,
            &Hazards::default(),
            (&request("rename_*"), &BTreeSet::new()),
        );
        let found: Vec<_> = targets
            .iter()
            .map(|target| (target.kind, target.address))
            .collect();
        let expected = [0x1000, 0x1001, 0x1002].map(|address| (Kind::Write, address));
        assert_eq!(found, expected);
        let mut waiting = Vec::new();
        let waited_for = BTreeSet::from(["rename_lock".to_owned()]);
        for waited_for in [&waited_for, &BTreeSet::new()] {
            let request = (&Request::default(), waited_for);
            add(&mut waiting, &image, 0x1000, &Hazards::default(), request);
        }
        assert_eq!(waiting.len(), 3, "those for which readers wait");
        assert!(waiting.iter().all(|target| target.on_demand));
        let catalog = Catalog {
            images: vec![image],
        };
        assert!(require_matches(&catalog, &request("rename_*")).is_ok());
        let error = require_matches(&catalog, &request("mount_*")).expect_err("none");
        assert!(
            error
                .to_string()
                .starts_with("no write section of a seqcount called `mount_*`")
        );
    }
}
