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

/// The context in which a task frees memory so that another can have it.
const RECLAIM: &str = "memory reclaim";

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
    if context == RECLAIM {
        return of_reclaim(report, lock, usage);
    }
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

fn of_reclaim(report: &Report, lock: &Lock, usage: &Usage) -> Verdict {
    let statement = format!(
        "`{}` is taken by memory reclaim, and elsewhere held while memory is allocated: the allocation may reclaim, and then \
         waits for the lock that its own task holds.",
        lock.class
    );
    let frames = if usage.to.starts_with("IN-") {
        registered(report)
    } else {
        report.current()
    };
    let place = identify::callers(frames).find(|call| !is_allocator(call.function));
    let place = place.map_or("the path that allocates", |call| call.function);
    Verdict::new(Judgement::Real, Rule::ReclaimState, Confidence::Moderate, statement)
        .next(format!("allocate without reclaim in `{place}` (`memalloc_nofs_save`, GFP_NOFS), or before the lock is taken"))
        .test("refuted if reclaim can never reach the instance that is held there; then give it a class of its own")
}

fn is_allocator(function: &str) -> bool {
    let beginnings = [
        "kmem_cache_",
        "__kmalloc",
        "kmalloc",
        "__alloc_pages",
        "alloc_pages",
        "slab_",
    ];
    beginnings
        .iter()
        .any(|beginning| function.starts_with(beginning))
}

fn of_seqcount(report: &Report, lock: &Lock, usage: &Usage) -> Verdict {
    let object = [report.current(), registered(report)]
        .into_iter()
        .find_map(identify::taken);
    let class = known::by_class(lock.base()).or_else(|| identify::by_pair(report, lock));
    let class = class.map(str::to_owned);
    let name = object
        .as_ref()
        .and_then(|object| object.name().map(str::to_owned))
        .or(class);
    let context = context(usage);
    if name.is_none() && !reads(report, usage) {
        return unnamed(report, lock, usage);
    }
    let label = name.clone().unwrap_or_else(|| format!("`{}`", lock.class));
    let interrupt_reads = reads(report, usage);
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
    if nmi && name.as_deref() == Some("task_struct.mems_allowed_seq") {
        verdict = verdict.next("144080a5823b is about this pair: the slab allocator reads it in an NMI (`kmalloc_nolock`)");
    }
    if let Some(name) = &name {
        verdict = verdict.next(format!(
            "see who writes, and in which context: `{}`",
            stat_command(name)
        ));
    }
    verdict.test("refuted if the two uses are of instances that are never the same: one class covers all that one line initialises")
}

/// Two writers of a class that stands for many counters.
fn unnamed(report: &Report, lock: &Lock, usage: &Usage) -> Verdict {
    let context = context(usage);
    let has_inline_init = report.release.as_ref().is_none_or(|release| {
        !release.at_least(5, 12)
            || release.candidate.is_some_and(|rc| rc < 3) && !release.at_least(5, 13)
    });
    let is_stats = lock.base() == "&syncp->seq";
    let mut statement = format!(
        "Counters of the class `{}` are written in {context}, and elsewhere while {context} can come. If both are the same \
         counter, a writer inside a writer makes the sequence even in the middle of an update, and an update that is lost \
         leaves it odd for ever. But one class covers all counters that one line initialises, and neither stack shows which \
         counter it is.",
        lock.class
    );
    if is_stats && has_inline_init {
        statement += " In this kernel `u64_stats_init()` may still be an inline function, with one key for all counters of a \
                      compilation unit: d5b0e0677bfd (\"u64_stats,lockdep: Fix u64_stats_init() vs lockdep\", 5.12 and stable of \
                      March 2021) gives each its own.";
    }
    let mut verdict = Verdict::new(
        Judgement::Unknown,
        Rule::UnnamedSeqcount,
        Confidence::Moderate,
        statement,
    );
    if is_stats && has_inline_init {
        verdict = verdict.next("take d5b0e0677bfd and see whether the report comes back");
    }
    verdict
        .next("look up in the two functions which `syncp` or seqcount each writes")
        .test("real if it is the same counter; a false positive if each context has its own")
}

/// Whether the use in the interrupt is that of a reader.
fn reads(report: &Report, usage: &Usage) -> bool {
    in_interrupt(usage).ends_with("-R") || reads_in_interrupt(report, usage)
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
        RECLAIM
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
