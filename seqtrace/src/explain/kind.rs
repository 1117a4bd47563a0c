//! A line that begins a report → what kind of report it is.

use serde::Serialize;

/// What a report is about.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Locks are taken in a circle.
    Circular,
    /// A lock is taken in an interrupt, and elsewhere with interrupts on.
    InconsistentState,
    /// An interrupt could take two locks the other way round.
    IrqInversion,
    /// A lock that interrupts take came to be held over one that is taken with interrupts on.
    UnsafeOrder,
    /// A task takes a class that it holds.
    Recursive,
    /// A lock that may sleep is taken where nothing may sleep.
    WaitContext,
    /// A lock is released that is not held.
    UnlockBalance,
    /// Memory with a held lock in it is freed.
    HeldFreed,
    /// A task goes back to user space with a lock.
    ReturnToUser,
    /// An RCU pointer is read outside of a read section.
    RcuUsage,
    /// A writer of a seqcount is not serialised, or can be preempted.
    WriterAssert,
    /// A processor does not schedule.
    SoftLockup,
    /// A processor takes no interrupts.
    HardLockup,
    /// A grace period does not end.
    RcuStall,
    /// What a processor does, because somebody asked.
    NmiBacktrace,
    /// A task sleeps for too long.
    HungTask,
    /// A report of lockdep whose first lines are missing.
    Headless,
}

/// What a report begins with, after `WARNING:` and the like.
const HEADERS: [(&str, Kind); 15] = [
    (
        "possible circular locking dependency detected",
        Kind::Circular,
    ),
    ("inconsistent lock state", Kind::InconsistentState),
    (
        "possible irq lock inversion dependency detected",
        Kind::IrqInversion,
    ),
    (
        "HARDIRQ-safe -> HARDIRQ-unsafe lock order detected",
        Kind::UnsafeOrder,
    ),
    (
        "SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected",
        Kind::UnsafeOrder,
    ),
    (
        "hard-safe -> hard-unsafe lock order detected",
        Kind::UnsafeOrder,
    ),
    (
        "soft-safe -> soft-unsafe lock order detected",
        Kind::UnsafeOrder,
    ),
    ("possible recursive locking detected", Kind::Recursive),
    ("Invalid wait context", Kind::WaitContext),
    ("bad unlock balance detected!", Kind::UnlockBalance),
    ("held lock freed!", Kind::HeldFreed),
    (
        "lock held when returning to user space!",
        Kind::ReturnToUser,
    ),
    ("suspicious RCU usage", Kind::RcuUsage),
    ("suspicious rcu_dereference", Kind::RcuUsage),
    ("NMI backtrace for cpu ", Kind::NmiBacktrace),
];

/// What lockdep says in the middle of a report, and nobody else.
const MIDDLES: [&str; 8] = [
    " is trying to acquire lock:",
    " is trying to acquire:",
    "but task is already holding lock:",
    "which lock already depends on the new lock.",
    "the existing dependency chain (in reverse order) is:",
    "other info that might help us debug this:",
    " state was registered at:",
    " just changed the state of lock:",
];

impl Kind {
    /// The kind of the report that a line begins, if it begins one.
    pub(super) fn of_header(text: &str) -> Option<Self> {
        let bare = bare(text);
        let known = HEADERS.iter().find(|(header, _)| bare.starts_with(header));
        if let Some((header, kind)) = known {
            // Mail quotes headers in the middle of sentences.
            let is_whole = bare.len() <= header.len() + 24;
            return is_whole.then_some(*kind);
        }
        stall(bare).or_else(|| writer_assert(text))
    }

    /// Whether a line belongs to a report of lockdep whose first line was not seen.
    pub(super) fn is_middle(text: &str) -> bool {
        MIDDLES.iter().any(|middle| text.contains(middle)) && text.len() < 200
            || (text.starts_with("-> #") && text.ends_with("}:"))
    }

    /// The words that it is told by.
    pub fn words(self) -> &'static str {
        match self {
            Self::Circular => "possible circular locking dependency",
            Self::InconsistentState => "inconsistent lock state",
            Self::IrqInversion => "possible irq lock inversion",
            Self::UnsafeOrder => "irq-safe to irq-unsafe lock order",
            Self::Recursive => "possible recursive locking",
            Self::WaitContext => "invalid wait context",
            Self::UnlockBalance => "bad unlock balance",
            Self::HeldFreed => "held lock freed",
            Self::ReturnToUser => "lock held when returning to user space",
            Self::RcuUsage => "suspicious RCU usage",
            Self::WriterAssert => "seqcount writer check failed",
            Self::SoftLockup => "soft lockup",
            Self::HardLockup => "hard lockup",
            Self::RcuStall => "RCU stall",
            Self::NmiBacktrace => "NMI backtrace",
            Self::HungTask => "hung task",
            Self::Headless => "lockdep report without its beginning",
        }
    }

    /// Whether it shows what processors do, so that several in a row are one story.
    pub fn shows_cpus(self) -> bool {
        match self {
            Self::SoftLockup | Self::HardLockup | Self::RcuStall | Self::NmiBacktrace => true,
            Self::Circular
            | Self::InconsistentState
            | Self::IrqInversion
            | Self::UnsafeOrder
            | Self::Recursive
            | Self::WaitContext
            | Self::UnlockBalance
            | Self::HeldFreed
            | Self::ReturnToUser
            | Self::RcuUsage
            | Self::WriterAssert
            | Self::HungTask
            | Self::Headless => false,
        }
    }
}

/// A header without what stands before it: `[ INFO: `, `WARNING: `, `rcu: INFO: `.
fn bare(text: &str) -> &str {
    let mut bare = text;
    let before = [
        "[ ",
        "INFO: ",
        "WARNING: ",
        "BUG: ",
        "watchdog: ",
        "NMI watchdog: ",
        "rcu: ",
    ];
    while let Some(rest) = before.iter().find_map(|word| bare.strip_prefix(word)) {
        bare = rest;
    }
    bare
}

/// Lockups, stalls of RCU and hung tasks, whose headers have numbers in them.
fn stall(bare: &str) -> Option<Kind> {
    let is_hard = |text: &str| text.contains("etected hard LOCKUP") || text.contains("Hard LOCKUP");
    if bare.starts_with("soft lockup - CPU#") {
        Some(Kind::SoftLockup)
    } else if bare.starts_with("Watchdog detected hard LOCKUP on")
        || (bare.starts_with("CPU ") && is_hard(bare))
    {
        Some(Kind::HardLockup)
    } else if bare.starts_with("rcu") && is_stall(bare) {
        Some(Kind::RcuStall)
    } else if bare.starts_with("task ") && bare.contains(" blocked for more than ") {
        Some(Kind::HungTask)
    } else {
        None
    }
}

fn is_stall(bare: &str) -> bool {
    [
        "self-detected stall on CPU",
        "detected stalls on CPU",
        "detected expedited stalls on",
    ]
    .iter()
    .any(|words| bare.contains(words))
}

/// `WARNING: CPU: 3 PID: 7 at include/linux/seqlock.h:271 f+0x1/0x2`, and as 6.19 has it.
fn writer_assert(text: &str) -> Option<Kind> {
    let is_assert = text.starts_with("WARNING: ") && text.contains("include/linux/seqlock.h:");
    is_assert.then_some(Kind::WriterAssert)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_new_headers_are_known() {
        for (text, kind) in [
            (
                "[ INFO: possible circular locking dependency detected ]",
                Kind::Circular,
            ),
            (
                "WARNING: possible circular locking dependency detected",
                Kind::Circular,
            ),
            ("[ INFO: inconsistent lock state ]", Kind::InconsistentState),
            (
                "[ INFO: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected ]",
                Kind::UnsafeOrder,
            ),
            (
                "[ INFO: hard-safe -> hard-unsafe lock order detected ]",
                Kind::UnsafeOrder,
            ),
            ("[ BUG: Invalid wait context ]", Kind::WaitContext),
            ("[ BUG: bad unlock balance detected! ]", Kind::UnlockBalance),
            (
                "BUG: soft lockup - CPU#3 stuck for 22s! [udevd:913]",
                Kind::SoftLockup,
            ),
            (
                "NMI watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [a:1]",
                Kind::SoftLockup,
            ),
            (
                "watchdog: Watchdog detected hard LOCKUP on cpu 3",
                Kind::HardLockup,
            ),
            (
                "watchdog: CPU 12 detected hard LOCKUP on other CPUs 5",
                Kind::HardLockup,
            ),
            (
                "watchdog: CPU 5 self-detected hard LOCKUP @ f+0x1/0x2",
                Kind::HardLockup,
            ),
            ("watchdog: CPU 5 Hard LOCKUP", Kind::HardLockup),
            (
                "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
                Kind::RcuStall,
            ),
            ("INFO: rcu_sched self-detected stall on CPU", Kind::RcuStall),
            (
                "rcu: INFO: rcu_sched detected expedited stalls on CPUs/tasks: { 1-... }",
                Kind::RcuStall,
            ),
            (
                "INFO: task kworker/u4:1:33 blocked for more than 120 seconds.",
                Kind::HungTask,
            ),
            ("NMI backtrace for cpu 3", Kind::NmiBacktrace),
            (
                "WARNING: CPU: 3 PID: 77 at include/linux/seqlock.h:271 nft_x+0x1/0x2",
                Kind::WriterAssert,
            ),
        ] {
            assert_eq!(Kind::of_header(text), Some(kind), "{text}");
        }
    }

    #[test]
    fn prose_about_a_report_is_no_report() {
        for text in [
            "Subject: Re: WARNING: possible circular locking dependency detected",
            "possible recursive locking detected, and then the machine went on for hours",
            "this fixes the soft lockup - CPU#3 stuck for 22s that was seen",
        ] {
            assert_eq!(Kind::of_header(text), None, "{text}");
        }
    }
}
