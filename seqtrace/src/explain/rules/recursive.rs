//! A class that is taken by a task that holds it.

use super::{
    super::{
        identify,
        report::Report,
        verdict::{Confidence, Judgement, Rule, Verdict},
    },
    task,
};

/// The verdict on it: one instance, or two.
pub(super) fn judge(report: &Report) -> Verdict {
    let (Some(taken), Some(held)) = (&report.acquiring, &report.holding) else {
        return super::cut_off(report);
    };
    let outer = held
        .at
        .as_ref()
        .map_or("?".to_owned(), |at| at.function.clone());
    let inner = identify::taker(report.current()).map_or("?", |call| call.function);
    let verdict = match (&taken.address, &held.address) {
        (Some(taken_address), Some(held_address)) if taken_address == held_address => Verdict::new(
            Judgement::Real,
            Rule::SameInstance,
            Confidence::Strong,
            format!(
                "{} takes `{}` at {taken_address} in {inner} while it holds the very same lock since {outer}: it waits for \
                 itself.",
                task(report),
                taken.class
            ),
        )
        .next(format!("find the way from `{outer}` to `{inner}` in the stack, and drop the lock before, or do not take it again"))
        .test("refuted only if the inner one is a trylock or a reader that may nest"),
        (Some(taken_address), Some(held_address)) => Verdict::new(
            Judgement::Unknown,
            Rule::DifferentInstances,
            Confidence::Moderate,
            format!(
                "{} takes `{}` at {taken_address} in {inner} while it holds another instance of the class, at {held_address}, \
                 since {outer}. It does not wait for itself. Whether two tasks can take two instances the other way round, \
                 the report does not tell.",
                task(report),
                taken.class
            ),
        )
        .next("if there is a rule which instance comes first (parent before child, lower address first): say so with `spin_lock_nested(…, SINGLE_DEPTH_NESTING)`, `mutex_lock_nested` or classes of their own (`lockdep_set_class`)")
        .next("if there is no such rule, make one: without it this is an AB-BA deadlock")
        .test("a false positive if the order is fixed by the structure, real if any two instances may meet in either order"),
        _ => Verdict::new(
            Judgement::Unknown,
            Rule::DifferentInstances,
            Confidence::Weak,
            format!(
                "{} takes `{}` in {inner} while it holds a lock of that class since {outer}. This kernel prints no addresses, \
                 so one instance taken twice and two instances look the same.",
                task(report),
                taken.class
            ),
        )
        .next(format!("see in `{outer}` and `{inner}` whether both mean the same structure"))
        .test("real if it is the same instance; if not, it depends on whether their order is fixed"),
    };
    verdict
        .because(
            taken.line,
            format!(
                "taken: `{}` {}",
                taken.class,
                taken.address.as_deref().unwrap_or("without an address")
            ),
        )
        .because(
            held.line,
            format!(
                "held: `{}` {}",
                held.class,
                held.address.as_deref().unwrap_or("without an address")
            ),
        )
}
