//! Rows of whole runs of a tool, from its start to its end, by the guest's clock, which counts instructions while
//! somebody works and leaps while all wait.

use anyhow::Result;

use super::{
    super::{
        Wanted,
        row::{Bound, Limit, Peer, Row},
    },
    boot::{Boot, Results, last_words, milliseconds, out},
    place,
};

/// The boot in which they are measured.
const BOOT: &str = "start";

/// One row.
struct Run {
    name: &'static str,
    what: &'static str,
    own: Way,
    /// The cheapest way, and what it is.
    limit: Option<(&'static str, Way)>,
    /// Others, and how they do it.
    peers: &'static [(&'static str, Way)],
    bound: Option<Bound>,
}

/// How something is timed.
#[derive(Clone, Copy)]
struct Way {
    /// Its name among the results.
    name: &'static str,
    /// The shell's lines.
    lines: &'static str,
    /// How often; once what takes minutes.
    times: u32,
    /// Whether it is the time until a command begins, without that for putting probes in place.
    until_begun: bool,
}

const fn way(name: &'static str, times: u32, lines: &'static str) -> Way {
    Way {
        name,
        lines,
        times,
        until_begun: false,
    }
}

const RUNS: &[Run] = &[
    Run {
        name: "start/attach",
        what: "all probes of the default set put in place, counting begun and ended, all taken off, a table printed; \
               seqtrace has its catalog in the cache and reads it",
        own: way("run-attach", 3, "seqtrace stat -q --backend probe -- true"),
        limit: Some((
            "the same places by perf_event_open, one after the other",
            way("run-raw", 1, "/share/bench-guest empty {*:probe#0} -- true"),
        )),
        peers: &[],
        bound: Some(Bound::TimesLimit(0.25)),
    },
    Run {
        name: "start/attach-20",
        what: "the same of 20 sites of vmlinux whose functions have a name of their own, at the same places for all",
        own: way(
            "run-attach-20",
            3,
            "seqtrace stat -q --backend probe {--site:probe#20} -- true",
        ),
        limit: Some((
            "the same places by perf_event_open, one after the other",
            way(
                "run-raw-20",
                3,
                "/share/bench-guest empty {*:probe#20} -- true",
            ),
        )),
        peers: &[
            (
                "bpftrace, count() at the same places",
                way("run-bpftrace-20", 1, BPFTRACE_20),
            ),
            (
                "perf probe, perf stat, perf probe --del, for the same places",
                way("run-perf-20", 1, PERF_20),
            ),
        ],
        bound: Some(Bound::TimesPeers(1.0)),
    },
    Run {
        name: "start/cached",
        what: "the time from the start of `seqtrace stat` until counting begins, that for putting probes in place left \
               out; the catalog is in the cache",
        own: Way {
            until_begun: true,
            ..way("run-cached", 3, "seqtrace stat -q --json --backend probe")
        },
        limit: None,
        peers: &[],
        bound: None,
    },
    Run {
        name: "start/cold",
        what: "from nothing to a table: the kernel and its modules are scanned, all probes come and go; peers have one \
               probe on the begin of one read section, which somebody has to have found for them",
        own: way("run-cold", 3, "seqtrace stat -q --no-cache -- true"),
        limit: None,
        peers: &[
            (
                "bpftrace, count() at one begin",
                way(
                    "run-bpftrace-one",
                    3,
                    "chroot /share/peers bpftrace --unsafe -e 'kprobe:{d_lookup:begin#0} { @ = count(); }' \
                     -c '/share/bench-guest nothing'",
                ),
            ),
            (
                "perf probe, perf stat, perf probe --del, at one begin",
                way("run-perf-one", 3, PERF_ONE),
            ),
        ],
        bound: None,
    },
];

const BPFTRACE_20: &str = "\
for place in {*:probe#20}; do echo \"kprobe:$place { @[probe] = count(); }\"; done > /tmp/some.bt
chroot /share/peers bpftrace --unsafe -c '/share/bench-guest nothing' /tmp/some.bt";

const PERF_20: &str = "\
adds=''; n=0
for place in {*:probe#20}; do n=$((n + 1)); adds=\"$adds --add bench_$n=$place\"; done
chroot /share/peers perf probe $adds
chroot /share/peers perf stat -e 'probe:bench_*' -- /share/bench-guest nothing
chroot /share/peers perf probe --quiet --del 'bench_*'";

const PERF_ONE: &str = "\
chroot /share/peers perf probe --quiet --add 'bench_one={d_lookup:begin#0}'
chroot /share/peers perf stat -e probe:bench_one -- /share/bench-guest nothing
chroot /share/peers perf probe --quiet --del bench_one";

/// Has the other tools, and what is run under them, in the guest's memory, as ours are: whoever waits for a file of the
/// host lets the clock leap.
const IN_MEMORY: &str = "\
mkdir -p /memory/usr
cp /share/bench-guest /memory/
for folder in bin sbin lib lib64 libexec; do cp -a /share/peers/usr/$folder /memory/usr/; done
mount --bind /memory/usr /share/peers/usr
mount --bind /memory/bench-guest /share/bench-guest
mount --bind /memory/bench-guest /share/peers/share/bench-guest";

/// Measures the wanted rows.
pub(super) fn rows(wanted: &Wanted) -> Result<Vec<Row>> {
    let runs: Vec<&Run> = RUNS.iter().filter(|run| wanted.takes(run.name)).collect();
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    let keep = if wanted.has_peers() { IN_MEMORY } else { "" };
    let ways = runs.iter().flat_map(|run| run.ways(wanted.has_peers()));
    let lines: Vec<String> = [keep.to_owned()]
        .into_iter()
        .chain(ways.map(Way::lines))
        .collect();
    let boot = Boot {
        with_peers: wanted.has_peers(),
        ..Boot::new(BOOT, 1, lines.join("\n"))
    };
    let results = boot.run(wanted)?;
    runs.into_iter()
        .map(|run| run.row(&results, wanted))
        .collect()
}

impl Run {
    /// All its ways.
    fn ways(&self, with_peers: bool) -> impl Iterator<Item = Way> {
        let limit = self.limit.iter().map(|(_, way)| *way);
        let peers = self.peers.iter().map(|(_, way)| *way);
        [self.own]
            .into_iter()
            .chain(limit.chain(peers).filter(move |_| with_peers))
    }

    fn row(&self, results: &Results, wanted: &Wanted) -> Result<Row> {
        let has_peers = wanted.has_peers();
        let limit = self.limit.filter(|_| has_peers).map(|(what, way)| {
            anyhow::Ok(Limit {
                what: what.to_owned(),
                measured: milliseconds(results, way.name)?,
            })
        });
        let peers = self.peers.iter().filter(|_| has_peers);
        let peers = peers.map(|(how, way)| Peer {
            name: (*how).to_owned(),
            result: milliseconds(results, way.name).map_err(|error| {
                last_words(wanted, BOOT, way.name).unwrap_or_else(|| error.to_string())
            }),
        });
        Ok(Row {
            limit: limit.transpose()?,
            peers: peers.collect(),
            bound: self.bound,
            ..Row::of(
                self.name,
                "ms of the guest",
                self.what,
                &place(wanted, "a nanosecond an instruction"),
                milliseconds(results, self.own.name)?,
            )
        })
    }
}

impl Way {
    /// The lines that time it.
    fn lines(self) -> String {
        let Self {
            name,
            lines,
            times,
            until_begun,
        } = self;
        let out = out(BOOT);
        // In memory: waiting for the host would let the clock leap.
        let (text, log) = (format!("/tmp/{name}.txt"), format!("/tmp/{name}.log"));
        let timed = if until_begun {
            format!("/share/bench-guest begin {out}/{name}.json {times} -- {lines}")
        } else {
            format!(
                "cat > /tmp/{name}.sh << 'WAY'\n{lines}\nWAY\n\
                 /share/bench-guest time {out}/{name}.json {times} -- sh -e /tmp/{name}.sh"
            )
        };
        format!("{timed} > {text} 2> {log} || true\ncp {text} {log} {out}/")
    }
}
