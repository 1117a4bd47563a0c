//! Which CPUs spin on a seqcount right now, from samples of their clocks.

use std::{collections::BTreeSet, sync::atomic::AtomicBool, thread, time::Duration};

use anyhow::Result;

use crate::{
    attach::{AttachOptions, Session},
    audit::Finding,
    collect,
    command::prepare::{self, Prepared},
    plan::{Backend, Plan, Skip},
};

/// A CPU that spins is met by some thousand samples in this time.
const TIME: Duration = Duration::from_secs(1);

/// Fills in the CPUs seen in the waiting loops of what is wrong; a counter without such loops keeps
/// none.
///
/// # Errors
///
/// When the kernel does not let us sample.
pub(super) fn look(prepared: &Prepared, findings: &mut [Finding]) -> Result<()> {
    let sampled = |label: &str| findings.iter().any(|f| f.waits.iter().any(|w| w == label));
    let mut plan: Plan = prepared.plan.clone();
    let mut any = false;
    for target in &mut plan.targets {
        let wanted = target.backend == Backend::Sample && sampled(&target.place.label());
        if wanted && target.skip.is_none() {
            any = true;
        } else {
            target.skip = target.skip.or(Some(Skip::NoBackend));
        }
    }
    if !any {
        return Ok(());
    }
    let layout = prepare::task_layout(&prepared.running.btf)?;
    let never = AtomicBool::new(false);
    let mut session = Session::attach(&plan, &layout, &AttachOptions::default(), &never, |_| ())?;
    thread::sleep(TIME);
    session.close_window()?;
    let by_slot = collect::cpus(&mut session)?;
    for finding in findings {
        let slots = (0..).zip(&plan.targets).filter(|(_, target)| {
            target.skip.is_none() && finding.waits.contains(&target.place.label())
        });
        let mut looked = false;
        let mut cpus = BTreeSet::new();
        for (slot, _) in slots {
            looked = true;
            cpus.extend(by_slot.get(&slot).into_iter().flatten().copied());
        }
        finding.spinning_cpus = looked.then(|| cpus.into_iter().collect());
    }
    Ok(())
}
