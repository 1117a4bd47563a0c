//! `top --replay`: a recording on the screen, at the pace at which it was made or faster.

use std::{
    path::Path,
    sync::{Arc, mpsc},
    time::Duration,
};

use anyhow::{Result, bail};
use tokio::{sync::watch, time::sleep};

use crate::{
    aggregate::snapshot::Snapshot,
    cli::Colour,
    command::{
        filter,
        interrupt::Interrupt,
        live, recordings,
        report::{print, size},
        screen::{Controls, Screen},
        terminal,
    },
    config::Filter,
    export::table,
    recording::Taken,
};

/// The longest time between two snapshots, until the user chooses another.
const PACE: Duration = Duration::from_secs(1);

/// Shows a recording: on a terminal as if it happened now, the last numbers until the user quits, and
/// then the totals up to there; elsewhere a table for each interval.
///
/// # Errors
///
/// When it cannot be read or shown.
pub async fn replay(path: &Path, colour: Colour, filter: &Filter) -> Result<u8> {
    let narrowing = filter::of_recording(filter);
    if !terminal::is_usable() {
        return recordings::replay(path, &narrowing);
    }
    let mut reader = recordings::open(path)?;
    let recorded = Some(reader.header().clone());
    let mut snapshots = recordings::snapshots(&mut reader).peekable();
    if snapshots.peek().is_none() {
        bail!(
            "`{}` ends before its first numbers: there is nothing to show",
            path.display()
        );
    }
    let interrupt = Interrupt::listen()?;
    interrupt.begin_orderly();
    let (interval, pace) = watch::channel(PACE);
    let controls = Controls {
        interrupt: interrupt.clone(),
        interval,
        recorded,
    };
    let (failed, failures) = mpsc::channel();
    let screen = Screen::open(live::is_colourful(colour), controls, failed)?;
    let mut shown: Option<Arc<Snapshot>> = None;
    let mut is_whole = false;
    for Taken { last, snapshot } in snapshots {
        let before_ns = shown.as_ref().map_or(0, |before| before.elapsed_ns);
        tokio::select! {
            biased;
            () = interrupt.wait() => break,
            () = sleep(pause(&snapshot, before_ns, *pace.borrow())) => {}
        }
        let snapshot = Arc::new(narrowing.of(snapshot));
        screen.show(&snapshot);
        shown = Some(snapshot);
        is_whole = last;
    }
    interrupt.wait().await;
    drop(screen);
    if let Some(snapshot) = shown {
        let table = if is_whole {
            table::closing
        } else {
            table::interim
        };
        print(&table(&snapshot, size().0))?;
    }
    recordings::tell(path, &reader);
    match failures.try_recv() {
        Ok(error) => Err(error),
        Err(_) => Ok(0),
    }
}

/// How long to wait for a snapshot: as long as it took, but no longer than `pace`.
fn pause(snapshot: &Snapshot, before_ns: u64, pace: Duration) -> Duration {
    Duration::from_nanos(snapshot.elapsed_ns.saturating_sub(before_ns)).min(pace)
}
