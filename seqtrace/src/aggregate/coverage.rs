//! Plan and refusals → what became of all sites.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    aggregate::snapshot::Coverage,
    plan::{Backend, Plan, Target},
};

/// What became of each site of `plan`.
///
/// `refusals` has the slot and the printed reason of each site the kernel refused; empty before
/// attaching. `off` has the slots whose probes are off to keep to the budget.
pub fn cover(plan: &Plan, refusals: &[(u32, String)], off: &BTreeSet<u32>) -> Coverage {
    let refusals: HashMap<usize, &str> = refusals
        .iter()
        .map(|(slot, reason)| (*slot as usize, reason.as_str()))
        .collect();
    let mut coverage = Coverage::default();
    let off: BTreeSet<usize> = off.iter().map(|slot| *slot as usize).collect();
    for (slot, target) in plan.targets.iter().enumerate() {
        let Target {
            kind,
            backend,
            skip,
            on_demand,
            ..
        } = target;
        coverage.sites += 1;
        let (all, covered) = coverage.kinds.entry(kind.word().to_owned()).or_default();
        *all += 1;
        if let Some(skip) = skip {
            coverage.skipped += 1;
            add_one(&mut coverage.skips, skip.word());
        } else if let Some(reason) = refusals.get(&slot) {
            coverage.refused += 1;
            add_one(&mut coverage.refusals, reason);
        } else if off.contains(&slot) {
            coverage.turned_down += 1;
        } else if *on_demand {
            coverage.on_demand += 1;
        } else {
            *covered += 1;
            *match backend {
                Backend::Probe => &mut coverage.probed,
                Backend::Contention => &mut coverage.contention,
                Backend::Sample => &mut coverage.sampled,
                // One word is watched, not sites.
                Backend::Watch => continue,
            } += 1;
        }
    }
    coverage
}

fn add_one(counts: &mut BTreeMap<String, u64>, name: &str) {
    *counts.entry(name.to_owned()).or_default() += 1;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{aggregate::tests::target, discover::catalog::Role, plan::Skip};

    #[test]
    fn every_site_is_probed_or_skipped_or_refused() {
        let mut skipped = target("ktime_get", Role::Spin);
        skipped.skip = Some(Skip::UsedByTracer);
        let plan = Plan {
            targets: vec![
                target("getrusage", Role::Block),
                skipped,
                target("d_lookup", Role::Spin),
            ],
        };
        let coverage = cover(&plan, &[(2, "EINVAL".to_owned())], &BTreeSet::new());
        assert_eq!(coverage.sites, 3);
        assert_eq!(
            (coverage.probed, coverage.skipped, coverage.refused),
            (1, 1, 1)
        );
        assert_eq!(coverage.skips["used_by_tracer"], 1);
        assert_eq!(coverage.refusals["EINVAL"], 1);
        assert_eq!(coverage.kinds["spin"], (2, 0));
        assert_eq!(coverage.kinds["block"], (1, 1));
    }

    #[test]
    fn a_site_that_is_off_is_covered_no_longer() {
        let plan = Plan {
            targets: vec![
                target("getrusage", Role::Block),
                target("d_lookup", Role::Spin),
            ],
        };
        let coverage = cover(&plan, &[], &BTreeSet::from([1]));
        assert_eq!((coverage.probed, coverage.turned_down), (1, 1));
        assert_eq!(coverage.kinds["spin"], (1, 0));
    }

    #[test]
    fn a_site_that_is_skipped_is_not_refused_as_well() {
        let mut skipped = target("ktime_get", Role::Spin);
        skipped.skip = Some(Skip::Notrace);
        let plan = Plan {
            targets: vec![skipped],
        };
        let off = BTreeSet::from([0]);
        let coverage = cover(&plan, &[(0, "EINVAL".to_owned())], &off);
        assert_eq!((coverage.skipped, coverage.refused), (1, 0));
        assert_eq!(coverage.turned_down, 0);
    }
}
