//! A snapshot → a flamegraph (SVG) of the readers' or writers' stacks; two snapshots → what changed. Drawn
//! by inferno.

use anyhow::{Context as _, Result, bail, ensure};
use inferno::{
    differential,
    flamegraph::{
        self, Options,
        color::{Color, PaletteMap},
    },
};

use crate::{
    aggregate::snapshot::Snapshot,
    export::{
        account, filters,
        folded::{self, Stacks, WRITER, Weight},
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
pub fn svg(snapshot: &Snapshot, weight: Weight, stacks: Stacks) -> Result<Vec<u8>> {
    let lines = folded::lines(snapshot, weight, stacks);
    if lines.is_empty() {
        bail!("nothing to draw: {}", why_empty(snapshot, weight));
    }
    let mut colours = writer_colours(&lines);
    let mut options = Options::default();
    options.title = title(snapshot, weight, stacks);
    options.subtitle = Some(subtitle(snapshot));
    weight.unit().clone_into(&mut options.count_name);
    options.deterministic = true;
    if stacks == Stacks::Blamed {
        options.palette_map = Some(&mut colours);
    }
    draw(&mut options, &lines)
}

/// Draws what changed from one snapshot to another, in time lost: the later one's stacks, red where
/// they lost more and blue where less, the earlier one taken to the same total.
///
/// # Errors
///
/// When the later one has nothing to draw.
pub fn difference(before: &Snapshot, after: &Snapshot) -> Result<Vec<u8>> {
    let document = |snapshot| folded::document(snapshot, Weight::Time, Stacks::Readers);
    let [earlier, later] = [document(before), document(after)];
    if later.is_empty() {
        bail!("nothing to draw: {}", why_empty(after, Weight::Time));
    }
    let how = differential::Options {
        normalize: true,
        ..differential::Options::default()
    };
    let mut lines = Vec::new();
    differential::from_readers(how, earlier.as_bytes(), later.as_bytes(), &mut lines)
        .context("failed to compare the stacks")?;
    let lines = String::from_utf8(lines).context("failed to compare the stacks")?;
    let mut lines: Vec<String> = lines.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    let mut options = Options::default();
    options.title = format!("Change of {}", title(after, Weight::Time, Stacks::Readers));
    options.subtitle = Some(format!(
        "before: {}; {}",
        title(before, Weight::Time, Stacks::Readers),
        subtitle(after)
    ));
    Weight::Time.unit().clone_into(&mut options.count_name);
    options.deterministic = true;
    draw(&mut options, &lines)
}

fn draw(options: &mut Options<'_>, lines: &[String]) -> Result<Vec<u8>> {
    let mut svg = Vec::new();
    flamegraph::from_lines(options, lines.iter().map(String::as_str), &mut svg)
        .context("failed to draw the flamegraph")?;
    ensure!(!svg.is_empty(), "failed to draw the flamegraph: no output");
    Ok(svg)
}

/// Blue tones for the frames of writers, so that they are told from those of readers at a glance; the
/// same name has the same tone.
fn writer_colours(lines: &[String]) -> PaletteMap {
    let mut colours = PaletteMap::default();
    let frames = lines.iter().filter_map(|line| line.rsplit_once(' '));
    for frame in frames.flat_map(|(stack, _)| stack.split(';')) {
        if frame.ends_with(WRITER) {
            let tone = frame
                .bytes()
                .fold(0_u8, |tone, byte| tone.wrapping_mul(31).wrapping_add(byte));
            let color = Color {
                r: 80 + tone % 60,
                g: 140 + tone % 70,
                b: 220 + tone % 35,
            };
            colours.insert(frame, color);
        }
    }
    colours
}

fn why_empty(snapshot: &Snapshot, weight: Weight) -> String {
    let watched = duration_inline(snapshot.elapsed_ns);
    let sites = plural(
        snapshot.coverage.covered(),
        &format!("{} site", account::covered_word(&snapshot.coverage)),
    );
    let retries = snapshot.rows.iter().map(|row| row.count).sum::<u64>();
    if weight == Weight::Retries {
        format!("no reader retried on {sites} in {watched}")
    } else if retries == 0 {
        format!("no reader waited or retried on {sites} in {watched}")
    } else {
        format!("no reader waited on {sites} in {watched}; {retries} retries have no duration")
    }
}

fn title(snapshot: &Snapshot, weight: Weight, stacks: Stacks) -> String {
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
        Weight::Retries => {
            let retries: u64 = snapshot.rows.iter().map(|row| weight.of_row(row)).sum();
            format!("{retries} retries")
        }
    };
    let whose = match stacks {
        Stacks::Readers => "",
        Stacks::Writers => ", by writer",
        Stacks::Blamed => ", with their writers",
    };
    format!(
        "{}{realtime}: {what} by seqcount readers in {}{whose}",
        snapshot.release,
        duration_inline(snapshot.elapsed_ns)
    )
}

/// Coverage, losses and filters: a picture is passed on without the text around it.
fn subtitle(snapshot: &Snapshot) -> String {
    let coverage = &snapshot.coverage;
    let only =
        filters::inline(snapshot).map_or_else(String::new, |words| format!("; only {words}"));
    format!(
        "{} of {} probed; losses: {}{only}",
        coverage.probed,
        plural(coverage.sites, "site"),
        account::losses_inline(snapshot)
    )
}
