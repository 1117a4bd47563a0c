//! Killed at any moment: no probe stays, and what stays where the guard is killed too is cleaned by the
//! next run.

use std::{
    collections::hash_map::RandomState,
    fmt::Write as _,
    fs,
    hash::{BuildHasher as _, Hasher as _},
    process::{Child, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    guest::{self, Guest},
    seqtrace,
};

/// Moments at which it is killed.
const KILLS: u32 = 20;

/// The kernel takes probes off one after the other, slowly under emulation.
const LIMIT: Duration = Duration::from_mins(5);

/// What a run does when it is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So many probes are in place.
    Attach(usize),
    /// All are, for so long.
    Run(Duration),
    /// It was told to end, and no more than so many are left.
    Detach(usize),
}

pub(crate) fn killed_at_any_moment_it_leaves_no_probe(_: &Guest) -> String {
    let seed = RandomState::new().build_hasher().finish();
    let mut random = Random(seed | 1);
    let all = probes_of_a_run();
    let mut told = format!("{all} probes, seed {seed}:");
    for number in 0..KILLS {
        let moment = match number % 3 {
            0 => Moment::Attach(1 + random.below(all)),
            1 => Moment::Run(Duration::from_millis(random.below(500) as u64)),
            _ => Moment::Detach(random.below(all)),
        };
        let with_guard = random.below(4) == 0;
        println!("kill {number}: {moment:?}, guard too: {with_guard}");
        let left = kill_at(moment, all, with_guard);
        write!(told, "\n  {moment:?}: {left} left").expect("a string takes any text");
        if with_guard {
            told += ", the guard killed too";
            clean_up();
        }
    }
    told
}

/// How many probes a run has.
fn probes_of_a_run() -> usize {
    let mut child = start();
    guest::wait_until("the run", LIMIT, || command_of(&child).is_some());
    let all = guest::probes();
    send(child.id(), Signal::SIGINT);
    child.wait().expect("it ends");
    assert_eq!(guest::probes(), 0);
    all
}

/// The next run removes what is left before it attaches, and all at its end.
fn clean_up() {
    let mut child = start();
    let group = format!(":seqtrace_{}/", child.id());
    guest::wait_until("the next run's first probes", LIMIT, || {
        let events = events();
        !events.is_empty() && events.lines().all(|event| event.contains(&group))
    });
    send(child.id(), Signal::SIGINT);
    child.wait().expect("it ends");
    assert_eq!((guest::probes(), &*events()), (0, ""));
}

/// Kills a run at a moment and returns the probes that were there then. Waits until none is there, or, where
/// the guard is killed too, until none fires.
fn kill_at(moment: Moment, all: usize, with_guard: bool) -> usize {
    let mut child = start();
    match moment {
        Moment::Attach(probes) => {
            guest::wait_until("attaching", LIMIT, || guest::probes() >= probes);
        }
        Moment::Run(time) => {
            guest::wait_until("the run", LIMIT, || command_of(&child).is_some());
            std::thread::sleep(time);
        }
        Moment::Detach(probes) => {
            guest::wait_until("the run", LIMIT, || command_of(&child).is_some());
            send(child.id(), Signal::SIGINT);
            guest::wait_until("detaching", LIMIT, || {
                guest::probes() <= probes || child.try_wait().is_ok_and(|status| status.is_some())
            });
        }
    }
    assert!(guest::probes() <= all, "more than {all} probes");
    if with_guard && let Some(guard) = guard() {
        send(guard, Signal::SIGKILL);
    }
    let command = command_of(&child);
    // It may have ended a moment ago.
    let _ = child.kill();
    let left = guest::probes();
    child.wait().expect("it ends");
    // Nobody else ends it.
    if let Some(command) = command {
        send(command, Signal::SIGKILL);
    }
    if with_guard {
        guest::wait_until("no probe that fires", LIMIT, || firing() == 0);
    } else {
        guest::wait_until("no probe", LIMIT, || {
            guest::probes() == 0 && events().is_empty()
        });
    }
    left
}

fn start() -> Child {
    let mut command = seqtrace::command(&["stat", "--no-modules", "--", "sleep", "1000"]);
    // Its command has them too, and stays.
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("seqtrace starts")
}

/// The command that a run has started: the last thing that is done before the run.
fn command_of(child: &Child) -> Option<u32> {
    let children = children(child.id());
    let (command, _) = children.into_iter().find(|(_, name)| name == "sleep")?;
    Some(command)
}

/// The guard, once there is one.
fn guard() -> Option<u32> {
    let processes = fs::read_dir("/proc").expect("/proc is mounted").flatten();
    let mut numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.find(|number| name(*number) == "seqtrace-guard")
}

/// The children of a process, with their names.
fn children(parent: u32) -> Vec<(u32, String)> {
    let list = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let list = list.unwrap_or_default();
    let numbers = list
        .split_whitespace()
        .filter_map(|number| number.parse().ok());
    numbers.map(|number| (number, name(number))).collect()
}

fn name(process: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    name.trim().to_owned()
}

/// The list of tracefs, a probe a line.
fn events() -> String {
    fs::read_to_string("/sys/kernel/tracing/kprobe_events").expect("tracefs is mounted")
}

/// Probes that are armed.
fn firing() -> usize {
    let list = fs::read_to_string("/sys/kernel/debug/kprobes/list").expect("debugfs is mounted");
    list.lines()
        .filter(|line| !line.contains("[DISABLED]"))
        .count()
}

fn send(process: u32, signal: Signal) {
    let _ = kill(Pid::from_raw(process.cast_signed()), signal);
}

/// Numbers that look random (xorshift64).
struct Random(u64);

impl Random {
    /// A number below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound
    }
}
