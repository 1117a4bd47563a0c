//! `seqtrace audit`: reads the sequence of every global seqcount again and again, and judges.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use log::warn;

use crate::{
    audit::{Audit, Counter, Finding, Reading, Unread, Verdict},
    command::{prepare, report, spinning},
    config::{RequestWords, Sources},
    discover::catalog::{Catalog, Half, Instance, Location, Lockname, Name, Odd, Site},
    export,
    kernel::running::Running,
    plan::{Backends, SiteFilter},
};

/// Time between two readings of a counter.
const INTERVAL: Duration = Duration::from_millis(10);

/// Readings of a counter at most: a longer audit reads less often.
const READINGS: u32 = 2000;

/// Exit status when a counter is wrong.
const WRONG: u8 = 3;

/// Looks for `duration` and prints what was found.
///
/// # Errors
///
/// When the kernel's sites or its memory cannot be read, or it has no global seqcount with an address.
pub fn audit(duration: Duration, json: bool, sources: &Sources, progress: bool) -> Result<u8> {
    let words = RequestWords::default();
    let prepared = prepare::prepare(
        sources,
        (&words, false),
        &SiteFilter::default(),
        Backends::SAMPLE,
        progress,
    )?;
    let running = &prepared.running;
    let (counters, mut unread) = counters(running, &prepared.catalog);
    ensure!(
        !counters.is_empty(),
        "no global seqcount of this kernel has an address that is known: nothing can be read"
    );
    let (readings, elapsed) = read(running, &counters, duration);
    let mut findings = Vec::new();
    for (counter, readings) in counters.iter().zip(readings) {
        match readings {
            Ok(readings) => findings.push(Finding::new(counter, &readings)),
            Err(reason) => unread.push(Unread {
                seqcount: counter.name.clone(),
                reason,
            }),
        }
    }
    findings.sort_by_cached_key(|finding| {
        let is_sound = finding.verdict == Verdict::Sound;
        (is_sound, finding.seqcount.clone())
    });
    let wrong = findings.partition_point(|finding| finding.verdict != Verdict::Sound);
    if let Err(error) = spinning::look(&prepared, &mut findings[..wrong]) {
        warn!("it is not known which CPUs spin: {error:#}");
    }
    unread.sort_by(|left, right| left.seqcount.cmp(&right.seqcount));
    let audit = Audit {
        format: Audit::FORMAT,
        release: running.release.clone(),
        elapsed_ns: elapsed.as_nanos().try_into().unwrap_or(u64::MAX),
        findings,
        unread,
    };
    if json {
        report::print(&export::audit::document(&audit))?;
    } else {
        report::print(&export::audit::text(&audit, report::size().0))?;
    }
    Ok(if wrong > 0 { WRONG } else { 0 })
}

/// The global counters that have readers, by name, and those whose address nothing tells.
fn counters(running: &Running, catalog: &Catalog) -> (Vec<Counter>, Vec<Unread>) {
    let mut by_address: BTreeMap<u64, Counter> = BTreeMap::new();
    let mut unread: BTreeMap<String, &str> = BTreeMap::new();
    for image in &catalog.images {
        for instance in image.instances.iter().filter(|one| !one.open_coded) {
            let Half::Begin { odd, .. } = instance.half else {
                continue;
            };
            let words = words(running, instance);
            if words.is_empty()
                && let Some(reason) = unreadable(instance)
            {
                unread.insert(instance.seqcount.label(), reason);
            }
            for (name, address) in words {
                let counter = match by_address.entry(address) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(vacant) => vacant.insert(Counter {
                        name,
                        latch: false,
                        address,
                        readers: Vec::new(),
                        waits: Vec::new(),
                    }),
                };
                let is_latch = instance.seqcount.lockname == Some(Lockname::Latch);
                counter.latch |= is_latch || odd == Odd::Selects;
                counter.readers.push(instance.label());
                let sites = image.sites.iter();
                let waits = sites.filter(|site| instance.sites.contains(&site.image_offset));
                counter.waits.extend(waits.map(Site::label));
            }
        }
    }
    let mut counters: Vec<Counter> = by_address.into_values().collect();
    counters.sort_by(|left, right| left.name.cmp(&right.name));
    let unread = unread.into_iter().map(|(seqcount, reason)| Unread {
        seqcount,
        reason: reason.to_owned(),
    });
    (counters, unread.collect())
}

/// The sequence words that an instance may read, with their names: one, or one for each CPU. None if it
/// reads no global, or one that cannot be found.
fn words(running: &Running, instance: &Instance) -> Vec<(String, u64)> {
    let location = instance.location.as_ref();
    if let Some(address) = location.and_then(|location| running.address_of(location)) {
        return vec![(name(instance), address)];
    }
    let Name::Global(symbol) = &instance.seqcount.name else {
        return Vec::new();
    };
    let by_cpu = running
        .addresses_by_cpu(symbol)
        .unwrap_or_default()
        .into_iter();
    by_cpu
        .map(|(cpu, address)| (format!("{symbol}[cpu {cpu}]"), address))
        .collect()
}

/// Why a global cannot be read; `None` for what is no global.
fn unreadable(instance: &Instance) -> Option<&'static str> {
    match &instance.location {
        Some(Location::Memory(operand)) if operand.per_cpu => Some("each CPU has its own"),
        Some(Location::Memory(_)) | None => {
            matches!(instance.seqcount.name, Name::Global(_)).then_some("its address is not known")
        }
        Some(Location::Vmlinux(_) | Location::Variable { .. }) => {
            Some("its module's symbols are not in `/proc/kallsyms`")
        }
    }
}

/// What a counter without a name is called after: the first that reads it.
fn name(instance: &Instance) -> String {
    match instance.seqcount.name {
        Name::Global(_) | Name::Member(_) | Name::Ambiguous(_) => instance.seqcount.label(),
        Name::Unknown => format!("unknown ({})", instance.label()),
    }
}

/// The readings of each counter, or why it cannot be read.
type Readings = std::result::Result<Vec<Reading>, String>;

fn read(running: &Running, counters: &[Counter], duration: Duration) -> (Vec<Readings>, Duration) {
    let interval = INTERVAL.max(duration / READINGS);
    let mut all: Vec<Readings> = counters.iter().map(|_| Ok(Vec::new())).collect();
    let start = Instant::now();
    let mut last = Duration::ZERO;
    loop {
        for (counter, readings) in counters.iter().zip(&mut all) {
            let Ok(known) = readings else { continue };
            last = start.elapsed();
            match running.word(counter.address) {
                Ok(value) => known.push(Reading {
                    time_ns: last.as_nanos().try_into().unwrap_or(u64::MAX),
                    value,
                }),
                Err(error) => *readings = Err(format!("{error:#}")),
            }
        }
        if start.elapsed() >= duration {
            return (all, last);
        }
        thread::sleep(interval.min(duration.saturating_sub(start.elapsed())));
    }
}
