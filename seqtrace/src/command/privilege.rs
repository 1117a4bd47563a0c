//! Gives up what a run no longer needs, once its probes are in place.

use anyhow::Result;
use log::{info, warn};

use crate::{
    kernel::{
        feature,
        privilege::{self, Capability, PERFMON, SYS_ADMIN},
    },
    plan::Plan,
};

/// What is needed still: probes that are put in place later need `cap_perfmon`, be they those of writers on
/// demand or those that come back within the budget, and `cap_sys_admin` where perf events are for root only.
/// Maps are read, and probes taken off, by anybody who has them open.
pub(super) fn needed(plan: &Plan, is_governed: bool) -> &'static [Capability] {
    if is_governed || plan.targets.iter().any(|target| target.on_demand) {
        if feature::are_perf_events_for_root() {
            &[PERFMON, SYS_ADMIN]
        } else {
            &[PERFMON]
        }
    } else {
        &[]
    }
}

/// Gives up the capabilities of all threads, but for those to `keep`.
pub(super) async fn give_up(keep: &'static [Capability]) {
    match of_all_threads(keep).await {
        Ok(0) => info!("capabilities given up"),
        Ok(threads) => warn!("{threads} threads keep the capabilities that tracing needed"),
        Err(error) => warn!("failed to give up capabilities: {error:#}"),
    }
}

/// This thread first, so that those which it starts have none. How many threads have some still.
async fn of_all_threads(keep: &'static [Capability]) -> Result<usize> {
    privilege::give_up(keep)?;
    // The runtime has one worker.
    tokio::spawn(async { privilege::give_up(keep) }).await??;
    for result in rayon::broadcast(|_| privilege::give_up(keep)) {
        result?;
    }
    privilege::holders(keep)
}
