//! The rows of whole runs of a tool, from its start to its end: each is timed a few times by the guest's clock, which
//! counts instructions while somebody works and leaps while all wait.

/// One row.
pub(super) struct Run {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) own: Way,
    /// The cheapest way, and what it is.
    pub(super) limit: Option<(&'static str, Way)>,
    /// Others, and how they do it.
    pub(super) peers: &'static [(&'static str, Way)],
}

/// A name among the results, and the shell's lines.
#[derive(Clone, Copy)]
pub(super) struct Way(pub(super) &'static str, pub(super) &'static str);

pub(super) const RUNS: &[Run] = &[
    Run {
        name: "start/attach",
        what: "all probes of the default set put in place, counting begun and ended, all taken off, a table printed; seqtrace \
               has its catalog in the cache and reads it",
        own: Way("run-attach", "seqtrace stat -q --backend probe -- true"),
        limit: Some((
            "the same places by perf_event_open, one after the other",
            Way(
                "run-raw",
                "/share/bench-guest empty {*:probe#0} -- true",
            ),
        )),
        peers: &[
            (
                "bpftrace, count() at the same places",
                Way(
                    "run-bpftrace",
                    "\
for place in {*:probe#0}; do echo \"kprobe:$place { @[probe] = count(); }\"; done > /tmp/all.bt
chroot /share/peers bpftrace --unsafe -c '/share/bench-guest nothing' /tmp/all.bt",
                ),
            ),
            (
                "perf probe, perf stat, perf probe --del, for the same places",
                Way(
                    "run-perf",
                    "\
adds=''; n=0
for place in {*:probe#0}; do n=$((n + 1)); adds=\"$adds --add bench_$n=$place\"; done
chroot /share/peers perf probe --quiet $adds
chroot /share/peers perf stat -e 'probe:bench_*' -- /share/bench-guest nothing
chroot /share/peers perf probe --quiet --del 'bench_*'",
                ),
            ),
        ],
    },
    Run {
        name: "start/cold",
        what: "from nothing to a table: the kernel and its modules are scanned, all probes come and go; peers have one \
               probe on the begin of one read section, which somebody has to have found for them",
        own: Way("run-cold", "seqtrace stat -q --no-cache -- true"),
        limit: None,
        peers: &[
            (
                "bpftrace, count() at one begin",
                Way(
                    "run-bpftrace-one",
                    "chroot /share/peers bpftrace --unsafe -e 'kprobe:{d_lookup:begin#0} { @ = count(); }' \
                     -c '/share/bench-guest nothing'",
                ),
            ),
            (
                "perf probe and perf record at one begin",
                Way(
                    "run-perf-one",
                    "\
chroot /share/peers perf probe --quiet --add 'bench_one={d_lookup:begin#0}'
chroot /share/peers perf record -q -o /tmp/perf.data -e probe:bench_one -- /share/bench-guest nothing
chroot /share/peers perf report -i /tmp/perf.data --stdio
chroot /share/peers perf probe --quiet --del bench_one",
                ),
            ),
        ],
    },
];

impl Run {
    /// All its ways.
    pub(super) fn ways(&self) -> impl Iterator<Item = Way> {
        let limit = self.limit.iter().map(|(_, way)| *way);
        let peers = self.peers.iter().map(|(_, way)| *way);
        [self.own].into_iter().chain(limit).chain(peers)
    }
}

impl Way {
    /// The lines that time it.
    pub(super) fn lines(self) -> String {
        let Self(name, lines) = self;
        format!(
            "cat > /tmp/{name}.sh << 'WAY'\n{lines}\nWAY\n\
             /share/bench-guest time /share/out/results/{name}.json -- sh -e /tmp/{name}.sh \
             > /share/out/{name}.txt 2> /share/out/{name}.log || true"
        )
    }
}
