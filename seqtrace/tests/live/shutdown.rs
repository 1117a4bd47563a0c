//! Whatever way it ends, no probe stays behind.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command},
    time::Duration,
};

use ::seqtrace::aggregate::snapshot::Snapshot;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    guest::{self, Guest},
    seqtrace,
};

/// The kernel takes probes off one after the other, slowly under emulation.
const DETACH_LIMIT: Duration = Duration::from_mins(10);
const ATTACH_LIMIT: Duration = Duration::from_mins(10);

/// Sends a signal to a running seqtrace.
pub(crate) fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().cast_signed()), signal).expect("it runs");
}

/// At the end of its command it has that one's status, the numbers, and no probe.
pub(crate) fn the_end_leaves_no_probe(guest: &Guest) -> String {
    let script = "echo said; exit 7";
    // As users have it: this is where the times come from.
    guest.expedite(false);
    let run = seqtrace::run(&["stat", "--json", "-v", "--", "sh", "-c", script]);
    guest.expedite(true);
    assert_eq!(run.status.code(), Some(7), "{}", run.stderr);
    assert_eq!(guest::probes(), 0);
    let document = run.stdout.strip_prefix("said\n").unwrap_or_default();
    let snapshot: Snapshot = serde_json::from_str(document).expect("a line, one JSON document");
    let attach = Duration::from_nanos(snapshot.costs.attach_ns);
    let detach = run.stderr.split("probes taken off in ").nth(1);
    let detach = detach.and_then(|rest| rest.split_whitespace().next());
    let detach = detach.unwrap_or_else(|| panic!("no time in: {}", run.stderr));
    guest::figure("attach", format_args!("{:.1} s", attach.as_secs_f64()));
    guest::figure("detach", format_args!("{detach} s"));
    format!("attached in {attach:?}, detached in {detach} s")
}

pub(crate) fn an_interrupt_while_attaching_leaves_no_probe(_: &Guest) -> String {
    let child = seqtrace::start(&mut seqtrace::command(&["stat", "--duration", "100s"]));
    guest::wait_until("the first probes", ATTACH_LIMIT, || guest::probes() > 10);
    let seen = guest::probes();
    signal(&child, Signal::SIGINT);
    let run = seqtrace::finish(child);
    assert_eq!(run.status.code(), Some(130), "{}", run.stderr);
    assert_eq!(run.stderr, "");
    assert_eq!(guest::probes(), 0);
    format!("interrupted at {seen} probes")
}

/// There is one tracer at a time, until it is killed; its guard takes the probes off.
pub(crate) fn a_second_tracer_is_refused_and_a_kill_leaves_no_probe(_: &Guest) -> String {
    let words = ["stat", "--duration", "100s"];
    let first = seqtrace::start(&mut seqtrace::command(&words));
    guest::wait_until("the first probes", ATTACH_LIMIT, || guest::probes() > 10);
    let number = format!("process {}", first.id());
    seqtrace::run(&words).failed_with(&number);
    let seen = guest::probes();
    signal(&first, Signal::SIGKILL);
    let run = seqtrace::finish(first);
    assert!(!run.status.success());
    guest::wait_until("no probe", DETACH_LIMIT, || guest::probes() == 0);
    format!("{number} killed at {seen} probes")
}

/// A module with sites leaves while it is probed: the rest goes on, and it is told.
pub(crate) fn a_module_may_leave_while_it_is_probed(_: &Guest) -> String {
    // The harness has loaded it.
    assert!(Path::new("/sys/module/phonet").exists());
    let mut child = seqtrace::start(&mut seqtrace::command(&["top", "--interval", "1s"]));
    let mut output = BufReader::new(child.stdout.take().expect("stdout is caught"));
    let mut line = String::new();
    output.read_line(&mut line).expect("a first line");
    let left = Command::new("rmmod").arg("phonet").status();
    assert!(
        left.expect("rmmod starts").success(),
        "the module can leave"
    );
    // One whole interval, in which the departure is seen.
    let mut tables = 0;
    while tables < 3 && output.read_line(&mut line).expect("more lines") > 0 {
        tables = line.matches("\nseqtrace ").count();
    }
    signal(&child, Signal::SIGTERM);
    let rest = std::thread::spawn(move || std::io::read_to_string(output));
    let run = seqtrace::finish(child);
    rest.join().expect("the reader ends").expect("text");
    assert_eq!(run.status.code(), Some(1), "{}", run.stderr);
    assert!(
        run.stderr.contains("unloaded while probed: phonet"),
        "{}",
        run.stderr
    );
    guest::wait_until("no probe", DETACH_LIMIT, || guest::probes() == 0);
    run.stderr.trim().to_owned()
}
