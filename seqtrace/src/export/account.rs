//! Coverage, losses and costs → the lines that stand below every table.

use std::fmt::Write as _;

use super::losses::LOSSES;
use crate::{
    aggregate::{
        identity::Broken,
        snapshot::{Costs, Coverage, Figures, Governor, Samples, Snapshot},
    },
    export::quantity::{duration_inline, percent, size},
    plan::{Backend, Skip},
};

/// Width of the first word of a line.
const LABEL: usize = 9;

/// The line about the samples of the CPU clock; nothing where none are taken.
pub(super) fn samples(snapshot: &Snapshot, width: Option<usize>) -> String {
    let Some(Samples {
        period_ns,
        elsewhere,
    }) = snapshot.samples
    else {
        return String::new();
    };
    let sampled = snapshot.rows.iter();
    let sampled = sampled.filter(|row| row.backend == Backend::Sample);
    let at_sites: u64 = sampled.map(|row| row.hits).sum();
    let text = format!(
        "{} = {at_sites} at sites + {elsewhere} elsewhere; one stands for {} of a CPU",
        at_sites + elsewhere,
        duration_inline(period_ns)
    );
    line("samples", &text, width)
}

/// The lines about the sites: `sites = probed + skipped + refused`, and the reasons.
pub(super) fn coverage(coverage: &Coverage, width: Option<usize>) -> String {
    let Coverage {
        skips,
        refusals,
        kinds,
        notes,
        ..
    } = coverage;
    let mut text = line("sites", &sum(coverage), width);
    let kinds: Vec<String> = kinds
        .iter()
        .filter(|(_, (_, covered))| *covered > 0)
        .map(|(kind, (_, covered))| format!("{covered} {kind}"))
        .collect();
    if !kinds.is_empty() {
        let covered = coverage.covered();
        let word = covered_word(coverage);
        text += &line(
            "",
            &format!("{covered} {word}: {}", kinds.join(", ")),
            width,
        );
    }
    for (reason, count) in skips {
        let meaning = skip_meaning(reason).map_or(String::new(), |meaning| format!(": {meaning}"));
        text += &line("", &format!("{count} skipped, {reason}{meaning}"), width);
    }
    for (reason, count) in refusals {
        text += &line("", &format!("{count} refused, {reason}"), width);
    }
    for note in notes {
        text += &line("", note, width);
    }
    text
}

/// `173 = 141 sampled + 32 skipped + 0 refused`; backends that are not used are left out, but for
/// probes where nothing is.
pub(super) fn sum(coverage: &Coverage) -> String {
    let Coverage {
        sites,
        probed,
        contention,
        sampled,
        on_demand,
        skipped,
        refused,
        turned_down,
        ..
    } = *coverage;
    let covered = [
        (probed, "probed"),
        (contention, "contention"),
        (sampled, "sampled"),
    ];
    let mut text = format!("{sites} = ");
    let is_used =
        |number: u64, word: &str| number > 0 || word == "probed" && coverage.covered() == 0;
    for (number, word) in covered.into_iter().filter(|(n, word)| is_used(*n, word)) {
        let _ = write!(text, "{number} {word} + ");
    }
    if on_demand > 0 {
        let _ = write!(text, "{on_demand} on demand + ");
    }
    if turned_down > 0 {
        let _ = write!(text, "{turned_down} turned down + ");
    }
    let _ = write!(text, "{skipped} skipped + {refused} refused");
    text
}

/// What the sites are that are counted: `probed` where all of them are.
pub(super) fn covered_word(coverage: &Coverage) -> &'static str {
    match coverage {
        Coverage {
            contention: 0,
            sampled: 0,
            ..
        } => "probed",
        Coverage {
            probed: 0,
            contention: 0,
            ..
        } => "sampled",
        Coverage { .. } => "covered",
    }
}

/// The line on what ended the run before its time; nothing where nothing did.
pub(super) fn ended(snapshot: &Snapshot, width: Option<usize>) -> String {
    let ended = snapshot.ended.iter();
    ended.map(|by| line("ended", by, width)).collect()
}

/// The lines about what was lost.
pub(super) fn losses(snapshot: &Snapshot, width: Option<usize>) -> String {
    let lost: Vec<_> = snapshot
        .losses
        .iter()
        .filter(|(_, count)| **count > 0)
        .collect();
    if lost.is_empty() {
        return line("losses", "none", width);
    }
    let mut text = String::new();
    for (index, (name, count)) in lost.into_iter().enumerate() {
        let label = if index == 0 { "losses" } else { "" };
        let meaning = loss_meaning(name);
        text += &line(label, &format!("{count} {name}: {meaning}"), width);
    }
    text
}

/// What a loss means, and what to do about it.
pub(super) fn loss_meaning(name: &str) -> &'static str {
    let known = LOSSES.iter().find(|(known, _)| *known == name);
    known.map_or("", |(_, meaning)| meaning)
}

/// What was lost, in one line: `12 ring_full, 3 stack_lost`, or `none`.
pub(super) fn losses_inline(snapshot: &Snapshot) -> String {
    lost(snapshot).unwrap_or_else(|| "none".to_owned())
}

/// What was lost, in one line: `12 ring_full, 3 stack_lost`; `None` where nothing was.
pub fn lost(snapshot: &Snapshot) -> Option<String> {
    let losses = snapshot.losses.iter();
    let lost: Vec<String> = losses
        .filter(|(_, count)| **count > 0)
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    (!lost.is_empty()).then(|| lost.join(", "))
}

/// `205 of 214 probed`: the sites that are counted, of all.
pub fn covered(coverage: &Coverage) -> String {
    let word = covered_word(coverage);
    format!("{} of {} {word}", coverage.covered(), coverage.sites)
}

/// The line about what tracing cost.
pub(super) fn costs(costs: &Costs, width: Option<usize>) -> String {
    line("cost", &costs_inline(costs), width)
}

/// What tracing costs, in a few words: of the budget where there is one, memory, and the time before
/// counting began.
pub fn costs_short(snapshot: &Snapshot) -> String {
    let costs = &snapshot.costs;
    let start_ns = costs.discover_ns.saturating_add(costs.attach_ns);
    let memory = size(costs.peak_rss_bytes);
    let start = duration_inline(start_ns);
    match &snapshot.governor {
        None => format!("{memory}, {start} to start"),
        Some(Governor {
            figures: Figures { budget, now, .. },
            ..
        }) => format!(
            "{} of {} allowed, {memory}, {start} to start",
            percent(*now),
            percent(*budget)
        ),
    }
}

/// What tracing cost, in one line.
fn costs_inline(costs: &Costs) -> String {
    let Costs {
        discover_ns,
        cached,
        attach_ns,
        peak_rss_bytes,
    } = costs;
    let cached = if *cached { " (cached)" } else { "" };
    let mut text = format!("discovery {}{cached}", duration_inline(*discover_ns));
    if *attach_ns > 0 {
        let _ = write!(text, ", attaching {}", duration_inline(*attach_ns));
    }
    let _ = write!(text, ", peak memory {}", size(*peak_rss_bytes));
    text
}

/// The lines about numbers that do not add up; nothing when they do.
pub(super) fn broken(broken: &[Broken], width: Option<usize>) -> String {
    broken
        .iter()
        .map(|broken| {
            let text = format!("do not add up, please report this: {broken}");
            line("sums", &text, width)
        })
        .collect()
}

/// A label and a text, broken between words where it would be longer than `width`, the text
/// indented.
pub(super) fn line(label: &str, text: &str, width: Option<usize>) -> String {
    let mut lines = format!("{label:LABEL$}");
    let mut used = LABEL;
    for word in text.split(' ') {
        let length = word.chars().count();
        if width.is_some_and(|width| used > LABEL && used + 1 + length > width) {
            let _ = write!(lines, "\n{:LABEL$}", "");
            used = LABEL;
        } else if used > LABEL {
            lines.push(' ');
            used += 1;
        }
        lines.push_str(word);
        used += length;
    }
    lines.push('\n');
    lines
}

/// What a reason to skip means; `None` for one that this build does not know.
fn skip_meaning(reason: &str) -> Option<&'static str> {
    let known = [
        Skip::Notrace,
        Skip::Blacklisted,
        Skip::InitText,
        Skip::UsedByTracer,
        Skip::CountedAtCheck,
        Skip::CountedAtRetry,
        Skip::CountedAtFallback,
        Skip::OtherCondition,
        Skip::NoBackend,
        Skip::UnknownWord,
        Skip::Filtered,
    ];
    let skip = known.into_iter().find(|skip| skip.word() == reason)?;
    Some(match skip {
        Skip::Notrace => "the kernel takes no probe in a notrace function",
        Skip::Blacklisted => "the function is on the kernel's kprobes blacklist",
        Skip::InitText => "the function is gone after boot",
        Skip::UsedByTracer => "the tracer's own events run through it",
        Skip::CountedAtCheck => "its retries are counted at the check",
        Skip::CountedAtRetry => "its failures are counted at the site they lead to",
        Skip::CountedAtFallback => "its failures are counted as fallbacks",
        Skip::OtherCondition => "whether it failed is not told by one flag",
        Skip::NoBackend => "none of the backends in use sees it",
        Skip::UnknownWord => "the registers do not lead to its sequence",
        Skip::Filtered => "it is not among those that were asked for",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_loss_has_a_meaning_under_its_name() {
        let names: Vec<_> = LOSSES.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, seqtrace_common::loss::NAMES);
    }

    #[test]
    fn a_line_breaks_between_words_and_keeps_its_indent() {
        assert_eq!(
            line("losses", "twelve ring_full: raise it", Some(26)),
            "losses   twelve ring_full:\n         raise it\n"
        );
        assert_eq!(line("cost", "a b", None), "cost     a b\n");
    }

    #[test]
    fn coverage_shows_the_sum_and_each_reason() {
        let coverage_with_reasons = Coverage {
            sites: 12,
            probed: 9,
            skipped: 2,
            refused: 1,
            contention: 0,
            sampled: 0,
            on_demand: 0,
            turned_down: 0,
            skips: [("notrace".to_owned(), 2)].into(),
            refusals: [("EINVAL: forbidden".to_owned(), 1)].into(),
            kinds: [("spin".to_owned(), (12, 9))].into(),
            notes: Vec::new(),
        };
        assert_eq!(
            coverage(&coverage_with_reasons, None),
            "sites    12 = 9 probed + 2 skipped + 1 refused\n         9 probed: 9 spin\n         \
             2 skipped, notrace: the kernel takes no probe in a notrace function\n         \
             1 refused, EINVAL: forbidden\n"
        );
    }
}
