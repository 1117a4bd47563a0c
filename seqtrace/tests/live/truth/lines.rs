//! Numbers beside each other: what the module says, what seqtrace says.

use std::fmt::Write as _;

use ::seqtrace::aggregate::snapshot::Snapshot;

/// So many events may be missed of all that a case makes: more would be no accident.
const MOST_MISSED: u64 = 20;

/// Truth beside seqtrace's number, and what differs.
pub(crate) struct Lines {
    text: String,
    wrong: u64,
    /// Events that the kernel says it kept from the programs, and that explain no difference yet: one
    /// of the tasks came upon the collector while that read a map, and its probes did nothing then.
    missed: u64,
}

impl Lines {
    pub(crate) fn new(snapshot: &Snapshot) -> Self {
        Self {
            text: String::new(),
            wrong: 0,
            missed: snapshot.losses["missed"].min(MOST_MISSED),
        }
    }

    /// Notes two numbers that must be equal, up to what was missed; two zeros are not worth a line.
    pub(crate) fn equal(&mut self, whose: &str, what: &str, truth: u64, told: u64) {
        self.near(whose, what, truth, told, 0);
    }

    /// As [`Lines::equal`], where the truth itself may be off by `doubtful`.
    pub(crate) fn near(&mut self, whose: &str, what: &str, truth: u64, told: u64, doubtful: u64) {
        if truth == told && told == 0 {
            return;
        }
        let difference = truth.abs_diff(told);
        let verdict = if difference == 0 {
            ""
        } else if difference <= doubtful {
            " (near)"
        } else if difference <= self.missed + doubtful {
            self.missed -= difference - doubtful;
            " (missed)"
        } else {
            self.wrong += 1;
            " WRONG"
        };
        write!(
            self.text,
            "\n  {whose}: {what} truth {truth} seqtrace {told}{verdict}"
        )
        .expect("a string takes any text");
    }

    /// Everything noted; panics if something differs.
    pub(crate) fn told(self, snapshot: &Snapshot) -> String {
        let Self {
            text,
            wrong,
            missed: _,
        } = self;
        assert_eq!(wrong, 0, "losses {:?}{text}", snapshot.losses);
        assert!(!text.is_empty(), "nothing was compared");
        text
    }
}
