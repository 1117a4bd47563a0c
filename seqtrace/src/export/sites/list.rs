//! Sites and instances → a line for each, by seqcount.

use crate::{
    discover::catalog::{Check, CheckClass, Frame, Lockname, Odd, Write},
    export::{
        columns::{self, Column, Overflow},
        inlined,
        selection::Kind,
        sites::{HalfDocument, PlacedInstance, PlannedSite, Probe, Sites},
        table::{lock, module},
    },
    plan::Backend,
};

/// What is told about a site or an instance.
struct Line<'a> {
    image: &'a str,
    image_offset: u64,
    place: &'a str,
    kind: Kind,
    detail: String,
    plan: String,
    seqcount: &'a str,
    unknown: bool,
    lockname: Option<Lockname>,
    chain: &'a [Frame],
}

/// The table; empty where there is neither site nor instance.
pub(super) fn table(sites: &Sites, width: Option<usize>) -> String {
    let planned = sites.sites.iter().map(Line::of_site);
    let placed = sites.instances.iter().map(Line::of_instance);
    let mut lines: Vec<Line<'_>> = planned.chain(placed).collect();
    if lines.is_empty() {
        return String::new();
    }
    // Stable: vmlinux stays before modules.
    let order: Vec<&str> = sites
        .images
        .iter()
        .map(|image| image.image.as_str())
        .collect();
    let position = |image: &str| order.iter().position(|&name| name == image);
    lines.sort_by_key(|line| {
        let place = (position(line.image), line.image_offset, line.kind);
        (line.unknown, line.seqcount, place)
    });
    let all = || lines.iter();
    let seqcount = Column::text("SEQCOUNT", all().map(|line| line.seqcount.to_owned()));
    let place = Column::text("SITE", all().map(|line| line.place.to_owned()));
    let values = [
        Column::text("KIND", all().map(|line| line.kind.word().to_owned())),
        Column::text("DETAIL", all().map(|line| line.detail.clone())),
        Column::text("PLAN", all().map(|line| line.plan.clone())),
        Column::text("WRITERS' LOCK", all().map(|line| lock(line.lockname))),
        Column::text("MODULE", all().map(|line| module(line.image))),
        Column::text("INLINED", all().map(|line| inlined::chain(line.chain))),
    ];
    let values: Vec<&Column> = values.iter().filter(|column| !column.is_blank()).collect();
    if columns::fits(&[&seqcount, &place], &values, width) {
        return columns::render(&[&seqcount, &place], &values, width, Overflow::Continue);
    }
    let headings: Vec<String> = all().map(|line| line.seqcount.to_owned()).collect();
    columns::render_grouped(&headings, &place, &values, width)
}

impl<'a> Line<'a> {
    fn of_site(site: &'a PlannedSite) -> Self {
        Self {
            image: &site.image,
            image_offset: site.image_offset,
            place: &site.site,
            kind: Kind::of_role(site.kind),
            detail: site.lock_function.clone().unwrap_or_else(dash),
            plan: plan(site.plan),
            seqcount: &site.seqcount,
            unknown: site.name == "unknown",
            lockname: site.lockname,
            chain: &site.chain,
        }
    }

    fn of_instance(instance: &'a PlacedInstance) -> Self {
        let mut detail = detail(&instance.half);
        if instance.open_coded {
            detail += ", open-coded";
        }
        Self {
            image: &instance.image,
            image_offset: instance.image_offset,
            place: &instance.instance,
            kind: instance.half.kind(),
            detail,
            plan: plan(instance.plan),
            seqcount: &instance.seqcount,
            unknown: instance.name == "unknown",
            lockname: instance.lockname,
            chain: &instance.chain,
        }
    }
}

fn dash() -> String {
    "-".to_owned()
}

fn plan(probe: Option<Probe>) -> String {
    match probe {
        None => dash(),
        Some(Probe::Probe) => Backend::Probe.word().to_owned(),
        Some(Probe::Contention) => Backend::Contention.word().to_owned(),
        Some(Probe::Sample) => Backend::Sample.word().to_owned(),
        Some(Probe::Skip(skip)) => format!("skip: {}", skip.word()),
    }
}

fn detail(half: &HalfDocument) -> String {
    match half {
        HalfDocument::Begin { odd, reloads: _ } => odd_word(*odd).to_owned(),
        HalfDocument::Check(Check {
            condition,
            class,
            loops,
            ..
        }) => {
            let loops = if *loops { ", loop" } else { "" };
            format!("{condition}, {}{loops}", class_word(*class))
        }
        HalfDocument::Write { write } => write_word(*write).to_owned(),
    }
}

/// What a begin does with an odd value, in a word.
fn odd_word(odd: Odd) -> &'static str {
    match odd {
        Odd::Waits => "waits",
        Odd::Masks => "masks",
        Odd::Selects => "selects",
        Odd::PassesOn => "passes on",
    }
}

/// Where a failed check goes, in a word.
fn class_word(class: CheckClass) -> &'static str {
    match class {
        CheckClass::RetryOnly => "retry-only",
        CheckClass::BeginHead => "begin head",
        CheckClass::Shared => "shared",
        CheckClass::Value => "value",
    }
}

/// Which increment it is, in a word.
fn write_word(write: Write) -> &'static str {
    match write {
        Write::Begin => "begin",
        Write::End => "end",
        Write::Latch => "latch",
        Write::Invalidate => "invalidate",
        Write::Unknown => "begin or end",
    }
}
