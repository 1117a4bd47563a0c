//! Locks that are used where or as they must not be.

use super::{
    super::{
        identify,
        report::Report,
        verdict::{Confidence, Judgement, Rule, Verdict},
    },
    stat_command, task,
};

/// A sleeping lock under a spinning one, or in an interrupt.
pub(super) fn wait_context(report: &Report) -> Verdict {
    let Some(lock) = &report.acquiring else {
        return super::cut_off(report);
    };
    let strictest = report
        .held
        .iter()
        .filter(|held| held.wait.is_some_and(|(_, held)| held > 0));
    let strictest = strictest.min_by_key(|held| held.wait);
    let strictest = strictest.filter(|held| held.wait < lock.wait);
    let around = match strictest {
        Some(held) => format!("under `{}`, which never sleeps", held.class),
        None => "in a context that cannot sleep".to_owned(),
    };
    let sleeps = identify::sleeps(report.current());
    let (confidence, why) = if sleeps {
        let why = "It may sleep on every kernel, so this is wrong on every kernel.";
        (Confidence::Strong, why)
    } else {
        let why = "It is a spinlock_t, which sleeps on PREEMPT_RT; without PREEMPT_RT it spins, and nothing goes wrong.";
        (Confidence::Moderate, why)
    };
    let statement = format!("{} takes `{}` {around}. {why}", task(report), lock.class);
    let mut verdict = Verdict::new(Judgement::Real, Rule::WaitContext, confidence, statement)
        .because(lock.line, format!("`{}` is taken", lock.class));
    if let Some(held) = strictest {
        verdict = verdict.because(held.line, format!("`{}` is held", held.class));
    }
    if let Some(call) = identify::taker(report.current()) {
        verdict = verdict.because(call.line, format!("{} takes it", call.function));
    }
    verdict
        .next("make the outer lock a spinlock_t, the inner one a raw_spinlock_t if it is held for a short and bounded time, or move the inner one out")
        .test("confirmed by `BUG: sleeping function called from invalid context` or `scheduling while atomic`, on PREEMPT_RT if it is a spinlock_t")
}

/// A release too many.
pub(super) fn unlock_balance(report: &Report) -> Verdict {
    let Some(lock) = &report.acquiring else {
        return super::cut_off(report);
    };
    let statement = format!(
        "{} releases `{}`, which it does not hold: it was released before, never taken on this path, or taken by another task.",
        task(report),
        lock.class
    );
    Verdict::new(Judgement::Real, Rule::UnlockBalance, Confidence::Moderate, statement)
        .because(lock.line, format!("`{}` is released", lock.class))
        .next("follow the error paths of the function that releases it: one of them releases twice or jumps behind the lock")
        .test("refuted if the lock is handed over between tasks on purpose; a lock has an owner, so use a semaphore or a completion for that")
}

/// A lock in memory that goes away.
pub(super) fn held_freed(report: &Report) -> Verdict {
    let Some(lock) = &report.acquiring else {
        return super::cut_off(report);
    };
    let statement = format!(
        "{} frees the memory in which `{}` lies while it is held: whoever waits for it, or releases it, writes to freed memory.",
        task(report),
        lock.class
    );
    let mut verdict = Verdict::new(
        Judgement::Real,
        Rule::HeldFreed,
        Confidence::Strong,
        statement,
    )
    .because(lock.line, format!("`{}` is held", lock.class));
    if let Some(at) = &lock.at {
        verdict = verdict.next(format!(
            "release what `{}` took before the structure is freed",
            at.function
        ));
    }
    verdict.test("KASAN reports a use after free at the release if the task goes on")
}

/// A lock that a system call keeps.
pub(super) fn return_to_user(report: &Report) -> Verdict {
    let classes: Vec<String> = report
        .held
        .iter()
        .map(|lock| format!("`{}`", lock.class))
        .collect();
    let statement = format!(
        "{} goes back to user space and still holds {}.",
        task(report),
        classes.join(", ")
    );
    let mut verdict = Verdict::new(
        Judgement::Real,
        Rule::ReturnToUser,
        Confidence::Strong,
        statement,
    );
    for lock in &report.held {
        let at = lock
            .at
            .as_ref()
            .map_or(String::new(), |at| format!(", taken in {}", at.function));
        verdict = verdict.because(lock.line, format!("`{}`{at}", lock.class));
    }
    verdict
        .next("find the error path of that function that leaves without releasing it")
        .test("refuted only if the lock is meant to be kept by user space (then it must not be one that lockdep follows)")
}

/// A pointer without its read section.
pub(super) fn rcu_usage(report: &Report) -> Verdict {
    let place = report.complaint.as_ref().map_or("?", |quote| {
        quote
            .text
            .split(" suspicious")
            .next()
            .unwrap_or(&quote.text)
    });
    let holds = if report.held.is_empty() {
        "No lock is held that lockdep knows.".to_owned()
    } else {
        let classes: Vec<String> = report
            .held
            .iter()
            .map(|lock| format!("`{}`", lock.class))
            .collect();
        format!(
            "What is held is {}, and the code does not say that this protects it.",
            classes.join(", ")
        )
    };
    let statement =
        format!("An RCU-protected pointer is read at {place} outside of a read section. {holds}");
    let mut verdict = Verdict::new(
        Judgement::Real,
        Rule::RcuUsage,
        Confidence::Moderate,
        statement,
    );
    if let Some(quote) = &report.complaint {
        verdict = verdict.because(quote.line, quote.text.clone());
    }
    for lock in &report.held {
        verdict = verdict.because(lock.line, format!("`{}` is held", lock.class));
    }
    verdict
        .next("put the access into `rcu_read_lock()` … `rcu_read_unlock()`, or name the lock that protects it: `rcu_dereference_protected(p, lockdep_is_held(&lock))`")
        .test("only the annotation is wrong if the lock that all writers take is among those held; else it is a use after free that waits to happen")
}

/// `seqprop_assert` in a writer.
pub(super) fn writer_assert(report: &Report) -> Verdict {
    let writer = identify::callers(report.current()).next();
    let object = identify::written(report.current());
    let name = object.as_ref().and_then(|object| object.name());
    let label = name.unwrap_or("a seqcount");
    let function = writer.map_or("a function", |call| call.function);
    let statement = format!(
        "{function} writes {label} without what serialises its writers: for a seqcount_t preemption must be off, for a \
         seqcount_LOCKNAME_t its lock must be held. Two writers inside leave the sequence odd, and readers then spin for ever; \
         one that is preempted inside keeps readers of higher priority spinning."
    );
    let mut verdict = Verdict::new(
        Judgement::Real,
        Rule::UnprotectedWriter,
        Confidence::Strong,
        statement,
    );
    if let Some(quote) = &report.complaint {
        verdict = verdict.because(quote.line, "the check of `write_seqcount_begin` failed");
    }
    if let Some(call) = writer {
        verdict = verdict.because(call.line, format!("{} is the writer", call.function));
    }
    verdict = verdict.next("take the lock before, or disable preemption around the write section; if a lock is held that lockdep does not connect with it, make it a seqcount_LOCKNAME_t with that lock");
    if let Some(name) = name {
        verdict = verdict.next(format!("see who writes it: `{}`", stat_command(name)));
    }
    verdict
        .next("see whether the counter is stuck already: `sudo seqtrace audit` (global seqcounts)")
        .test("confirmed if `seqtrace audit` finds it odd at rest")
}
