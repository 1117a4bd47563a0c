//! Two locks, of which an interrupt takes one: inversions that an interrupt could close.

use super::{
    super::{
        identify, known,
        report::{Lock, Report, StackRole},
        verdict::{Confidence, Judgement, Rule, Verdict},
    },
    stat_command, task,
};

/// The verdict on an order of locks that interrupts make dangerous.
pub(super) fn judge(report: &Report) -> Verdict {
    let (Some(taken), Some(other)) = (
        &report.acquiring,
        report.holding.as_ref().or(report.other.as_ref()),
    ) else {
        return super::cut_off(report);
    };
    // Of an inversion, the lock that changed state is held over the other one.
    let (safe, unsafe_) = if report.holding.is_some() {
        (other, taken)
    } else {
        (taken, other)
    };
    let statement = format!(
        "`{}` is taken in interrupts and held over `{}`, which elsewhere is held with interrupts on: an interrupt there \
         waits for `{}`, whose holder waits for `{}`, whose holder is the task that was interrupted.",
        safe.class, unsafe_.class, safe.class, unsafe_.class
    );
    let mut verdict = Verdict::new(
        Judgement::Real,
        Rule::InterruptOrder,
        Confidence::Moderate,
        statement,
    )
    .because(
        taken.line,
        format!("`{}`, by {}", taken.class, task(report)),
    )
    .because(other.line, format!("`{}`", other.class));
    for (role, what) in [
        (StackRole::Safe, "taken in an interrupt"),
        (StackRole::Unsafe, "taken with interrupts on"),
    ] {
        if let Some(call) = report
            .stack(role)
            .and_then(|stack| identify::taker(&stack.frames))
        {
            verdict = verdict.because(call.line, format!("{what}, in {}", call.function));
        }
    }
    verdict = seqcounts([safe, unsafe_], verdict);
    verdict
        .next(format!(
            "take `{}` with interrupts off everywhere, or not under `{}`",
            unsafe_.class, safe.class
        ))
        .test(
            "refuted if the instances are never the same, or the interrupt cannot come on that CPU",
        )
}

/// What is to be said where one of the locks is a seqcount, or the lock of one.
fn seqcounts(locks: [&Lock; 2], mut verdict: Verdict) -> Verdict {
    for lock in locks {
        if identify::is_seqcount(lock) {
            verdict = verdict.test(format!(
                "`{}` is a seqcount: its readers wait only while a writer is inside, so what counts is where it is written",
                lock.class
            ));
        }
        if let Some(name) = known::by_class(lock.base()) {
            verdict = verdict.next(format!("see who writes {name}: `{}`", stat_command(name)));
        }
    }
    verdict
}
