//! Which backends a run uses, and what cannot be seen without the others.

use anyhow::Result;

use crate::{
    command::prepare::require,
    config::Choice,
    kernel::feature::{self, Answer, Check},
    plan::{Backend, Backends},
};

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
    if backends.sample {
        require(&[feature::perf_events()])?;
    }
    if backends.contention {
        require(&[feature::contention()])?;
    }
    Ok(backends)
}

/// Each backend: whether this user can have it on this kernel, what it shows, and else what to do.
pub fn checks() -> Vec<Check> {
    let backend = |backend: Backend, shows: &str, mut needs: Vec<Check>| {
        needs.insert(0, feature::privileges());
        let lacks = |check: &Check| check.needed && matches!(check.answer, Answer::No { .. });
        let detail = needs.iter().find_map(|check| match &check.answer {
            Answer::Yes(detail) if check.name == "tracefs" && !detail.starts_with('`') => {
                Some(format!("; tracefs is {detail}"))
            }
            Answer::Yes(_) | Answer::No { .. } | Answer::Unknown(_) => None,
        });
        let answer = match needs.into_iter().find(lacks) {
            Some(check) => check.answer,
            None => Answer::Yes(shows.to_owned() + &detail.unwrap_or_default()),
        };
        Check {
            name: backend.word(),
            needed: false,
            answer,
        }
    };
    vec![
        backend(
            Backend::Probe,
            "every wait and retry, exactly",
            feature::probe_checks(),
        ),
        backend(
            Backend::Contention,
            "blocks whose lock was taken, exactly",
            vec![feature::contention()],
        ),
        backend(
            Backend::Sample,
            "where readers spin, an estimate",
            vec![feature::perf_events()],
        ),
        backend(
            Backend::Watch,
            "writes to one word, exactly",
            vec![feature::breakpoints()],
        ),
    ]
}

/// What a run uses, in words.
pub fn in_use() -> String {
    let Backends {
        probe,
        contention,
        sample,
    } = of_kernel();
    let used = [
        (probe, Backend::Probe),
        (contention, Backend::Contention),
        (sample, Backend::Sample),
    ];
    let words = used.into_iter().filter(|(used, _)| *used);
    let words: Vec<_> = words.map(|(_, backend)| backend.word()).collect();
    words.join(" and ")
}

/// The best backends that this kernel has.
pub fn of_kernel() -> Backends {
    let probe = feature::has_kprobes();
    Backends {
        probe,
        contention: matches!(feature::contention().answer, Answer::Yes(_)),
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
