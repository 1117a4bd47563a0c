//! Whatever way it ends, no probe stays behind.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    case::Verdict,
    guest::{self, Guest},
    seqtrace,
};

/// The kernel takes probes off one after the other, slowly under emulation.
const DETACH_LIMIT: Duration = Duration::from_secs(120);
const ATTACH_LIMIT: Duration = Duration::from_secs(120);

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().cast_signed()), signal).expect("it runs");
}

pub fn the_end_leaves_no_probe(_: &Guest) -> Verdict {
    seqtrace::run(&["stat", "--duration", "1s"]).succeeded();
    assert_eq!(guest::probes(), 0);
    Verdict::Ok(String::new())
}

pub fn an_interrupt_while_attaching_leaves_no_probe(_: &Guest) -> Verdict {
    let child = seqtrace::start(&mut seqtrace::command(&["stat", "--duration", "100s"]));
    guest::wait_until("the first probes", ATTACH_LIMIT, || guest::probes() > 10);
    let seen = guest::probes();
    signal(&child, Signal::SIGINT);
    let run = seqtrace::finish(child);
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    assert_eq!(guest::probes(), 0);
    Verdict::Ok(format!("interrupted at {seen} probes"))
}

pub fn a_kill_leaves_no_probe(_: &Guest) -> Verdict {
    let child = seqtrace::start(&mut seqtrace::command(&[
        "stat",
        "--",
        "sh",
        "-c",
        "sleep 100",
    ]));
    guest::wait_until("the first probes", ATTACH_LIMIT, || guest::probes() > 10);
    let seen = guest::probes();
    signal(&child, Signal::SIGKILL);
    let run = seqtrace::finish(child);
    assert!(!run.status.success());
    guest::wait_until("no probe", DETACH_LIMIT, || guest::probes() == 0);
    Verdict::Ok(format!("killed at {seen} probes"))
}

pub fn a_second_tracer_is_refused(_: &Guest) -> Verdict {
    let words = ["stat", "--duration", "100s"];
    let first = seqtrace::start(&mut seqtrace::command(&words));
    guest::wait_until("the first probes", ATTACH_LIMIT, || guest::probes() > 0);
    let number = format!("process {}", first.id());
    seqtrace::run(&words).failed_with(&number);
    signal(&first, Signal::SIGTERM);
    seqtrace::finish(first);
    guest::wait_until("no probe", DETACH_LIMIT, || guest::probes() == 0);
    Verdict::Ok(number)
}

/// Loads a module with sites, unloads it while it is probed: the rest goes on, and it is told.
pub fn a_module_may_leave_while_it_is_probed(_: &Guest) -> Verdict {
    let load = Command::new("modprobe")
        .arg("nf_conntrack")
        .status()
        .expect("modprobe starts");
    assert!(load.success(), "the guest has `nf_conntrack`");
    let mut child = seqtrace::start(&mut seqtrace::command(&["top", "--interval", "1s"]));
    let mut output = BufReader::new(child.stdout.take().expect("stdout is caught"));
    let mut first = String::new();
    output.read_line(&mut first).expect("a first line");
    let unload = Command::new("modprobe")
        .args(["-r", "nf_conntrack"])
        .status();
    assert!(
        unload.expect("modprobe starts").success(),
        "the module can leave"
    );
    let mut line = String::new();
    while output.read_line(&mut line).expect("more lines") > 0 {
        if line.contains("nf_conntrack") && line.contains("unloaded") {
            break;
        }
        line.clear();
    }
    signal(&child, Signal::SIGINT);
    child.stdout = Some(output.into_inner());
    let run = seqtrace::finish(child);
    assert!(line.contains("unloaded"), "not told: {}", run.stderr);
    guest::wait_until("no probe", DETACH_LIMIT, || guest::probes() == 0);
    Verdict::Ok(line.trim().to_owned())
}
