//! One image in, its catalog out: every function is looked at, the few suspicious ones are
//! analysed, and what they show about globals brings in the rest.
//!
//! Functions are independent of each other until then, so they are spread over all processors;
//! the result does not depend on how.

use std::cmp::Reverse;

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    btf::Btf,
    callee::Callees,
    catalog::{BlockEnd, Half, ImageCatalog, Instance, Site},
    cold::{ColdAddress, Findings},
    evidence::Evidence,
    function::{Function, Functions},
    graph::Flow,
    identify::{Identity, Landmarks, Typing},
    image::Image,
    label::{Labels, Reader},
    meter::Meter,
    reads::Reads,
    rules::{Confirmed, Study},
    sections::{self, Section},
    support::{Known, Support},
    survey::{Survey, Surveyor},
    value::{Value, Values},
    writes::{self, Globals, Written},
};

/// Finds the sites of an image.
///
/// `progress` is called now and then, from several threads and not always in order, with how far
/// it is, in functions, and how many there are.
pub fn scan(
    image: &Image,
    btf: Option<&Btf>,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> ImageCatalog {
    let functions = Functions::new(image);
    let callees = Callees::new(image);
    let meter = Meter::new(functions.as_slice().len(), progress);
    let scan = Scan {
        image,
        btf,
        functions: &functions,
        flow: Flow::new(image, &functions, &callees),
        landmarks: Landmarks::new(image, btf),
        surveys: survey(&Surveyor::new(image, btf, &callees), &functions, &meter),
        meter: &meter,
    };
    let studies = scan.studies();
    let confirmed = studies
        .iter()
        .flat_map(|(_, study)| study.confirms())
        .collect();
    let studies = scan.with_readers_of(&confirmed, studies);
    let latches = studies.iter().flat_map(|(_, study)| study.latches());
    let globals = Globals {
        confirmed: &confirmed,
        latches: &latches.collect(),
    };
    let found: Vec<Found<'_, '_>> = studies
        .par_iter()
        .map(|(function, study)| Found {
            function: *function,
            findings: Findings::new(study, &confirmed),
            writes: writes::writes(study, globals),
        })
        .collect();
    let labels = scan.labels(&studies);
    let (sites, instances) = (scan.sites(&found, &labels), scan.instances(&found, &labels));
    meter.finish();
    ImageCatalog {
        image: image.name.clone(),
        build_id: image.build_id.clone(),
        realtime: image.realtime,
        functions: functions.as_slice().len() as u64,
        text_bytes: image.text_bytes(),
        sites,
        instances,
    }
}

/// Looks at every function; what is in a cold part counts for its function.
fn survey(surveyor: &Surveyor<'_>, functions: &Functions<'_>, meter: &Meter<'_>) -> Vec<Survey> {
    let list = functions.as_slice();
    let mut surveys: Vec<Survey> = list
        .par_iter()
        .map(|&function| {
            meter.looked();
            surveyor.survey(function)
        })
        .collect();
    let by_name: FxHashMap<&str, usize> = list
        .iter()
        .enumerate()
        .map(|(index, function)| (function.name, index))
        .collect();
    for index in 0..list.len() {
        let parent = list[index].parent_name().and_then(|name| by_name.get(name));
        if let Some(&parent) = parent {
            let part = std::mem::take(&mut surveys[index]);
            surveys[parent].absorb(part);
        }
    }
    surveys
}

/// A function that was analysed.
type Studied<'a> = (Function<'a>, Study);

/// What the rules find in a function.
struct Found<'a, 's> {
    function: Function<'a>,
    findings: Findings<'s>,
    writes: Vec<Written>,
}

struct Scan<'a> {
    image: &'a Image,
    btf: Option<&'a Btf>,
    functions: &'a Functions<'a>,
    flow: Flow<'a>,
    landmarks: Landmarks,
    /// In the order of `functions`.
    surveys: Vec<Survey>,
    meter: &'a Meter<'a>,
}

impl<'a> Scan<'a> {
    /// Analyses the suspicious functions and keeps those that may have sites.
    fn studies(&self) -> Vec<Studied<'a>> {
        let list = self.functions.as_slice();
        let suspects: Vec<Function<'a>> = list
            .iter()
            .zip(&self.surveys)
            .filter(|(_, survey)| survey.is_suspicious())
            .map(|(function, _)| *function)
            .collect();
        suspects
            .par_iter()
            .filter_map(|&function| {
                self.meter.analysed(suspects.len());
                let study = self.study(function)?;
                study.is_promising().then_some((function, study))
            })
            .collect()
    }

    /// Analyses the functions besides that read or increment a global which is now known to be a
    /// sequence.
    fn with_readers_of(
        &self,
        confirmed: &Confirmed,
        mut studies: Vec<Studied<'a>>,
    ) -> Vec<Studied<'a>> {
        let done: FxHashSet<u64> = studies.iter().map(|(function, _)| function.start).collect();
        let readers: Vec<Function<'a>> = self
            .functions
            .as_slice()
            .iter()
            .zip(&self.surveys)
            .filter(|(function, _)| !done.contains(&function.start))
            .filter(|(_, survey)| {
                let mut globals = survey.globals.iter().chain(&survey.increments);
                globals.any(|global| confirmed.contains(global))
            })
            .map(|(function, _)| *function)
            .collect();
        let more: Vec<Studied<'a>> = readers
            .par_iter()
            .filter_map(|&function| Some((function, self.study(function)?)))
            .collect();
        studies.extend(more);
        studies
    }

    fn labels(&self, studies: &[Studied<'a>]) -> Labels<'_> {
        let locks = self.surveys.iter().flat_map(|survey| &survey.locks);
        let all = studies.iter().map(|(_, study)| study);
        Labels::new(self.image, self.btf, locks.copied().collect(), all)
    }

    fn study(&self, function: Function<'a>) -> Option<Study> {
        let (evidence, values) = Evidence::new(&self.flow, function)?;
        let mut typing = Typing::new(
            self.image,
            self.btf,
            &self.landmarks,
            function,
            &evidence,
            &values,
        );
        let mut identities = FxHashMap::default();
        let tested = evidence.tests.iter().flat_map(|test| &test.words);
        let compared = evidence.compares.iter().flat_map(|compare| &compare.sides);
        let incremented = evidence.increments.iter();
        let incremented = incremented.map(|increment| &increment.addition.word);
        for &word in tested.chain(compared).chain(incremented) {
            if let Value::Load { address, .. } = values.get(word)
                && address.base != Values::STACK
            {
                identities
                    .entry(word)
                    .or_insert_with(|| typing.identify(address));
            }
        }
        let known = Known {
            image: self.image,
            btf: self.btf,
            evidence: &evidence,
            identities: &identities,
        };
        let mut written = Vec::new();
        for (word, support) in known.supported() {
            match support {
                Support::Seqcount(seqcount) => {
                    identities.insert(word, Identity::Seqcount(seqcount));
                }
                Support::Global(address) => written.push(address),
            }
        }
        Some(Study {
            evidence,
            identities,
            written,
        })
    }

    /// The sites by address, each once.
    fn sites(&self, found: &[Found<'a, '_>], labels: &Labels<'_>) -> Vec<Site> {
        let mut sites: Vec<(u64, Site)> = found
            .iter()
            .flat_map(|found| {
                let addresses = found.findings.addresses().into_iter();
                addresses.filter_map(|cold| Some((cold.at, self.site(labels, found, &cold)?)))
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

    fn site(&self, labels: &Labels<'_>, found: &Found<'a, '_>, cold: &ColdAddress) -> Option<Site> {
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
            seqcount: labels.seqcount(found.findings.study, cold.reader()),
            end,
            lock_function: cold.block.map(|(_, name)| name.to_owned()),
            sequence_register: cold.sequence_register,
            chain: Vec::new(),
        })
    }

    /// The halves of sections by address, each once.
    fn instances(&self, found: &[Found<'a, '_>], labels: &Labels<'_>) -> Vec<Instance> {
        let mut instances: Vec<Instance> = found
            .par_iter()
            .filter(|found| !found.findings.sequences.is_empty())
            .flat_map_iter(|found| {
                let findings = &found.findings;
                let reads = Reads::new(&self.flow, found.function, &findings.sequences);
                let sections = reads.map(|reads| sections::sections(&self.flow, findings, &reads));
                let sections = sections.into_iter().flatten();
                sections.filter_map(|section| self.instance(labels, findings.study, section))
            })
            .collect();
        instances.extend(found.iter().flat_map(|found| {
            let writes = found.writes.iter();
            writes.filter_map(|written| self.write(labels, found.findings.study, *written))
        }));
        // A cold part may be seen with its function and on its own; with it more is known.
        instances.sort_by_key(|instance| {
            let sites = Reverse(instance.sites.len());
            (instance.image_offset, instance.half.word(), sites)
        });
        instances.dedup_by_key(|instance| instance.image_offset);
        instances
    }

    fn instance(&self, labels: &Labels<'_>, study: &Study, section: Section) -> Option<Instance> {
        let (symbol, offset) = self.image.symbols.at(section.at)?;
        let mut sites: Vec<u64> = section
            .cold
            .iter()
            .map(|cold| self.image_offset(cold.at))
            .collect();
        sites.sort_unstable();
        sites.dedup();
        Some(Instance {
            function: symbol.name.to_owned(),
            offset,
            image_offset: self.image_offset(section.at),
            seqcount: labels.seqcount(study, section.reader()),
            half: section
                .half
                .map_addresses(|address| self.image_offset(address)),
            open_coded: false,
            sites,
            chain: Vec::new(),
        })
    }

    fn write(&self, labels: &Labels<'_>, study: &Study, written: Written) -> Option<Instance> {
        let (symbol, offset) = self.image.symbols.at(written.at)?;
        let reader = Reader {
            words: &[written.word],
            takes_own_lock: false,
            spins: false,
        };
        Some(Instance {
            function: symbol.name.to_owned(),
            offset,
            image_offset: self.image_offset(written.at),
            half: Half::Write(written.half),
            seqcount: labels.seqcount(study, reader),
            open_coded: false,
            sites: Vec::new(),
            chain: Vec::new(),
        })
    }

    fn image_offset(&self, address: u64) -> u64 {
        address.wrapping_sub(self.image.base)
    }
}
