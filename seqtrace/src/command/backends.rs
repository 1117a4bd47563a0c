//! Which backends a run uses, and what cannot be seen without the others.

use anyhow::Result;

use crate::{command::prepare::require, config::Choice, kernel::feature, plan::Backends};

/// The backends that were asked for, or the best that this kernel has.
///
/// # Errors
///
/// When kprobes are asked for, or the kernel has them, and they cannot be used: in one line that says
/// what to do.
pub fn resolve(choice: Choice) -> Result<Backends> {
    let backends = match choice {
        Choice::Auto => of_kernel(),
        Choice::Only { probe, sample } => Backends {
            probe,
            contention: false,
            sample,
        },
    };
    if backends.probe {
        require(&feature::probe_checks())?;
    }
    Ok(backends)
}

/// The best backends that this kernel has.
pub fn of_kernel() -> Backends {
    let probe = feature::has_kprobes();
    Backends {
        probe,
        contention: false,
        sample: !probe,
    }
}

/// What cannot be seen with these backends; a line each.
pub fn blind_spots(backends: Backends) -> Vec<String> {
    let Backends {
        probe,
        contention: _,
        sample,
    } = backends;
    let mut notes = Vec::new();
    if !probe {
        let why = if feature::has_kprobes() {
            "without `--backend probe`"
        } else {
            "this kernel has no kprobes"
        };
        notes.push(format!(
            "{why}: retries and fallbacks are not seen, nor single waits and how long they were"
        ));
    }
    if sample {
        notes.push(
            "sampled: where a CPU was found in code that only waiting readers execute; each sample \
             stands for a millisecond, waits in between are not seen"
                .to_owned(),
        );
    }
    notes
}
