//! Numbers under load, and none without.

use std::fs;

use ::seqtrace::{aggregate::snapshot::Snapshot, plan::Kind};

use crate::{
    guest::{Guest, Workload},
    seqtrace,
};

/// Threads that exit while others read their process's times: `signal_struct.stats_lock`.
pub(crate) fn process_times_make_readers_wait(guest: &Guest) -> String {
    let _workload = Workload::start("cputime");
    let snapshot = seqtrace::stat(&["--duration", "10s"]);
    let told = told(&snapshot);
    let of = |name: &str| snapshot.seqcounts.iter().find(|row| row.seqcount == name);
    if !guest.realtime {
        let spins: u64 = ["signal_struct.stats_lock", "tk_core"]
            .into_iter()
            .filter_map(|name| of(name).map(|row| row.spins))
            .sum();
        assert!(spins > 0, "no spin: {told}");
        let blocks: u64 = snapshot.seqcounts.iter().map(|row| row.blocks).sum();
        assert_eq!(blocks, 0, "readers block only on PREEMPT_RT");
        return told;
    }
    let stats_lock = of("signal_struct.stats_lock").unwrap_or_else(|| panic!("no row: {told}"));
    assert!(
        stats_lock.blocks > 0 && stats_lock.total_ns > 0,
        "no block: {told}"
    );
    assert!(stats_lock.fallbacks > 0, "no fallback: {told}");
    let owners = snapshot
        .rows
        .iter()
        .filter(|row| row.seqcount == stats_lock.seqcount && row.kind == Kind::Block)
        .flat_map(|row| &row.owners)
        .filter(|owner| !owner.comm.is_empty() && owner.tgid > 0)
        .count();
    assert!(owners > 0, "no owner by name: {told}");
    told
}

fn told(snapshot: &Snapshot) -> String {
    let rows = snapshot.seqcounts.iter().map(|row| {
        format!(
            "{} blocks {} ({} slept) spins {} retries {} fallbacks {} in {} ns",
            row.seqcount,
            row.blocks,
            row.slept,
            row.spins,
            row.retries,
            row.fallbacks,
            row.total_ns
        )
    });
    rows.collect::<Vec<_>>().join("; ")
}

/// On PREEMPT_RT. Elsewhere a spin under emulation has one `pause` and lasts no time at all, since
/// QEMU lets the other processor run at a `pause`: then the lack of anything to draw is told.
pub(crate) fn a_flamegraph_is_drawn_or_its_lack_is_told(guest: &Guest) -> String {
    let _workload = Workload::start("cputime");
    let run = seqtrace::run(&["flame", "--duration", "5s", "-o", "/tmp/f.svg"]);
    assert!(
        run.stdout.contains("signal_struct.stats_lock"),
        "no table: {}",
        run.stdout
    );
    if !guest.realtime && !run.status.success() {
        let told = run.stderr.clone();
        run.failed_with("nothing to draw: ");
        return told.trim().to_owned();
    }
    run.succeeded();
    let picture = fs::read_to_string("/tmp/f.svg").expect("the file is written");
    assert!(picture.contains("</svg>"), "the picture is cut off");
    assert!(
        picture.contains("signal_struct.stats_lock [block]"),
        "the seqcount is no frame"
    );
    let run = seqtrace::run(&["flame", "--duration", "5s", "-f", "folded", "-o", "-"]).succeeded();
    let weights: u64 = run
        .stdout
        .lines()
        .map(|line| line.rsplit(' ').next().expect("a weight"))
        .map(|weight| weight.parse::<u64>().expect("a number"))
        .sum();
    assert!(weights > 0, "no time lost:\n{}", run.stdout);
    format!("{} stacks, {weights} ns", run.stdout.lines().count())
}

/// No probe of the default set lies on an address that a reader executes whom nobody disturbs.
///
/// With one CPU a writer can be met only where it was preempted inside, and nobody writes here but
/// the timer interrupt, which runs to its end. So every hit would be an undisturbed reader's.
pub(crate) fn an_undisturbed_reader_pays_nothing(_: &Guest) -> String {
    fs::write("/sys/devices/system/cpu/cpu1/online", "0").expect("the second CPU goes");
    let workload = Workload::start("read");
    let snapshot = seqtrace::stat(&["--duration", "5s"]);
    let read_ms = workload.cpu_ticks() * 10;
    drop(workload);
    fs::write("/sys/devices/system/cpu/cpu1/online", "1").expect("the second CPU comes back");
    let hits: u64 = snapshot.rows.iter().map(|row| row.hits).sum();
    assert_eq!(hits, 0, "{}", told(&snapshot));
    assert!(read_ms > 1000, "the readers ran for {read_ms} ms only");
    let probed = snapshot.coverage.probed;
    assert!(probed > 100, "{:?}", snapshot.coverage);
    format!("0 hits on {probed} probed sites while readers ran for {read_ms} ms")
}
