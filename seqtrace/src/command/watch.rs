//! `seqtrace watch`: counts the writes to one seqcount or lock, and who does them.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::Instant;

use crate::{
    aggregate::watched::Watched,
    attach::watch::Watch,
    collect::writes::Written,
    command::{
        backends, child,
        interrupt::Interrupt,
        prepare::{self, Prepared},
        report::{print, size},
        run::{ended, passed},
        trace::nanoseconds,
    },
    config::{RequestWords, Sources, Span},
    export,
    kernel::{feature, running::VMLINUX},
    plan::SiteFilter,
};

/// Watches until the time is over or the command ends.
///
/// # Errors
///
/// When there is no such word, or the kernel lets nobody watch it.
pub async fn watch(
    word: &str,
    json: bool,
    span: &Span,
    sources: &Sources,
    progress: bool,
) -> Result<u8> {
    let program = child::find(&span.run)?;
    prepare::require(&feature::discover_checks())?;
    let prepared = prepare::prepare(
        sources,
        (&RequestWords::default(), false),
        &SiteFilter::default(),
        backends::of_kernel(),
        progress,
    )?;
    let address = address(&prepared, word)?;
    let interrupt = Interrupt::listen()?;
    interrupt.begin_orderly();
    let mut watch = Watch::start(address).with_context(|| format!("cannot watch `{word}`"))?;
    let since = Instant::now();
    let deadline = span.duration.map(|duration| since + duration);
    let mut child = program.map(|program| program.start()).transpose()?;
    let status = tokio::select! {
        biased;
        () = interrupt.wait() => None,
        status = ended(child.as_mut()) => Some(status?),
        () = passed(deadline) => None,
    };
    watch.stop();
    let elapsed: Duration = since.elapsed();
    if let (Some(child), None) = (&mut child, status) {
        child.end().await?;
    }
    let symbols = prepared.running.symbols.clone();
    let watched = Watched::new(
        prepared.running.release.clone(),
        word.to_owned(),
        nanoseconds(elapsed),
        &Written::take(&mut watch)?,
        &(Box::new(move |address| symbols.name_of(address)) as _),
    );
    print(&if json {
        export::watch::document(&watched)
    } else {
        export::watch::table(&watched, size().0)
    })?;
    Ok(status.map_or(0, child::exit_code))
}

/// The address of `0xADDRESS`, `symbol` or `symbol+0x8`, of vmlinux first, then of any module. Of the names that discovery gives to globals
/// without a symbol, too.
fn address(prepared: &Prepared, word: &str) -> Result<u64> {
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    if word.starts_with("0x") {
        return number(word).with_context(|| format!("`{word}` is not an address"));
    }
    let (name, distance) = word.split_once('+').unwrap_or((word, "0"));
    let distance = number(distance).with_context(|| format!("`{distance}` is not a number"))?;
    let running = &prepared.running;
    let modules = || {
        let mut images = running.symbols.modules.values();
        images.find_map(|symbols| symbols.address_of(name))
    };
    let symbol = running.symbols.vmlinux.address_of(name).or_else(modules);
    let inferred = prepared.catalog.images.iter().find_map(|image| {
        let offset = (image.image == VMLINUX).then(|| image.inferred.get(name))??;
        Some(running.base(VMLINUX).ok()?.wrapping_add(*offset))
    });
    let start = symbol.or(inferred).with_context(|| {
        format!(
            "no variable called `{name}` is known here: give its address, or a name that \
             `seqtrace sites` has for a global"
        )
    })?;
    Ok(start.wrapping_add(distance))
}
