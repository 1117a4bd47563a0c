//! What the probes cost → the lines about the budget.

use crate::{
    aggregate::snapshot::{DecisionRow, Figures, Governor},
    export::{
        account,
        quantity::{duration_inline, percent, plural},
    },
};

/// So many of the last changes are told; a document has all.
const DECISIONS: usize = 12;

/// The lines of the closing table; nothing where there is no budget.
pub(super) fn section(governor: Option<&Governor>, width: Option<usize>) -> String {
    let Some(governor) = governor else {
        return String::new();
    };
    let Governor { figures, decisions } = governor;
    let Figures {
        budget,
        cpus,
        trap_ns,
        now: _,
        mean,
        peak,
    } = figures;
    let trap = trap_ns.map_or_else(
        || "the cost of a trap is not measured, so that it is left out".to_owned(),
        |trap_ns| format!("a trap costs {}", duration_inline(trap_ns)),
    );
    let text = format!(
        "probes cost {} of {} on average, {} in the worst second, {} allowed; {trap}",
        percent(*mean),
        plural(u64::from(*cpus), "CPU"),
        percent(*peak),
        percent(*budget),
    );
    let mut lines = account::line("budget", &text, width);
    let left_out = decisions.len().saturating_sub(DECISIONS);
    if left_out > 0 {
        let text = format!("{} before these", plural(left_out as u64, "change"));
        lines += &account::line("", &text, width);
    }
    for decision in decisions.iter().skip(left_out) {
        lines += &account::line("", &change(decision), width);
    }
    lines
}

/// `12.3 s: check ktime_get+0x57 taken off: 3.10% of 3.20%`.
fn change(decision: &DecisionRow) -> String {
    let DecisionRow {
        time_ns,
        kind,
        sites,
        seqcount,
        one_of,
        cost,
        own,
    } = decision;
    let what = match &sites[..] {
        [site] => format!("{} {site}", kind.word()),
        sites => format!("{} {}s of {seqcount}", sites.len(), kind.word()),
    };
    let share = format!("{} of {}", percent(*own), percent(*cost));
    let done = match one_of {
        0 => format!("taken off: it cost {share}"),
        1 => format!("tried again: all others cost {}", percent(*cost)),
        one_of => format!("counts one of {one_of}: it cost {share}"),
    };
    format!("{}: {what} {done}", duration_inline(*time_ns))
}

/// One line of the live table; nothing where there is no budget.
pub(super) fn inline(governor: Option<&Governor>) -> String {
    let Some(Governor {
        figures: Figures { budget, now, .. },
        ..
    }) = governor
    else {
        return String::new();
    };
    let text = format!("{} of {} allowed", percent(*now), percent(*budget));
    account::line("budget", &text, None)
}
