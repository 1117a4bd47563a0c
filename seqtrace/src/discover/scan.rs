//! One image in, its catalog out: every function is looked at, the few suspicious ones are
//! analysed, and what they show about globals brings in the rest.
//!
//! Functions are independent of each other until then, so they are spread over all processors;
//! the result does not depend on how.

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    btf::Btf,
    callee::Callees,
    catalog::{BlockEnd, Half, ImageCatalog, Instance, Site},
    cold::{self, ColdAddress},
    evidence::Evidence,
    function::{Function, Functions},
    graph::Flow,
    identify::{Landmarks, Typing},
    image::Image,
    label::Labels,
    meter::Meter,
    rules::{Confirmed, Study},
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
    meter.finish();
    ImageCatalog {
        image: image.name.clone(),
        build_id: image.build_id.clone(),
        realtime: image.realtime,
        functions: functions.as_slice().len() as u64,
        text_bytes: image.text_bytes(),
        sites: scan.sites(&studies, &confirmed),
        instances: scan.writes(&studies, &confirmed),
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
        Some(Study {
            evidence,
            identities,
        })
    }

    fn labels<'s>(&self, studies: &'s [Studied<'a>]) -> Labels<'s>
    where
        'a: 's,
    {
        let locked = self
            .surveys
            .iter()
            .flat_map(|survey| &survey.locks)
            .copied()
            .collect();
        let all = studies.iter().map(|(_, study)| study);
        Labels::new(self.image, self.btf, locked, all)
    }

    /// The writes by address, each once.
    fn writes(&self, studies: &[Studied<'a>], confirmed: &Confirmed) -> Vec<Instance> {
        let labels = self.labels(studies);
        let latches = studies.iter().flat_map(|(_, study)| study.latches());
        let latches = latches.collect();
        let globals = Globals {
            confirmed,
            latches: &latches,
        };
        let mut instances: Vec<Instance> = studies
            .iter()
            .flat_map(|(_, study)| {
                let found = writes::writes(study, globals).into_iter();
                found.filter_map(|written| self.write(&labels, study, &written))
            })
            .collect();
        instances.sort_by_key(|instance| instance.image_offset);
        instances.dedup_by_key(|instance| instance.image_offset);
        instances
    }

    fn write(&self, labels: &Labels<'_>, study: &Study, written: &Written) -> Option<Instance> {
        let (symbol, offset) = self.image.symbols.at(written.at)?;
        Some(Instance {
            function: symbol.name.to_owned(),
            offset,
            image_offset: written.at.wrapping_sub(self.image.base),
            half: Half::Write(written.half),
            seqcount: labels.written(study, written.word),
            open_coded: false,
            sites: Vec::new(),
            chain: Vec::new(),
        })
    }

    /// The sites by address, each once.
    fn sites(&self, studies: &[Studied<'a>], confirmed: &Confirmed) -> Vec<Site> {
        let labels = self.labels(studies);
        let mut sites: Vec<(u64, Site)> = studies
            .iter()
            .flat_map(|(_, study)| {
                let found = cold::addresses(study, confirmed).into_iter();
                found.filter_map(|cold| Some((cold.at, self.site(&labels, study, &cold)?)))
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

    fn site(&self, labels: &Labels<'_>, study: &Study, cold: &ColdAddress) -> Option<Site> {
        let (symbol, offset) = self.image.symbols.at(cold.at)?;
        let image_offset = |address: u64| address.wrapping_sub(self.image.base);
        let end = cold.block.map(|(end, _)| BlockEnd {
            offset: end.wrapping_sub(symbol.address),
            image_offset: image_offset(end),
        });
        Some(Site {
            function: symbol.name.to_owned(),
            offset,
            image_offset: image_offset(cold.at),
            role: cold.role,
            seqcount: labels.seqcount(study, cold),
            end,
            lock_function: cold.block.map(|(_, name)| name.to_owned()),
            sequence_register: cold.sequence_register,
            chain: Vec::new(),
        })
    }
}
