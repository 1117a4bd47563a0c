//! The rows of works that are done again and again: what each does, under which setups, and what it may cost.

use super::super::row::Bound;

/// One row: a piece of work, how often it is done, and where it meets a probe.
pub(super) struct Spec {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// For `bench-guest measure`.
    pub(super) work: &'static str,
    pub(super) rounds: u32,
    /// The setup that is the limit, and where its empty programs are. Without places it is the whole work that is
    /// compared, with nothing armed; else what is added to it.
    pub(super) limit: &'static str,
    pub(super) places: &'static [&'static str],
    /// The setup of ours that does it.
    pub(super) setup: &'static str,
    pub(super) bound: Bound,
    /// Setups of peers, and what they do there; the least programs that do a part of it are among them.
    pub(super) peers: &'static [(&'static str, &'static str)],
}

/// What a reader pays whom nobody disturbs: no instruction. One in each call would be 1; parts of one are what is done
/// once in hundreds of calls, with nothing armed too.
const NOTHING: Bound = Bound::AboveLimit(0.5);

pub(super) const SPECS: &[Spec] = &[
    Spec {
        name: "read/clock",
        what: "clock_gettime of a program by the kernel (`ktime_get_real_ts64`)",
        work: "clock",
        rounds: 2000,
        limit: "none",
        places: &[],
        setup: "default",
        bound: NOTHING,
        peers: &[
            ("bpftrace", "bpftrace, count() at one begin"),
            ("perf", "perf probe and perf stat at one begin"),
        ],
    },
    Spec {
        name: "read/getrusage",
        what: "getrusage of the children of a process (`getrusage`)",
        work: "usage",
        rounds: 500,
        limit: "none",
        places: &[],
        setup: "default",
        bound: NOTHING,
        peers: &[
            ("bpftrace", "bpftrace, count() at one begin"),
            ("perf", "perf probe and perf stat at one begin"),
        ],
    },
    Spec {
        name: "read/path",
        what: "access to a path of five names (`path_init`, `__d_lookup_rcu`)",
        work: "path",
        rounds: 500,
        limit: "none",
        places: &[],
        setup: "default",
        bound: NOTHING,
        peers: &[
            ("bpftrace", "bpftrace, count() at one begin"),
            ("perf", "perf probe and perf stat at one begin"),
        ],
    },
    Spec {
        name: "read/d_lookup",
        what: "mkdir of a folder that exists (`d_lookup`)",
        work: "lookup",
        rounds: 300,
        limit: "none",
        places: &[],
        setup: "default",
        bound: NOTHING,
        peers: &[
            ("bpftrace", "bpftrace, count() at one begin"),
            ("perf", "perf probe and perf stat at one begin"),
        ],
    },
    Spec {
        name: "event/block",
        what: "one block: a reader takes and drops the writer's lock; two probes, counters only",
        work: "module odd spinlock_begin",
        rounds: 60,
        limit: "empty",
        places: &["{spinlock_begin:block#0}", "{spinlock_begin:block#1}"],
        setup: "counters",
        bound: Bound::AtMost(2_800.0),
        peers: &[
            (
                "least-block",
                "the least program that keeps a time in a hash table and adds it up",
            ),
            ("bpftrace", "bpftrace, hist() of the time by name"),
        ],
    },
    Spec {
        name: "event/block-stack",
        what: "the same, with a record in the ring and a stack",
        work: "module odd spinlock_begin",
        rounds: 20,
        limit: "empty",
        places: &["{spinlock_begin:block#0}", "{spinlock_begin:block#1}"],
        setup: "stacks",
        bound: Bound::AtMost(7_000.0),
        peers: &[
            (
                "least-block-stack",
                "the same least program with bpf_get_stackid() and a record",
            ),
            ("bpftrace-stack", "bpftrace, printf() and kstack"),
        ],
    },
    Spec {
        name: "event/retry",
        what: "one retry at a cold address, counters only",
        work: "module retry raw_spinlock_begin",
        rounds: 200,
        limit: "empty",
        places: &["{raw_spinlock_begin:retry#0}"],
        setup: "counters",
        bound: Bound::TimesLimit(1.4),
        peers: &[
            (
                "least-retry",
                "the least program that counts by name in a hash table",
            ),
            ("bpftrace", "bpftrace, count() by name"),
        ],
    },
    Spec {
        name: "event/retry-stack",
        what: "the same, with a record in the ring and a stack",
        work: "module retry raw_spinlock_begin",
        rounds: 20,
        limit: "empty",
        places: &["{raw_spinlock_begin:retry#0}"],
        setup: "stacks",
        bound: Bound::AtMost(8_000.0),
        peers: &[
            (
                "least-retry-stack",
                "the least program with bpf_get_stackid() and a record",
            ),
            ("bpftrace-stack", "bpftrace, printf() and kstack"),
        ],
    },
    Spec {
        name: "event/check",
        what: "one check of a hot read section, which passes, with `--retries`",
        work: "module runs raw_spinlock_begin_loop 0",
        rounds: 400,
        limit: "empty",
        places: &["{raw_spinlock_begin_loop:check#0}"],
        setup: "hot",
        bound: Bound::TimesLimit(1.2),
        peers: &[("bpftrace", "bpftrace, count() by name")],
    },
    Spec {
        name: "event/contention",
        what: "one contended lock, through `--backend contention`: no kprobe",
        work: "module odd spinlock_begin",
        rounds: 60,
        limit: "empty-contention",
        places: &["contention_begin", "contention_end"],
        setup: "contention",
        bound: Bound::AtMost(12_500.0),
        peers: &[
            (
                "bpftrace-contention",
                "bpftrace, kstack and hist() at both tracepoints",
            ),
            ("perf-contention", "perf lock contention -b"),
        ],
    },
];
