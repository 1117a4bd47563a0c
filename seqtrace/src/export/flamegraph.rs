//! A snapshot → a flamegraph (SVG) of the readers' stacks, drawn by inferno.

use anyhow::{Context as _, Result, bail, ensure};
use inferno::flamegraph::{self, Options};

use crate::{
    aggregate::snapshot::Snapshot,
    export::{
        account,
        folded::{self, Weight},
        quantity::{duration_inline, plural},
    },
};

/// Draws the flamegraph.
///
/// The same snapshot gives the same bytes: colours depend on names only.
///
/// # Errors
///
/// When there is nothing to draw, with the reason.
pub fn svg(snapshot: &Snapshot, weight: Weight) -> Result<Vec<u8>> {
    let lines = folded::lines(snapshot, weight);
    if lines.is_empty() {
        bail!("nothing to draw: {}", why_empty(snapshot));
    }
    let mut options = Options::default();
    options.title = title(snapshot, weight);
    options.subtitle = Some(subtitle(snapshot));
    weight.unit().clone_into(&mut options.count_name);
    options.deterministic = true;
    let mut svg = Vec::new();
    flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), &mut svg)
        .context("failed to draw the flamegraph")?;
    ensure!(!svg.is_empty(), "failed to draw the flamegraph: no output");
    Ok(svg)
}

fn why_empty(snapshot: &Snapshot) -> String {
    let watched = duration_inline(snapshot.elapsed_ns);
    let sites = plural(
        snapshot.coverage.covered(),
        &format!("{} site", account::covered_word(&snapshot.coverage)),
    );
    let retries = snapshot.rows.iter().map(|row| row.count).sum::<u64>();
    if retries == 0 {
        format!("no reader waited or retried on {sites} in {watched}")
    } else {
        format!("no reader waited on {sites} in {watched}; {retries} retries have no duration")
    }
}

fn title(snapshot: &Snapshot, weight: Weight) -> String {
    let realtime = if snapshot.realtime {
        " (PREEMPT_RT)"
    } else {
        ""
    };
    let what = match weight {
        Weight::Time => {
            let total_ns = snapshot.rows.iter().map(|row| row.total_ns).sum();
            format!("{} lost", duration_inline(total_ns))
        }
        Weight::Events => {
            let events: u64 = snapshot.rows.iter().map(|row| row.count).sum();
            format!("{events} waits and retries")
        }
    };
    format!(
        "{}{realtime}: {what} by seqcount readers in {}",
        snapshot.release,
        duration_inline(snapshot.elapsed_ns)
    )
}

/// Coverage and losses: a picture is passed on without the text around it.
fn subtitle(snapshot: &Snapshot) -> String {
    let coverage = &snapshot.coverage;
    format!(
        "{} of {} probed; losses: {}",
        coverage.probed,
        plural(coverage.sites, "site"),
        account::losses_inline(snapshot)
    )
}
