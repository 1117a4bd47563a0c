//! Executes what `plan::demand` decides: writers are probed for a short while, and left alone again.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use log::info;

use crate::{
    aggregate::snapshot::{DemandRow, Snapshot},
    attach::Session,
    collect::Collector,
    plan::{
        Plan,
        demand::{Demand, Demands, Limits},
    },
};

/// The writers that are probed on demand.
pub(super) struct WritersOnDemand {
    demands: Demands,
    /// Time that readers had lost and the time, as of the interval before.
    before: (BTreeMap<String, u64>, u64),
    rows: Vec<DemandRow>,
}

impl WritersOnDemand {
    pub(super) fn new(plan: &Plan, limits: Limits) -> Self {
        Self {
            demands: Demands::new(plan, limits),
            before: Default::default(),
            rows: Vec::new(),
        }
    }

    /// Looks at what readers lost since the last call, and places and takes off probes accordingly.
    /// Whether it did.
    pub(super) fn look(
        &mut self,
        snapshot: &Snapshot,
        session: &mut Session,
        collector: &mut Collector,
    ) -> Result<bool> {
        let now_ns = snapshot.elapsed_ns;
        let totals = lost_ns(snapshot);
        let (before, before_ns) = std::mem::replace(&mut self.before, (totals.clone(), now_ns));
        let lost_ns = per_second(totals, &before, now_ns.saturating_sub(before_ns));
        let demands = self.demands.decide(Duration::from_nanos(now_ns), &lost_ns);
        for demand in &demands {
            match demand {
                Demand::Begin { seqcount, lost_ns } => {
                    let slots = self.demands.slots(seqcount).to_vec();
                    let attached = session.begin_writers(&slots)?;
                    for slot in &attached {
                        collector.include(*slot);
                    }
                    info!(
                        "the writers of `{seqcount}` are probed at {} places",
                        attached.len()
                    );
                    self.rows.push(DemandRow {
                        seqcount: seqcount.clone(),
                        lost_ns: *lost_ns,
                        probes: attached.len() as u64,
                        began_ns: nanoseconds(session),
                        ended_ns: None,
                    });
                }
                Demand::End { seqcount } => {
                    let slots = self.demands.slots(seqcount).to_vec();
                    let ended_ns = nanoseconds(session);
                    session.end_writers(&slots)?;
                    let mut rows = self.rows.iter_mut().rev();
                    if let Some(row) = rows.find(|row| row.seqcount == *seqcount) {
                        row.ended_ns = Some(ended_ns);
                    }
                }
            }
        }
        Ok(!demands.is_empty())
    }

    /// When whose writers were probed.
    pub(super) fn rows(&self) -> &[DemandRow] {
        &self.rows
    }
}

/// Time since the counting began.
fn nanoseconds(session: &Session) -> u64 {
    super::trace::nanoseconds(session.began().elapsed())
}

/// Time that readers lost so far, by seqcount.
fn lost_ns(snapshot: &Snapshot) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::<String, u64>::new();
    for sum in &snapshot.seqcounts {
        *sums.entry(sum.seqcount.clone()).or_default() += sum.total_ns;
    }
    sums
}

/// What was added to `before` in an interval, for each second of it.
fn per_second(
    mut totals: BTreeMap<String, u64>,
    before: &BTreeMap<String, u64>,
    interval_ns: u64,
) -> BTreeMap<String, u64> {
    for (seqcount, total_ns) in &mut totals {
        let before_ns = before.get(seqcount).copied().unwrap_or(0);
        let more_ns = u128::from(total_ns.saturating_sub(before_ns));
        let rate_ns = more_ns * 1_000_000_000 / u128::from(interval_ns.max(1));
        *total_ns = rate_ns.try_into().unwrap_or(u64::MAX);
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_told_for_a_second_of_the_interval() {
        let totals = |ns| BTreeMap::from([("rename_lock".to_owned(), ns)]);
        let lost = |before: &BTreeMap<_, _>| per_second(totals(50), before, 500_000_000);
        assert_eq!(lost(&totals(20)), totals(60));
        assert_eq!(lost(&BTreeMap::new()), totals(100));
    }
}
