//! Calls that were inlined, for the stacks of a run that is over.

use anyhow::Result;
use log::{info, warn};
use tokio::time::Instant;

use crate::{
    aggregate::Aggregate,
    config::Trace,
    kernel::{inlined::InlinedCalls, running::Running},
};

/// The file that tells which calls were inlined; before anything is traced, so that a wrong one is
/// told in time.
pub(super) fn debuginfo(running: &Running, trace: &Trace) -> Result<Option<InlinedCalls>> {
    match &trace.debuginfo {
        _ if !trace.stacks => Ok(None),
        Some(file) => InlinedCalls::open(file, running).map(Some),
        None => Ok(InlinedCalls::installed(running)),
    }
}

/// Adds inlined calls to the stacks. What was traced is shown without them when that fails.
pub(super) fn inline(aggregate: &mut Aggregate, debuginfo: &InlinedCalls, running: &Running) {
    let since = Instant::now();
    let addresses = aggregate.stack_addresses();
    match debuginfo.calls(running, &addresses) {
        Ok(calls) => {
            info!(
                "calls are inlined at {} of {} addresses, found in {:?}",
                calls.len(),
                addresses.len(),
                since.elapsed()
            );
            aggregate.inline(calls);
        }
        Err(error) => warn!("{error:#}"),
    }
}
