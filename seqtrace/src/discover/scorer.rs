//! Puts each instance of debuginfo and of the scan where it belongs in the score.

use super::{
    agreement::{Agreement, Verdict},
    catalog::{Half, ImageCatalog, Instance, Lockname, Name, Role, Write},
    dwarf::{Debuginfo, Inlined, Part},
    score::{Disputed, Listed, Score, Scored, ScoredImage, Tally},
};

/// Compares a catalog with the debuginfo of the same build ([`Debuginfo::ensure_build`]).
pub fn score(catalog: &ImageCatalog, debuginfo: &Debuginfo) -> Score {
    let scorer = Scorer {
        catalog,
        debuginfo,
        agreement: Agreement::new(catalog, debuginfo),
    };
    let accesses = |inlined: &&Inlined| inlined.primitive.part().accesses();
    let init = |inlined: &&Inlined| debuginfo.is_init(inlined);
    let skipped = debuginfo.skipped.as_ref();
    let mut score = Score {
        images: vec![ScoredImage {
            image: catalog.image.clone(),
            build_id: catalog.build_id.clone(),
            units: debuginfo.units,
            skipped_units: skipped.map_or(0, |skipped| skipped.units),
        }],
        init: debuginfo
            .inlined
            .iter()
            .filter(accesses)
            .filter(init)
            .count() as u64,
        ..Score::default()
    };
    let blocks = catalog.sites.iter().filter(|site| site.role == Role::Block);
    score.blocks.sites = blocks.count() as u64;
    for inlined in debuginfo.wanted() {
        scorer.add(&mut score, inlined);
    }
    for (instance, verdict) in catalog.instances.iter().zip(scorer.agreement.verdicts()) {
        scorer.judge(&mut score, instance, verdict);
    }
    score
}

struct Scorer<'a> {
    catalog: &'a ImageCatalog,
    debuginfo: &'a Debuginfo,
    agreement: Agreement<'a>,
}

impl Scorer<'_> {
    /// Adds an instance of debuginfo.
    fn add(&self, score: &mut Score, inlined: &Inlined) {
        let Some(role) = Scored::of_part(inlined.primitive.part()) else {
            return;
        };
        let found = self.agreement.same(inlined);
        let mut tally = Tally {
            wanted: 1,
            ..Tally::default()
        };
        match found.first() {
            None => score.missed.push(self.of_debuginfo(inlined)),
            Some(instance) => {
                tally.found = 1;
                match instance.seqcount.name {
                    Name::Global(_) | Name::Member(_) => tally.named = 1,
                    Name::Ambiguous(_) => tally.ambiguous = 1,
                    Name::Unknown => tally.unknown = 1,
                }
                self.compare(score, inlined, instance);
            }
        }
        score.roles.entry(role).or_default().add(tally);
        let name = inlined.primitive.name().to_owned();
        score.primitives.entry(name).or_default().add(tally);
        if inlined.lock_call.is_some() {
            score.blocks.expected += 1;
            score.blocks.found += u64::from(self.has_block(inlined));
        }
    }

    fn has_block(&self, inlined: &Inlined) -> bool {
        let blocks = self.catalog.sites.iter();
        let mut blocks = blocks.filter(|site| site.role == Role::Block);
        blocks.any(|site| {
            let address = self.debuginfo.base.wrapping_add(site.image_offset);
            inlined.ranges.iter().any(|range| range.contains(&address))
        })
    }

    /// Compares what both say about an instance that both have.
    fn compare(&self, score: &mut Score, inlined: &Inlined, instance: &Instance) {
        let dispute = |scan: &str, debuginfo: &str| Disputed {
            instance: self.of_scan(instance, Some(inlined)),
            scan: scan.to_owned(),
            debuginfo: debuginfo.to_owned(),
        };
        if let Half::Write(write) = &instance.half
            && contradicts(*write, inlined.primitive.part())
        {
            let primitive = inlined.primitive.name();
            score
                .wrong_halves
                .push(dispute(&format!("{write:?}").to_lowercase(), primitive));
        }
        if let Some(symbol) = inlined
            .global
            .and_then(|global| self.debuginfo.symbols.at(global))
            && let Some(name) = other_name(&instance.seqcount.name, symbol.0.name)
        {
            score.wrong_names.push(dispute(name, symbol.0.name));
        }
        if let Some((scan, debuginfo)) = instance.seqcount.lockname.zip(inlined.lockname)
            && scan != debuginfo
            // The seqcount in a `seqlock_t`, handed on without it.
            && (scan, debuginfo) != (Lockname::Seqlock, Lockname::Spinlock)
        {
            let word = |lockname: Lockname| format!("{lockname:?}").to_lowercase();
            score
                .wrong_locknames
                .push(dispute(&word(scan), &word(debuginfo)));
        }
    }

    /// Sorts an instance of the scan.
    fn judge(&self, score: &mut Score, instance: &Instance, verdict: Verdict) {
        let same = verdict.same.map(|at| &self.debuginfo.inlined[at]);
        if verdict.is_false(instance) {
            score.false_detections.push(self.of_scan(instance, None));
        }
        if instance.open_coded {
            let listed = self.of_scan(instance, same);
            if same.is_some() {
                score.wrongly_open_coded.push(listed.clone());
            }
            score.open_coded.push(listed);
        }
    }

    fn of_debuginfo(&self, inlined: &Inlined) -> Listed {
        let (function, offset) = self.debuginfo.place(inlined);
        Listed {
            image: self.catalog.image.clone(),
            function,
            offset,
            what: inlined.primitive.name().to_owned(),
            seqcount: String::new(),
            chain: inlined.chain.clone(),
        }
    }

    fn of_scan(&self, instance: &Instance, inlined: Option<&Inlined>) -> Listed {
        let half = instance.half.word();
        Listed {
            image: self.catalog.image.clone(),
            function: instance.function.clone(),
            offset: instance.offset,
            what: inlined
                .map_or(half, |inlined| inlined.primitive.name())
                .to_owned(),
            seqcount: instance.seqcount.label(),
            chain: inlined.map_or_else(Vec::new, |inlined| inlined.chain.clone()),
        }
    }
}

/// Whether an increment cannot be the one of a primitive. The scan may also not know.
fn contradicts(write: Write, part: Part) -> bool {
    match write {
        Write::Begin => part != Part::WriteBegin,
        Write::End => part != Part::WriteEnd,
        Write::Latch | Write::Invalidate => part != Part::WriteOther,
        Write::Unknown => false,
    }
}

/// The name that a seqcount has instead of that of the global `symbol`. A part of the global has
/// its name too: `tk_core.seq`, `hrtimer_bases+0x40`.
fn other_name<'a>(name: &'a Name, symbol: &str) -> Option<&'a str> {
    match name {
        Name::Global(name) => {
            let rest = name.strip_prefix(symbol);
            let is_same =
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '+', '[']));
            (!is_same).then_some(name)
        }
        Name::Member(name) => Some(name),
        Name::Ambiguous(_) | Name::Unknown => None,
    }
}
