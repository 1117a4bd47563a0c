//! The governor's report → what a snapshot says of it.

use crate::{
    aggregate::{
        rows::SiteLabel,
        snapshot::{DecisionRow, Governor},
    },
    governor::{Decision, Level, Report},
};

/// The report with names in place of slots.
pub(super) fn rows(report: &Report, labels: &[SiteLabel]) -> Governor {
    let Report {
        figures,
        decisions,
        off: _,
    } = report;
    Governor {
        figures: figures.clone(),
        decisions: decisions
            .iter()
            .filter_map(|decision| row(decision, labels))
            .collect(),
    }
}

fn row(decision: &Decision, labels: &[SiteLabel]) -> Option<DecisionRow> {
    let Decision {
        time_ns,
        slots,
        level,
        cost,
        own,
    } = decision;
    let labels: Vec<&SiteLabel> = slots
        .iter()
        .filter_map(|slot| labels.get(*slot as usize))
        .collect();
    let first = labels.first()?;
    Some(DecisionRow {
        time_ns: *time_ns,
        kind: first.kind,
        sites: labels.iter().map(|label| label.site.clone()).collect(),
        seqcount: first.seqcount.clone(),
        one_of: match level {
            Level::Full => 1,
            Level::Thinned { shift } => 1 << shift,
            Level::Off => 0,
        },
        cost: *cost,
        own: *own,
    })
}
