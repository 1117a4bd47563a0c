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
    catalog::{ImageCatalog, Name},
    cold::Findings,
    entries::{Entries, Found},
    evidence::Evidence,
    function::{Function, Functions},
    graph::Flow,
    identify::{Identity, Landmarks, Typing},
    image::Image,
    instruction::ParityMask,
    label::Labels,
    location,
    meter::Meter,
    naming::{Nameless, Naming},
    rules::{Confirmed, Study},
    support::{Known, Support},
    survey::{Survey, Surveyor},
    value::{Value, ValueId, Values},
    witness::Witnesses,
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
    run(image, btf, progress, false)
}

/// As [`scan`], but analyses every function, suspicious or not. Finds the same and takes several
/// times as long.
pub fn scan_every_function(
    image: &Image,
    btf: Option<&Btf>,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> ImageCatalog {
    run(image, btf, progress, true)
}

fn run(
    image: &Image,
    btf: Option<&Btf>,
    progress: &(dyn Fn(u64, u64) + Sync),
    every_function: bool,
) -> ImageCatalog {
    let functions = Functions::new(image);
    let callees = Callees::new(image, btf);
    let meter = Meter::new(functions.as_slice().len(), progress);
    let scan = Scan {
        image,
        btf,
        functions: &functions,
        flow: Flow::new(image, &functions, &callees),
        landmarks: Landmarks::new(image, btf),
        surveys: survey(&Surveyor::new(image, btf, &callees), &functions, &meter),
        meter: &meter,
        every_function,
    };
    let studies = scan.studies();
    let confirmed = studies
        .iter()
        .flat_map(|(_, study)| study.confirms())
        .collect();
    let mut studies = scan.with_readers_of(&confirmed, studies);
    scan.ask_callers(&confirmed, &mut studies);
    let found: Vec<Found<'_, '_>> = studies
        .par_iter()
        .map(|(function, study)| Found {
            function: *function,
            findings: Findings::new(study, &confirmed),
        })
        .collect();
    let witnesses = Witnesses::new(image, &confirmed, &studies);
    let labels = scan.labels(&studies, &witnesses);
    let entries = Entries {
        image,
        labels: &labels,
    };
    let mut sites = entries.sites(&found);
    let instances = entries.instances(&scan.flow, &found, &confirmed);
    location::of_sites(image, &mut sites, &instances);
    meter.finish();
    ImageCatalog {
        image: image.name.clone(),
        build_id: image.build_id.clone(),
        realtime: image.realtime,
        functions: functions.as_slice().len() as u64,
        text_bytes: image.text_bytes(),
        sites,
        instances,
        inferred: witnesses.offsets(image.base),
        disagreements: Vec::new(),
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
    /// Whether functions are analysed that are not suspicious.
    every_function: bool,
}

impl<'a> Scan<'a> {
    /// Analyses the suspicious functions and keeps those that may have sites.
    fn studies(&self) -> Vec<Studied<'a>> {
        let list = self.functions.as_slice();
        let suspects: Vec<Function<'a>> = list
            .iter()
            .zip(&self.surveys)
            .filter(|(function, survey)| {
                // A cold part is analysed with its function.
                let is_whole = function.parent_name().is_none();
                self.every_function && is_whole || survey.is_suspicious()
            })
            .map(|(function, _)| *function)
            .collect();
        suspects
            .par_iter()
            .filter_map(|&function| {
                self.meter.analysed(suspects.len());
                let study = self.study(function)?;
                let may_have = study.is_promising() || study.may_write(self.btf);
                may_have.then_some((function, study))
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

    /// Names the sequences that their functions alone do not.
    fn ask_callers(&self, confirmed: &Confirmed, studies: &mut [Studied<'a>]) {
        let nameless: Vec<(usize, Nameless<'a>)> = studies
            .iter()
            .enumerate()
            .map(|(index, (function, study))| (index, (*function, study.nameless(confirmed))))
            .filter(|(_, (_, words))| !words.is_empty())
            .collect();
        let (indices, nameless): (Vec<usize>, Vec<Nameless<'a>>) = nameless.into_iter().unzip();
        let naming = Naming {
            image: self.image,
            btf: self.btf,
            landmarks: &self.landmarks,
            functions: self.functions,
            flow: &self.flow,
        };
        for (index, names) in indices.into_iter().zip(naming.names(&nameless)) {
            // What is known without a name is not to be forgotten.
            let names = names.into_iter().filter(|(_, name)| name.is_named());
            studies[index].1.identities.extend(names);
        }
    }

    fn labels<'l>(&'l self, studies: &[Studied<'a>], witnesses: &'l Witnesses) -> Labels<'l> {
        let locks = self.surveys.iter().flat_map(|survey| &survey.locks);
        let all = || studies.iter().map(|(_, study)| study);
        let labels = Labels::new(self.image, self.btf, locks.copied().collect(), all());
        let labels = labels.with_names(witnesses);
        labels.with_locks(all())
    }

    fn typing<'t>(
        &'t self,
        function: Function<'t>,
        evidence: &'t Evidence,
        values: &'t Values,
    ) -> Typing<'t> {
        Typing::new(
            self.image,
            self.btf,
            &self.landmarks,
            function,
            evidence,
            values,
        )
    }

    fn study(&self, function: Function<'a>) -> Option<Study> {
        let (evidence, values) = Evidence::new(&self.flow, function)?;
        let mut typing = self.typing(function, &evidence, &values);
        let mut identities = FxHashMap::default();
        let tested = evidence.tests.iter().flat_map(|test| &test.words);
        let compared = evidence.compares.iter().flat_map(|compare| &compare.sides);
        let incremented = evidence.increments.iter();
        let incremented = incremented.map(|increment| &increment.addition.word);
        let loaded = evidence.loads.iter().map(|load| &load.word);
        for &word in tested.chain(compared).chain(incremented).chain(loaded) {
            if let Value::Load { address, .. } = values.get(word)
                && address.base != Values::STACK
            {
                identities
                    .entry(word)
                    .or_insert_with(|| typing.identify(address));
            }
        }
        let held = typing.held(|word| match identities.get(&word) {
            Some(Identity::Seqcount(_) | Identity::Global(_)) => true,
            Some(Identity::Other | Identity::Displacement(_) | Identity::FromMember(..)) | None => {
                false
            }
        });
        let known = Known {
            image: self.image,
            btf: self.btf,
            evidence: &evidence,
            identities: &identities,
            values: &values,
        };
        let (passed, supported) = (known.passed(), known.supported());
        let mut written = Vec::new();
        for (word, support) in supported {
            match support {
                Support::Seqcount(seqcount) => {
                    identities.insert(word, Identity::Seqcount(seqcount));
                }
                Support::Global(address) => written.push(address),
            }
        }
        let masked = evidence
            .tests
            .iter()
            .filter(|test| test.mask == ParityMask::Even);
        let masked = masked.flat_map(|test| test.words.iter().copied());
        let likely = masked
            .filter(|word| {
                let identity = identities.get(word);
                identity.is_some_and(|identity| self.may_be_seqcount(identity))
            })
            .collect();
        let mut study = Study {
            evidence,
            identities,
            held,
            written,
            passed,
            likely,
            members: FxHashMap::default(),
        };
        study.members = self.members(function, &study, &values);
        Some(study)
    }

    /// What the types call the words of open-coded seqcounts.
    fn members(
        &self,
        function: Function<'a>,
        study: &Study,
        values: &Values,
    ) -> FxHashMap<ValueId, Name> {
        let mut typing = self.typing(function, &study.evidence, values);
        let words = study.open_coded().flat_map(|check| check.words);
        words
            .filter_map(|word| match values.get(word) {
                Value::Load { address, .. } => Some((word, typing.member(address)?)),
                _ => None,
            })
            .collect()
    }

    /// Whether a word of unknown type lies where a seqcount must: in front of or behind a node by
    /// which objects are strung together. A displacement from anything else says too little: ext4
    /// masks bit 0 of a hash 8 bytes into its entries.
    fn may_be_seqcount(&self, identity: &Identity) -> bool {
        match identity {
            Identity::FromMember(of, distance) => self
                .btf
                .is_some_and(|btf| !btf.seqcounts_from(*of, *distance).is_empty()),
            Identity::Displacement(_)
            | Identity::Seqcount(_)
            | Identity::Global(_)
            | Identity::Other => false,
        }
    }
}
