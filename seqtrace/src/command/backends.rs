//! Which backends a run uses, and what cannot be seen without the others.

use anyhow::Result;

use crate::{command::prepare::require, config::Choice, kernel::feature, plan::Backends};

/// The backends that were asked for, or the best that this kernel has.
///
/// # Errors
///
/// When kprobes are asked for, or the kernel has them, and they cannot be used, or when the tracepoints of
/// contended locks are asked for and say nothing: in one line that says what to do.
pub fn resolve(choice: Choice) -> Result<Backends> {
    let backends = match choice {
        Choice::Auto => of_kernel(),
        Choice::Only {
            probe,
            contention,
            sample,
        } => Backends {
            probe,
            contention,
            sample,
        },
    };
    if backends.probe {
        require(&feature::probe_checks())?;
    }
    if backends.contention {
        require(&[feature::contention()])?;
    }
    Ok(backends)
}

/// The best backends that this kernel has.
pub fn of_kernel() -> Backends {
    let probe = feature::has_kprobes();
    Backends {
        probe,
        contention: feature::contention().failure().is_none(),
        sample: !probe,
    }
}

/// What cannot be seen with these backends; a line each.
pub fn blind_spots(backends: Backends) -> Vec<String> {
    let Backends {
        probe,
        contention,
        sample,
    } = backends;
    let mut notes = Vec::new();
    if !probe {
        let why = if feature::has_kprobes() {
            "without `--backend probe`"
        } else {
            "this kernel has no kprobes"
        };
        notes.push(match (contention, sample) {
            (true, false) => format!("{why}: nothing is seen but blocks whose lock was taken"),
            (true, true) => format!(
                "{why}: retries and fallbacks are not seen, nor single spins and how long they were"
            ),
            (false, _) => format!(
                "{why}: retries and fallbacks are not seen, nor single waits and how long they were"
            ),
        });
    }
    if contention {
        notes.push(
            "contention rows: a reader that found the writer's lock free is not seen; a time begins when \
             the lock was found taken"
                .to_owned(),
        );
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
