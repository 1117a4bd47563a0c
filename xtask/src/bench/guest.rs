//! Rows that are measured in a guest which counts its instructions: what a probe costs the reader that meets it.
//!
//! One boot does each piece of work under each *setup*: with nothing armed, with an empty program at the same
//! addresses, with seqtrace, with its peers. The unit is what a setup adds to the work.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use guest::Measurements;

use super::{
    Wanted, peers,
    row::{Bound, Limit, Measured, Peer, Row},
};
use crate::{
    progress, tool,
    vm::{Programs, With},
};

/// Where the folder lies that the guest sees.
const SHARE: &str = "target/bench";

/// Seconds from power-on after which the guest is ended.
const DEADLINE_S: &str = "1800";

/// One row: a piece of work, how often it is done, and where it meets a probe.
struct Spec {
    name: &'static str,
    what: &'static str,
    /// For `bench-guest measure`.
    work: &'static str,
    rounds: u32,
    /// For `bench-guest empty`; none: the work meets no probe of seqtrace's.
    places: &'static [&'static str],
    /// The setup of ours that does it.
    setup: &'static str,
    bound: Bound,
    /// Setups of peers, and what they do there.
    peers: &'static [(&'static str, &'static str)],
}

/// What a reader pays whom nobody disturbs, at most: less than one instruction.
const NOTHING: Bound = Bound::AboveLimit(0.5);

const SPECS: &[Spec] = &[
    Spec {
        name: "read/clock",
        what: "clock_gettime of a program by the kernel (`ktime_get_ts64`)",
        work: "clock",
        rounds: 2000,
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
        what: "getrusage of a process (`getrusage`, `thread_group_cputime_adjusted`)",
        work: "usage",
        rounds: 500,
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
        places: &["{spinlock_begin:block#0}", "{spinlock_begin:block#1}"],
        setup: "counters",
        bound: Bound::TimesLimit(1.2),
        peers: &[("bpftrace", "bpftrace, hist() of the time by name")],
    },
    Spec {
        name: "event/block-stack",
        what: "the same, with a record in the ring and a stack",
        work: "module odd spinlock_begin",
        rounds: 60,
        places: &["{spinlock_begin:block#0}", "{spinlock_begin:block#1}"],
        setup: "stacks",
        bound: Bound::TimesLimit(2.0),
        peers: &[("bpftrace-stack", "bpftrace, printf() and kstack")],
    },
    Spec {
        name: "event/retry",
        what: "one retry at a cold address, counters only",
        work: "module retry raw_spinlock_begin",
        rounds: 200,
        places: &["{raw_spinlock_begin:retry#0}"],
        setup: "counters",
        bound: Bound::TimesLimit(1.2),
        peers: &[("bpftrace", "bpftrace, count() by name")],
    },
    Spec {
        name: "event/retry-stack",
        what: "the same, with a record in the ring and a stack",
        work: "module retry raw_spinlock_begin",
        rounds: 200,
        places: &["{raw_spinlock_begin:retry#0}"],
        setup: "stacks",
        bound: Bound::TimesLimit(2.0),
        peers: &[("bpftrace-stack", "bpftrace, printf() and kstack")],
    },
    Spec {
        name: "event/check",
        what: "one check of a hot read section, which passes, with `--retries`",
        work: "module runs raw_spinlock_begin_loop 0",
        rounds: 400,
        places: &["{raw_spinlock_begin_loop:check#0}"],
        setup: "hot",
        bound: Bound::TimesLimit(1.2),
        peers: &[("bpftrace", "bpftrace, count() by name")],
    },
];

/// How the work is run in each setup but that of nothing and of empty programs. `RUN` is the command that does it.
const SETUPS: [(&str, &str); 7] = [
    ("default", "seqtrace stat -q -- RUN"),
    (
        "counters",
        "seqtrace stat -q --budget off --threshold 1h -- RUN",
    ),
    (
        "stacks",
        "seqtrace flame -q --budget off --threshold 0s -o /tmp/flame.folded -- RUN",
    ),
    (
        "hot",
        "seqtrace stat -q --budget off --threshold 1h --retries seqstress_raw_spinlock -- RUN",
    ),
    ("bpftrace", BPFTRACE),
    ("bpftrace-stack", BPFTRACE_STACK),
    ("perf", PERF),
];

const BPFTRACE: &str = "\
cat > /tmp/peer.bt << 'END'
kprobe:{ktime_get_ts64:begin#0}, kprobe:{getrusage:begin#0}, kprobe:{path_init:begin#0}, kprobe:{d_lookup:begin#0}, \
kprobe:{raw_spinlock_begin:retry#0}, kprobe:{raw_spinlock_begin_loop:check#0} { @hits[probe, comm] = count(); }
kprobe:{spinlock_begin:block#0} { @since[tid] = nsecs; }
kprobe:{spinlock_begin:block#1} /@since[tid]/ { @ns[comm] = hist(nsecs - @since[tid]); delete(@since[tid]); }
END
chroot /share/peers bpftrace --unsafe -c 'RUN' /tmp/peer.bt";

const BPFTRACE_STACK: &str = "\
cat > /tmp/peer.bt << 'END'
kprobe:{raw_spinlock_begin:retry#0} { @stacks[kstack, comm] = count(); printf(\"%d %s\\n\", tid, comm); }
kprobe:{spinlock_begin:block#0} { @since[tid] = nsecs; }
kprobe:{spinlock_begin:block#1} /@since[tid]/ {
  $ns = nsecs - @since[tid]; @stacks[kstack, comm] = count(); printf(\"%d %s %d\\n\", tid, comm, $ns); delete(@since[tid]);
}
END
chroot /share/peers bpftrace --unsafe -c 'RUN' /tmp/peer.bt > /dev/null";

const PERF: &str = "\
for place in {ktime_get_ts64:begin#0} {getrusage:begin#0} {path_init:begin#0} {d_lookup:begin#0}; do
  chroot /share/peers perf probe --quiet --add \"bench_${place%+*}=$place\"
done
chroot /share/peers perf stat -e 'probe:bench_*' -- RUN
chroot /share/peers perf probe --quiet --del 'bench_*'";

/// Finds the sites, with a catalog that an earlier guest has kept, and does the rest with their places.
const PREPARE: &str = "\
set -e
mkdir -p /var/cache/seqtrace /share/out/cache
cp /share/out/cache/* /var/cache/seqtrace/ 2> /dev/null || true
seqtrace sites -q --json > /share/out/sites.json
cp /var/cache/seqtrace/* /share/out/cache/
if [ -d /share/peers ]; then
  for folder in proc sys dev tmp; do mount --bind /$folder /share/peers/$folder; done
  mount --bind /share /share/peers/share
  mount --bind /share/out /share/peers/share/out
  mount --bind /sys/kernel/debug /share/peers/sys/kernel/debug
  mount --bind /sys/kernel/tracing /share/peers/sys/kernel/tracing
fi
/share/bench-guest fill /share/out/sites.json /share/script > /tmp/script
sh -e /tmp/script
";

/// Instructions of a round, by setup and work.
type Results = BTreeMap<String, BTreeMap<String, Vec<f64>>>;

/// Measures the wanted rows.
///
/// # Errors
///
/// When the guest cannot be started, or does not do what it is told.
pub(crate) fn rows(wanted: &Wanted) -> Result<Vec<Row>> {
    let specs: Vec<&Spec> = SPECS
        .iter()
        .filter(|spec| wanted.takes(spec.name))
        .collect();
    if specs.is_empty() {
        return Ok(Vec::new());
    }
    let results = boot(wanted, &specs)?;
    specs
        .into_iter()
        .map(|spec| row(spec, &results, wanted))
        .collect()
}

/// What the guest's shell does once the sites are known.
fn script(specs: &[&Spec], with_peers: bool, plans: &mut BTreeMap<String, Measurements>) -> String {
    let mut plan = |setup: &str, takes: &dyn Fn(&Spec) -> bool| {
        let mut works: Vec<(String, u32)> = Vec::new();
        for spec in specs.iter().filter(|spec| takes(spec)) {
            if !works.iter().any(|(work, _)| work == spec.work) {
                works.push((spec.work.to_owned(), spec.rounds));
            }
        }
        let file = format!("/share/out/results/{setup}.json");
        let is_done = !works.is_empty();
        if is_done {
            plans.insert(setup.to_owned(), Measurements { works, file });
        }
        is_done.then(|| format!("/share/bench-guest measure /share/plans/{setup}.json"))
    };
    let mut lines: Vec<String> = plan("none", &|_| true).into_iter().collect();
    if let Some(run) = plan("empty", &|spec| !spec.places.is_empty()) {
        let mut places: Vec<_> = specs.iter().flat_map(|spec| spec.places).copied().collect();
        places.sort_unstable();
        places.dedup();
        lines.push(format!(
            "/share/bench-guest empty {} -- {run}",
            places.join(" ")
        ));
    }
    for (setup, line) in SETUPS {
        let is_peer = |spec: &Spec| with_peers && spec.peers.iter().any(|(name, _)| *name == setup);
        if let Some(run) = plan(setup, &|spec| spec.setup == setup || is_peer(spec)) {
            lines.push(format!(
                "( {} ) > /share/out/{setup}.txt",
                line.replace("RUN", &run)
            ));
        }
    }
    lines.join("\n")
}

/// Boots the kernel, and reads what the script left.
fn boot(wanted: &Wanted, specs: &[&Spec]) -> Result<Results> {
    let mut plans = BTreeMap::new();
    let kernel = wanted.kernel;
    let with_peers = !wanted.quick;
    let script = script(specs, with_peers, &mut plans);
    let share = tool::workspace().join(SHARE).join(kernel.name());
    let results = share.join("out/results");
    if results.exists() {
        fs::remove_dir_all(&results).context("failed to remove the results of an earlier run")?;
    }
    fs::create_dir_all(&results).context("failed to create the shared folder")?;
    let program = Programs::build(With::Nothing)?.path("bench-guest");
    fs::copy(&program, share.join("bench-guest"))
        .with_context(|| format!("failed to share `{}`", program.display()))?;
    fs::write(share.join("script"), script).context("failed to share the script")?;
    fs::write(share.join("prepare"), PREPARE).context("failed to share a script")?;
    fs::create_dir_all(share.join("plans")).context("failed to share the plans")?;
    for (setup, plan) in &plans {
        let text = serde_json::to_vec(plan).context("failed to write a plan")?;
        fs::write(share.join("plans").join(format!("{setup}.json")), text)
            .context("failed to share a plan")?;
    }
    if with_peers {
        peers::tree(&share, kernel)?;
    }
    progress::step(
        "Counting",
        format_args!("instructions on {}", kernel.name()),
    );
    let mut guest = Command::new(env::current_exe().context("failed to find the xtask")?);
    guest
        .args(["vm", "--kernel", kernel.name(), "--timeout", DEADLINE_S])
        .args(["--seqstress", "--count-instructions", "--share"])
        .arg(&share)
        .args(["--", "sh", "/share/prepare"]);
    tool::run(&mut guest)?;
    read(&results)
}

fn read(folder: &Path) -> Result<Results> {
    let mut results = Results::new();
    let entries = fs::read_dir(folder).context("failed to list the results")?;
    for entry in entries {
        let path: PathBuf = entry?.path();
        let setup = path.file_stem().unwrap_or_default().to_string_lossy();
        let text =
            fs::read(&path).with_context(|| format!("failed to read `{}`", path.display()))?;
        let measured = serde_json::from_slice(&text)
            .with_context(|| format!("failed to parse `{}`", path.display()))?;
        results.insert(setup.into_owned(), measured);
    }
    Ok(results)
}

/// Where there is a probe, what is added to the work; else the whole work, whose limit is that of nothing armed.
fn row(spec: &Spec, results: &Results, wanted: &Wanted) -> Result<Row> {
    let of = |setup: &str| {
        results
            .get(setup)
            .and_then(|works| works.get(spec.work))
            .filter(|samples| !samples.is_empty())
            .with_context(|| format!("the guest did not measure `{}` under `{setup}`", spec.work))
    };
    let none = of("none")?;
    let base = if spec.places.is_empty() {
        0.0
    } else {
        none.iter().copied().collect::<Measured>().median
    };
    let measured = |samples: &[f64]| {
        samples
            .iter()
            .map(|sample| sample - base)
            .collect::<Measured>()
    };
    let (what, limit) = if spec.places.is_empty() {
        ("nothing armed", none)
    } else {
        ("an empty program there", of("empty")?)
    };
    ensure!(base >= 0.0, "`{}` takes less than nothing", spec.work);
    Ok(Row {
        name: spec.name.to_owned(),
        unit: "instructions".to_owned(),
        what: spec.what.to_owned(),
        place: format!("{}, emulated, instructions counted", wanted.kernel.name()),
        limit: Some(Limit {
            what: what.to_owned(),
            measured: measured(limit),
        }),
        own: measured(of(spec.setup)?),
        peers: spec
            .peers
            .iter()
            .filter(|_| !wanted.quick)
            .map(|(setup, how)| Peer {
                name: (*how).to_owned(),
                result: of(setup)
                    .map(|samples| measured(samples))
                    .map_err(|error| error.to_string()),
            })
            .collect(),
        bound: Some(spec.bound),
    })
}
