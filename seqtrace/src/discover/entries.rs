//! What was found in the functions of an image → the catalog's entries, with names and addresses
//! that do not depend on where the image was loaded.

use std::{cmp::Reverse, ops::Range};

use rayon::iter::{IntoParallelRefIterator as _, ParallelExtend as _, ParallelIterator as _};

use super::{
    catalog::{BlockEnd, Half, Instance, Site, Stretch, Write},
    cold::{ColdAddress, Findings},
    evidence::Load,
    function::Function,
    graph::Flow,
    image::Image,
    label::Labels,
    location,
    reads::Reads,
    rules::{Confirmed, Study},
    sections::{self, Section},
    writes::{self, Globals, Written},
};

/// What the rules find in a function.
#[derive(Debug)]
pub(super) struct Found<'a, 's> {
    pub(super) function: Function<'a>,
    pub(super) findings: Findings<'s>,
}

/// The halves of read sections in a function.
fn sections(
    flow: &Flow<'_>,
    function: Function<'_>,
    findings: &Findings<'_>,
) -> impl Iterator<Item = Section> + use<> {
    let reads = Reads::new(flow, function, &findings.sequences);
    let sections = reads.map(|reads| sections::sections(flow, findings, &reads));
    sections.into_iter().flatten()
}

/// What entries need besides the finds.
#[derive(Debug)]
pub(super) struct Entries<'a> {
    pub(super) image: &'a Image,
    pub(super) labels: &'a Labels<'a>,
}

impl Entries<'_> {
    /// The sites by address, each once.
    pub(super) fn sites(&self, found: &[Found<'_, '_>]) -> Vec<Site> {
        let mut sites: Vec<(u64, Site)> = found
            .iter()
            .flat_map(|found| {
                let addresses = found.findings.addresses().into_iter();
                addresses.filter_map(|cold| Some((cold.at, self.site(found, &cold)?)))
            })
            .collect();
        // By role where one address has two: a call or a pause says more than a retry.
        sites.sort_by(|(left_at, left), (right_at, right)| {
            (left_at, left.role, &left.seqcount).cmp(&(right_at, right.role, &right.seqcount))
        });
        sites.dedup_by(|(later_at, later), (at, kept)| {
            let same = later_at == at;
            if same && later.role == kept.role {
                kept.seqcount = Labels::either(&kept.seqcount, &later.seqcount);
            }
            same
        });
        sites.into_iter().map(|(_, site)| site).collect()
    }

    fn site(&self, found: &Found<'_, '_>, cold: &ColdAddress) -> Option<Site> {
        let (symbol, offset) = self.image.symbols.at(cold.at)?;
        let end = cold.block.map(|(end, _)| BlockEnd {
            offset: end.wrapping_sub(symbol.address),
            image_offset: self.image_offset(end),
        });
        Some(Site {
            function: symbol.name.to_owned(),
            offset,
            image_offset: self.image_offset(cold.at),
            role: cold.role,
            seqcount: self.labels.seqcount(found.findings.study, cold.reader()),
            end,
            lock_function: cold.block.map(|(_, name)| name.to_owned()),
            sequence_register: cold.sequence_register,
            location: None,
            cold: cold.cold.iter().map(|range| self.stretch(range)).collect(),
            chain: Vec::new(),
        })
    }

    /// The instances by address, each once.
    pub(super) fn instances(
        &self,
        flow: &Flow<'_>,
        found: &[Found<'_, '_>],
        confirmed: &Confirmed,
    ) -> Vec<Instance> {
        let mut instances: Vec<Instance> = found
            .par_iter()
            .filter(|found| !found.findings.sequences.is_empty())
            .flat_map_iter(|found| {
                let findings = &found.findings;
                let sections = sections(flow, found.function, findings);
                sections.filter_map(|section| self.instance(findings.study, section))
            })
            .collect();
        instances.par_extend(found.par_iter().flat_map_iter(|found| {
            let findings = Findings::open_coded(found.findings.study);
            let instances = findings.into_iter().flat_map(|findings| {
                let sections = sections(flow, found.function, &findings);
                let instances = sections.map(|section| self.open_coded(findings.study, section));
                instances.collect::<Vec<_>>()
            });
            instances.flatten()
        }));
        instances.extend(self.writes(found, confirmed));
        // A cold part may be seen with its function and on its own; with it more is known.
        instances.sort_by_key(|instance| {
            let sites = Reverse(instance.sites.len());
            (instance.image_offset, instance.half.word(), sites)
        });
        instances.dedup_by_key(|instance| instance.image_offset);
        instances
    }

    fn instance(&self, study: &Study, section: Section) -> Option<Instance> {
        let (symbol, offset) = self.image.symbols.at(section.at)?;
        let mut sites: Vec<u64> = section
            .cold
            .iter()
            .map(|cold| self.image_offset(cold.at))
            .collect();
        sites.sort_unstable();
        sites.dedup();
        let mut loads = study.evidence.loads_of(&section.words).peekable();
        // The primitives are given a pointer.
        let has_no_pointer = loads.peek().is_some() && loads.all(Load::is_this_cpu);
        Some(Instance {
            function: symbol.name.to_owned(),
            offset,
            image_offset: self.image_offset(section.at),
            seqcount: self.labels.seqcount(study, section.reader()),
            half: section
                .half
                .map_addresses(|address| self.image_offset(address)),
            open_coded: has_no_pointer,
            sites,
            location: location::of(self.image, section.at),
            chain: Vec::new(),
        })
    }

    /// As `instance`, of a seqcount that is none by its type, and has no sites.
    fn open_coded(&self, study: &Study, section: Section) -> Option<Instance> {
        let instance = self.instance(study, section)?;
        Some(Instance {
            open_coded: true,
            sites: Vec::new(),
            ..instance
        })
    }

    /// The writes of all functions.
    fn writes(&self, found: &[Found<'_, '_>], confirmed: &Confirmed) -> Vec<Instance> {
        let studies = || found.iter().map(|found| found.findings.study);
        let latches = studies().flat_map(Study::latches).collect();
        let globals = Globals {
            confirmed,
            latches: &latches,
        };
        let written = studies().flat_map(|study| {
            let found = writes::writes(study, globals).into_iter();
            found.filter_map(move |written| self.write(study, &written))
        });
        let mut instances: Vec<Instance> = written.collect();
        // Where a cold part is seen on its own, the order is not.
        instances.sort_by_key(|instance| {
            let is_unknown = instance.half == Half::Write(Write::Unknown);
            (instance.image_offset, is_unknown)
        });
        instances.dedup_by_key(|instance| instance.image_offset);
        instances
    }

    fn write(&self, study: &Study, written: &Written) -> Option<Instance> {
        let (symbol, offset) = self.image.symbols.at(written.at)?;
        Some(Instance {
            function: symbol.name.to_owned(),
            offset,
            image_offset: self.image_offset(written.at),
            half: Half::Write(written.half),
            seqcount: self.labels.written(study, written.word),
            open_coded: false,
            sites: Vec::new(),
            location: location::of(self.image, written.at),
            chain: Vec::new(),
        })
    }

    fn stretch(&self, range: &Range<u64>) -> Stretch {
        Stretch {
            image_offset: self.image_offset(range.start),
            bytes: range.end - range.start,
        }
    }

    fn image_offset(&self, address: u64) -> u64 {
        address.wrapping_sub(self.image.base)
    }
}
