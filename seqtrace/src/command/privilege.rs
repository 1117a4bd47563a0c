//! Gives up what a run no longer needs, once its probes are in place.

use anyhow::Result;
use log::{info, warn};

use crate::{
    kernel::privilege::{self, Capability, PERFMON},
    plan::Plan,
};

/// Gives up the capabilities of all threads. Probes that are put in place later need `cap_perfmon`, so it is
/// kept where the plan has such. Maps are read, and probes taken off, by anybody who has them open.
pub(super) async fn give_up(plan: &Plan) {
    let on_demand = plan.targets.iter().any(|target| target.on_demand);
    let keep: &[Capability] = if on_demand { &[PERFMON] } else { &[] };
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
