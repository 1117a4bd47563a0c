//! Sites and instances → a line for each seqcount.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    discover::catalog::Lockname,
    export::{
        columns::{self, Column, Overflow},
        selection::Kind,
        sites::{Probe, Sites},
        table::lock,
    },
};

/// What is told about a seqcount.
#[derive(Default)]
struct Group<'a> {
    /// More than one where static variables of the same name differ.
    locknames: BTreeSet<Lockname>,
    counts: BTreeMap<Kind, u64>,
    skipped: u64,
    functions: BTreeSet<(&'a str, &'a str)>,
    images: BTreeSet<&'a str>,
}

/// Number of seqcounts with a name.
pub(super) fn named(sites: &Sites) -> u64 {
    groups(sites).keys().filter(|(unknown, _)| !unknown).count() as u64
}

/// The table; empty where there is neither site nor instance.
pub(super) fn table(sites: &Sites, width: Option<usize>) -> String {
    let groups = groups(sites);
    if groups.is_empty() {
        return String::new();
    }
    let values = || groups.values();
    let number = |header, of: fn(&Group<'_>) -> u64| {
        Column::number(header, values().map(|group| or_dash(of(group))))
    };
    let seqcount = Column::text(
        "SEQCOUNT",
        groups.keys().map(|(_, name)| (*name).to_owned()),
    );
    let columns = [
        number("BLOCKS", |group| group.count(Kind::Block)),
        number("SPINS", |group| group.count(Kind::Spin)),
        number("RETRIES", |group| group.count(Kind::Retry)),
        number("FALLBACKS", |group| group.count(Kind::Fallback)),
        number("SKIPPED", |group| group.skipped),
        number("BEGINS", |group| group.count(Kind::Begin)),
        number("CHECKS", |group| group.count(Kind::Check)),
        number("WRITES", |group| group.count(Kind::Write)),
        number("FUNCTIONS", |group| group.functions.len() as u64),
        Column::text("WRITERS' LOCK", values().map(Group::locks)),
        Column::text("MODULES", values().map(Group::modules)),
    ];
    let columns: Vec<&Column> = columns.iter().filter(|column| !column.is_blank()).collect();
    columns::render(&[&seqcount], &columns, width, Overflow::Continue)
}

/// By whether the name is unknown, then by name: unknown ones last.
fn groups(sites: &Sites) -> BTreeMap<(bool, &str), Group<'_>> {
    let mut groups: BTreeMap<(bool, &str), Group<'_>> = BTreeMap::new();
    for site in &sites.sites {
        let group = groups
            .entry((site.name == "unknown", &site.seqcount))
            .or_default();
        group.add(&site.image, &site.function, Kind::of_role(site.kind));
        group.locknames.extend(site.lockname);
        group.skipped += u64::from(matches!(site.plan, Some(Probe::Skip(_))));
    }
    for instance in &sites.instances {
        let group = groups
            .entry((instance.name == "unknown", &instance.seqcount))
            .or_default();
        group.add(&instance.image, &instance.function, instance.half.kind());
        group.locknames.extend(instance.lockname);
    }
    groups
}

impl<'a> Group<'a> {
    fn add(&mut self, image: &'a str, function: &'a str, kind: Kind) {
        *self.counts.entry(kind).or_default() += 1;
        // A cold part is no function of its own.
        let function = function.strip_suffix(".cold").unwrap_or(function);
        self.functions.insert((image, function));
        self.images.insert(image);
    }

    fn count(&self, kind: Kind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or(0)
    }

    fn locks(&self) -> String {
        let words: Vec<String> = self
            .locknames
            .iter()
            .map(|&name| lock(Some(name)))
            .collect();
        if words.is_empty() {
            lock(None)
        } else {
            words.join(", ")
        }
    }

    fn modules(&self) -> String {
        let modules: Vec<&str> = self
            .images
            .iter()
            .copied()
            .filter(|&image| image != "vmlinux")
            .collect();
        if modules.is_empty() {
            "-".to_owned()
        } else {
            modules.join(", ")
        }
    }
}

fn or_dash(count: u64) -> String {
    if count == 0 {
        "-".to_owned()
    } else {
        count.to_string()
    }
}
