//! Events at a pace into the ring of a seqtrace that runs: `pace PID EVENTS_PER_SECOND SECONDS`, or
//! `pace alone EVENTS_PER_SECOND SECONDS` into one that is only emptied. Prints one JSON document: what the
//! reader took meanwhile; `cargo xtask bench` reads it.
//!
//! A BPF program writes each record, as those at the probes do, so the ring, its wake-ups and its reader are
//! the real ones. Nothing is probed: the machine needs no kprobes.

#![expect(clippy::print_stdout, reason = "it is the result")]

mod bpf;

use std::{
    env, fs,
    os::fd::AsFd as _,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use aya::maps::{Map, MapData, MapType, RingBuf, loaded_maps};
use nix::{
    time::{ClockId, clock_getcpuclockid, clock_gettime},
    unistd::Pid,
};
use seqtrace_common::event::Event;

use bpf::{Producer, Written};

/// Time between two bursts.
const BURST: Duration = Duration::from_millis(1);

/// How long the reader rests that only empties the ring, as the collector does.
const REST: Duration = Duration::from_millis(20);

fn main() -> Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [reader, rate, seconds] = &words[..] else {
        bail!("usage: pace PID|alone EVENTS_PER_SECOND SECONDS");
    };
    let rate: u64 = rate.parse().context("events per second: a number")?;
    let span = Duration::from_secs(seconds.parse().context("seconds: a number")?);
    let (written, cpu_ns, resident_bytes) = if reader == "alone" {
        let (written, cpu_ns) = alone(rate, span)?;
        (written, cpu_ns, 0)
    } else {
        let pid = reader
            .parse()
            .context("the reader: a process id, or `alone`")?;
        beside(pid, rate, span)?
    };
    let Written { sent, lost } = written;
    let wall_ns = span.as_nanos();
    println!(
        r#"{{"sent": {sent}, "lost": {lost}, "wall_ns": {wall_ns}, "cpu_ns": {cpu_ns}, "resident_bytes": {resident_bytes}}}"#
    );
    Ok(())
}

/// Writes into the ring of a process: what was written, its time on a CPU, and its memory.
fn beside(pid: i32, rate: u64, span: Duration) -> Result<(Written, u64, u64)> {
    let ring = ring_of(pid)?;
    let producer = Producer::new(ring.fd().as_fd())?;
    let before = on_cpu_ns(pid)?;
    produce(&producer, rate, span)?;
    let cpu_ns = on_cpu_ns(pid)? - before;
    Ok((producer.written()?, cpu_ns, resident_bytes(pid)?))
}

/// Writes into a ring that a thread empties and forgets: what was written, and that thread's time on a CPU.
fn alone(rate: u64, span: Duration) -> Result<(Written, u64)> {
    let ring = bpf::ring()?;
    let producer = Producer::new(ring.as_fd())?;
    let mut ring: RingBuf<MapData> = Map::RingBuf(MapData::from_fd(ring)?).try_into()?;
    let over = AtomicBool::new(false);
    let cpu = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !over.load(Relaxed) {
                while let Some(record) = ring.next() {
                    std::hint::black_box(Event::decode(&record));
                }
                thread::sleep(REST);
            }
            clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        });
        let result = produce(&producer, rate, span);
        over.store(true, Relaxed);
        let cpu = reader
            .join()
            .ok()
            .context("the reader of the ring failed")?;
        result?;
        cpu.context("failed to read the clock")
    })?;
    let cpu_ns = Duration::from(cpu).as_nanos() as u64;
    Ok((producer.written()?, cpu_ns))
}

/// Writes `rate` records a second for so long, in bursts.
fn produce(producer: &Producer, rate: u64, span: Duration) -> Result<()> {
    let since = Instant::now();
    let mut written = 0;
    while since.elapsed() < span {
        let due = (since.elapsed().as_nanos() * u128::from(rate) / 1_000_000_000) as u64;
        let records = (due - written) as u32;
        if records > 0 {
            producer.write(records)?;
            written = due;
        }
        thread::sleep(BURST);
    }
    Ok(())
}

/// The ring among the maps of a process: the largest, since what reads the kernel's text has one that is not used.
fn ring_of(pid: i32) -> Result<MapData> {
    let mut its = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo")).context("no such process")? {
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        let id = text.lines().find_map(|line| line.strip_prefix("map_id:"));
        its.extend(id.and_then(|id| id.trim().parse::<u32>().ok()));
    }
    let mut largest = None;
    for map in loaded_maps() {
        let map = map.context("failed to list maps")?;
        if map.map_type()? == MapType::RingBuf && its.contains(&map.id()) {
            largest = largest.max(Some((map.max_entries(), map.id())));
        }
    }
    let (_, id) = largest
        .with_context(|| format!("process {pid} has no ring: is it a seqtrace that traces?"))?;
    Ok(MapData::from_id(id)?)
}

/// How long all threads of a process were on a CPU so far.
fn on_cpu_ns(pid: i32) -> Result<u64> {
    let clock = clock_getcpuclockid(Pid::from_raw(pid)).context("no such process")?;
    let time = clock_gettime(clock).context("failed to read the clock of the process")?;
    Ok(Duration::from(time).as_nanos() as u64)
}

/// Memory of a process at this moment.
fn resident_bytes(pid: i32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kilobytes: u64 = kilobytes.context("status has no VmRSS")?.trim().parse()?;
    Ok(kilobytes * 1024)
}
