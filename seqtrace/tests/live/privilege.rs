//! Users without root: what they can do with three capabilities, and what is told without one.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
};

use ::seqtrace::{aggregate::snapshot::Snapshot, plan::Backend};

use crate::{
    guest::Guest,
    seqtrace,
    truth::{
        lines::Lines,
        module::{Module, Wait, readers},
        rows::told,
    },
};

/// `nobody`.
const USER: u32 = 65534;

/// `cap_bpf`, `cap_perfmon`, `cap_syslog`.
const NEEDED: [(&str, u32); 3] = [("cap_bpf", 39), ("cap_perfmon", 38), ("cap_syslog", 34)];

/// Waits of each reader.
const EPISODES: u64 = 200;

/// `capset` of this thread to `capabilities`, as whoever it is.
fn hold(capabilities: &[u32]) -> io::Result<()> {
    let set = capabilities.iter().fold(0_u64, |set, bit| set | 1 << bit);
    let (low, high) = (set as u32, (set >> 32) as u32);
    let header = [0x2008_0522_u32, 0];
    let sets = [low, low, low, high, high, high];
    // SAFETY: version 3 has two sets of three words.
    let result = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// A command line of seqtrace as `nobody`, with exactly these capabilities.
fn command(words: &[&str], capabilities: &[u32]) -> Command {
    let mut command = seqtrace::command(words);
    let capabilities = capabilities.to_vec();
    let become_nobody = move || {
        // SAFETY: plain system calls.
        unsafe {
            libc::prctl(libc::PR_SET_KEEPCAPS, 1);
            if libc::setgroups(0, std::ptr::null()) != 0
                || libc::setgid(USER) != 0
                || libc::setuid(USER) != 0
            {
                return Err(io::Error::last_os_error());
            }
        }
        hold(&capabilities)?;
        for capability in &capabilities {
            // SAFETY: as above.
            let raised = unsafe {
                libc::prctl(
                    libc::PR_CAP_AMBIENT,
                    libc::PR_CAP_AMBIENT_RAISE,
                    libc::c_ulong::from(*capability),
                    0,
                    0,
                )
            };
            if raised != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: the closure makes system calls and allocates nothing.
    unsafe { command.pre_exec(become_nobody) };
    command
}

/// Capabilities in effect of each thread of a process, in hexadecimal.
fn effective(child: &Child) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", child.id())).expect("it runs");
    let of_thread = |status: String| {
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        line.expect("a status").trim().to_owned()
    };
    tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("status")).ok())
        .map(of_thread)
        .collect()
}

/// With three capabilities and no root, waits by force are counted as they happen, the module's sites are
/// found, and no thread keeps a capability while it counts.
///
/// On PREEMPT_RT by the tracepoints of contended locks: that kernel takes most of a second for each perf event
/// that is closed.
pub(crate) fn three_capabilities_are_enough(guest: &Guest) -> String {
    let _setting = Setting::set("/proc/sys/kernel/perf_event_paranoid", "2");
    let module = Module::load();
    module.order("reset");
    let (backend, expected) = if guest.realtime {
        ("contention", Backend::Contention)
    } else {
        ("probe", Backend::Probe)
    };
    let options = ["stat", "--json", "--threshold", "1s", "--backend", backend];
    let words = [&options[..], &["--", "cat"]].concat();
    let mut command = command(&words, &NEEDED.map(|(_, number)| number));
    command.stdin(Stdio::piped()).env("HOME", "/nonexistent");
    let mut child = seqtrace::start(&mut command);
    // The command runs, and what is attached counts, when it answers.
    let mut input = child.stdin.take().expect("it is piped");
    writeln!(input, "under way").expect("it listens");
    let mut output = BufReader::new(child.stdout.take().expect("stdout is caught"));
    let mut line = String::new();
    output.read_line(&mut line).expect("an answer");
    if line != "under way\n" {
        drop(input);
        panic!("{line}{}", seqtrace::finish(child).stderr);
    }
    let kept = effective(&child);
    module.order(&format!("odd all {EPISODES}"));
    let truth = module.truth();
    drop(input);
    let mut document = String::new();
    output
        .read_to_string(&mut document)
        .expect("stdout is text");
    let run = seqtrace::finish(child).succeeded();
    let snapshot: Snapshot = serde_json::from_str(&document).expect("one JSON document");
    assert!(snapshot.check().is_empty(), "{:#?}", snapshot.check());
    assert!(
        kept.iter().all(|set| *set == "0000000000000000"),
        "{kept:?}"
    );
    let mut seen = Lines::new(&snapshot);
    for (kind, reader) in readers(&truth) {
        let told = told(&snapshot, kind, reader);
        let (blocks, spins) = match reader.wait {
            Wait::Blocks => (reader.waits, 0),
            Wait::Spins if guest.realtime => (0, 0),
            Wait::Spins => (0, reader.waits),
            Wait::Never => (0, 0),
        };
        seen.equal(&reader.function, "blocks", blocks, told.blocks);
        seen.equal(&reader.function, "spins", spins, told.spins);
    }
    let mut rows = snapshot.rows.iter();
    let as_expected = rows.all(|row| row.backend == expected);
    assert!(
        as_expected && !snapshot.rows.is_empty(),
        "{:?}",
        snapshot.coverage
    );
    format!(
        "realtime={}, {} threads, attached in {} ms, {}\n  {}{}",
        guest.realtime,
        kept.len(),
        snapshot.costs.attach_ns / 1_000_000,
        account(&snapshot),
        run.stderr.trim(),
        seen.told(&snapshot)
    )
}

/// A setting of the kernel that has another value until this is dropped.
struct Setting {
    path: &'static str,
    before: String,
}

impl Setting {
    fn set(path: &'static str, value: &str) -> Self {
        let before = fs::read_to_string(path).expect("the setting");
        fs::write(path, value).expect("it is set");
        Self { path, before }
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        let _ = fs::write(self.path, &self.before);
    }
}

/// Debian's kernels have a setting that keeps perf events from all but root.
pub(crate) fn perf_events_for_root_only_are_told(_: &Guest) -> String {
    let _setting = Setting::set("/proc/sys/kernel/perf_event_paranoid", "3");
    let mut command = command(
        &["stat", "--duration", "1s"],
        &NEEDED.map(|(_, number)| number),
    );
    seqtrace::finish(seqtrace::start(&mut command)).failed_with("kernel.perf_event_paranoid=2");
    String::new()
}

fn account(snapshot: &Snapshot) -> String {
    let coverage = &snapshot.coverage;
    format!(
        "{} probed, {} contention, {} refused, notes {:?}",
        coverage.probed, coverage.contention, coverage.refused, coverage.notes
    )
}

/// Without one of the three: one line that names it.
pub(crate) fn a_missing_capability_is_named(_: &Guest) -> String {
    for (name, number) in NEEDED {
        let others = NEEDED.map(|(_, other)| other);
        let others: Vec<u32> = others
            .into_iter()
            .filter(|other| *other != number)
            .collect();
        let mut command = command(&["stat", "--duration", "1s"], &others);
        seqtrace::finish(seqtrace::start(&mut command)).failed_with(&format!("lacks {name}"));
    }
    String::new()
}
