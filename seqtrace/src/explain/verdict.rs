//! What is concluded from a report: by which rule, from what, how surely, and what to do next.

use serde::Serialize;

/// What a report is worth.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Verdict {
    /// Whether to believe it.
    pub judgement: Judgement,
    /// The rule that was applied.
    pub rule: Rule,
    /// How sure that is.
    pub confidence: Confidence,
    /// What is the matter, in whole sentences.
    pub statement: String,
    /// What in the log it rests on.
    pub evidence: Vec<Evidence>,
    /// What to do next.
    pub next: Vec<String>,
    /// What would confirm or refute it.
    pub test: Vec<String>,
}

/// Whether a report tells of a bug of the kernel that it is about.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// The locks are used correctly; the report is wrong.
    FalsePositive,
    /// The locks are used wrongly.
    Real,
    /// The report does not tell.
    Unknown,
    /// Parts of the report are missing that the verdict would need.
    Incomplete,
}

/// The rules, in words in `docs/explain.md`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// One static key for several seqcounts of a compilation unit.
    MergedClass,
    /// A reader that may be nested was treated as one that waits for itself.
    RecursiveReader,
    /// A reader in an interrupt meets the writer that it interrupted.
    InterruptedWriter,
    /// A writer is not serialised, or can be preempted.
    UnprotectedWriter,
    /// Two instances of one class.
    DifferentInstances,
    /// One instance is taken twice.
    SameInstance,
    /// Locks are taken in a circle.
    Inversion,
    /// A seqcount takes part in a circle, and it is not known which one.
    UnnamedSeqcount,
    /// A lock is taken in interrupts, and elsewhere with interrupts on.
    InterruptState,
    /// A lock is taken by memory reclaim, and held while memory is allocated.
    ReclaimState,
    /// A reader waits for the lock of its writers.
    BlockedReader,
    /// A lock that interrupts take depends on one that is taken with interrupts on.
    InterruptOrder,
    /// A sleeping lock is taken where nothing may sleep.
    WaitContext,
    /// A lock is released that is not held.
    UnlockBalance,
    /// A lock is held in memory that is freed.
    HeldFreed,
    /// A lock is held on the way back to user space.
    ReturnToUser,
    /// A pointer is read without protection.
    RcuUsage,
    /// A processor spins while a sequence is odd.
    OddSequence,
    /// Processors wait for a lock.
    LockWait,
    /// A task sleeps until it gets a lock.
    SleepingWait,
    /// No rule applies.
    NoRule,
    /// The report was cut.
    CutOff,
}

/// How sure a verdict is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// More than one explanation is left.
    Weak,
    /// The report says so if it is what it seems to be.
    Moderate,
    /// The report itself shows it.
    Strong,
}

/// One thing in the log that a verdict rests on.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Evidence {
    /// The line, counted from 1.
    pub line: u64,
    /// What it shows.
    pub what: String,
}

impl Verdict {
    /// A verdict without evidence, to be added to.
    pub(super) fn new(
        judgement: Judgement,
        rule: Rule,
        confidence: Confidence,
        statement: impl Into<String>,
    ) -> Self {
        Self {
            judgement,
            rule,
            confidence,
            statement: statement.into(),
            evidence: Vec::new(),
            next: Vec::new(),
            test: Vec::new(),
        }
    }

    /// With something that it rests on.
    pub(super) fn because(mut self, line: u64, what: impl Into<String>) -> Self {
        self.evidence.push(Evidence {
            line,
            what: what.into(),
        });
        self
    }

    /// With something to do.
    pub(super) fn next(mut self, step: impl Into<String>) -> Self {
        self.next.push(step.into());
        self
    }

    /// With what would confirm or refute it.
    pub(super) fn test(mut self, test: impl Into<String>) -> Self {
        self.test.push(test.into());
        self
    }

    /// `false positive: merged lock class`.
    pub fn headline(&self) -> String {
        format!("{}: {}", self.judgement.words(), self.rule.words())
    }
}

impl Judgement {
    /// The words for it.
    pub fn words(self) -> &'static str {
        match self {
            Self::FalsePositive => "false positive",
            Self::Real => "real",
            Self::Unknown => "unknown",
            Self::Incomplete => "incomplete",
        }
    }
}

impl Confidence {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Weak => "weak",
            Self::Moderate => "moderate",
            Self::Strong => "strong",
        }
    }
}

impl Rule {
    /// The words for it.
    pub fn words(self) -> &'static str {
        match self {
            Self::MergedClass => "merged lock class",
            Self::RecursiveReader => "recursive reader treated as writer",
            Self::InterruptedWriter => "reader can spin on the writer it interrupted",
            Self::UnprotectedWriter => "unserialised or preemptible writer",
            Self::DifferentInstances => "nesting of different instances",
            Self::SameInstance => "one instance is taken twice",
            Self::Inversion => "locks are taken in a circle",
            Self::UnnamedSeqcount => "a seqcount that nothing identifies",
            Self::InterruptState => "taken in interrupts and with interrupts on",
            Self::ReclaimState => "taken by reclaim and held while allocating",
            Self::BlockedReader => "reader waits for the writers' lock",
            Self::InterruptOrder => "an interrupt can close a circle",
            Self::WaitContext => "sleeping lock where nothing may sleep",
            Self::UnlockBalance => "release of a lock that is not held",
            Self::HeldFreed => "held lock in freed memory",
            Self::ReturnToUser => "lock kept into user space",
            Self::RcuUsage => "unprotected RCU access",
            Self::OddSequence => "reader spins on an odd sequence",
            Self::LockWait => "processors wait for a lock",
            Self::SleepingWait => "task waits for a sleeping lock",
            Self::NoRule => "no rule applies",
            Self::CutOff => "parts of the report are missing",
        }
    }
}
