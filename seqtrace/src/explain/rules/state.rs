//! A lock that is taken in interrupts, and elsewhere with interrupts on.

use super::{
    super::{
        identify, known,
        known::Side,
        report::{Lock, Report, StackRole, Usage},
        verdict::{Confidence, Judgement, Rule, Verdict},
    },
    merged, stat_command, task,
};

/// The verdict on two uses that exclude each other.
pub(super) fn judge(report: &Report) -> Verdict {
    if let Some(verdict) = merged::judge(report, &[]) {
        return verdict;
    }
    let (Some(lock), Some(usage)) = (&report.acquiring, &report.usage) else {
        return super::cut_off(report);
    };
    let verdict = if identify::is_seqcount(lock) {
        of_seqcount(report, lock, usage)
    } else {
        of_lock(report, lock, usage)
    };
    let mut verdict = verdict
        .because(
            usage.line,
            format!("`{{{}}}`, then `{{{}}}`", usage.from, usage.to),
        )
        .because(
            lock.line,
            format!("`{}` is taken by {}", lock.class, task(report)),
        );
    if let Some(registered) = report.stack(StackRole::Registered)
        && let Some(call) = identify::taker(&registered.frames)
    {
        let what = format!(
            "the first use, `{{{}}}`, was in {}",
            usage.from, call.function
        );
        verdict = verdict.because(call.line, what);
    }
    verdict
}

fn of_lock(report: &Report, lock: &Lock, usage: &Usage) -> Verdict {
    let context = context(usage);
    let statement = format!(
        "`{}` is taken in {context}, and elsewhere while {context} can come: if it comes on the CPU that holds the lock, \
         it waits for the task that it interrupted, for ever.",
        lock.class
    );
    let variant = match context {
        "a softirq" => "_bh",
        _ => "_irqsave",
    };
    Verdict::new(Judgement::Real, Rule::InterruptState, Confidence::Moderate, statement)
        .next(format!(
            "take it with `{variant}` in {}",
            unsafe_place(report, usage).unwrap_or_else(|| "the path with interrupts on".to_owned())
        ))
        .test("refuted if the two uses are of instances that are never the same; then give them classes of their own (`lockdep_set_class`)")
}

fn of_seqcount(report: &Report, lock: &Lock, usage: &Usage) -> Verdict {
    let object = [report.current(), registered(report)]
        .into_iter()
        .find_map(identify::taken);
    let class = known::by_class(lock.base()).map(str::to_owned);
    let name = object
        .as_ref()
        .and_then(|object| object.name().map(str::to_owned))
        .or(class);
    let context = context(usage);
    let label = name.clone().unwrap_or_else(|| format!("`{}`", lock.class));
    let interrupt_reads = in_interrupt(usage).ends_with("-R") || reads_in_interrupt(report, usage);
    let nmi = context == "an NMI";
    let (rule, statement, fix) = if interrupt_reads {
        (
            Rule::InterruptedWriter,
            format!(
                "{label} is read in {context}, and written while {context} can come. If it comes on the CPU that is inside \
                 the write section, the reader spins on an odd sequence and the writer never gets on."
            ),
            if nmi {
                "make the reader in the NMI not wait: a latch (`seqcount_latch_t`), or one try (`raw_seqcount_try_begin`)"
            } else {
                "keep the interrupt out while it is written (`write_seqlock_irqsave`, `local_irq_save`), or do not read it there"
            },
        )
    } else {
        (
            Rule::UnprotectedWriter,
            format!(
                "{label} is written in {context}, and elsewhere while {context} can come. A writer inside a writer makes the \
                 sequence even in the middle of an update: readers take half of it for the whole, and on 32-bit u64_stats \
                 an increment can be lost and the sequence stays odd."
            ),
            "serialise the writers: keep the interrupt out (`u64_stats_update_begin_irqsave`, `write_seqlock_irqsave`), or one counter for each context",
        )
    };
    let confidence = if name.is_some() {
        Confidence::Moderate
    } else {
        Confidence::Weak
    };
    let mut verdict = Verdict::new(Judgement::Real, rule, confidence, statement).next(fix);
    if let Some(name) = &name {
        verdict = verdict.next(format!(
            "see who writes, and in which context: `{}`",
            stat_command(name)
        ));
    }
    verdict.test("refuted if the two uses are of instances that are never the same: one class covers all that one line initialises")
}

fn registered(report: &Report) -> &[super::super::report::Frame] {
    let stack = report.stack(StackRole::Registered);
    stack.map_or(&[], |stack| &stack.frames)
}

/// Of the two states the one in an interrupt.
fn in_interrupt(usage: &Usage) -> &str {
    if usage.to.starts_with("IN-") {
        &usage.to
    } else {
        &usage.from
    }
}

fn context(usage: &Usage) -> &'static str {
    let state = in_interrupt(usage);
    if state.contains("NMI") {
        "an NMI"
    } else if state.contains("HARDIRQ") {
        "a hard interrupt"
    } else if state.contains("SOFTIRQ") {
        "a softirq"
    } else {
        "memory reclaim"
    }
}

/// NMI states do not say whether they are of a reader; the stack may.
fn reads_in_interrupt(report: &Report, usage: &Usage) -> bool {
    let frames = if usage.to.starts_with("IN-") {
        report.current()
    } else {
        registered(report)
    };
    let side = identify::side(frames).or_else(|| identify::taken(frames).map(|object| object.side));
    side == Some(Side::Reader)
}

/// Where the lock is taken with interrupts on.
fn unsafe_place(report: &Report, usage: &Usage) -> Option<String> {
    let frames = if usage.to.starts_with("IN-") {
        registered(report)
    } else {
        report.current()
    };
    identify::taker_frame(frames).map(|frame| format!("`{}`", frame.place()))
}
