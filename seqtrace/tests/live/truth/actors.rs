//! Tasks that do episodes while seqtrace runs: in the order that a case gives, so that it knows who did
//! what.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use ::seqtrace::aggregate::snapshot::Snapshot;
use nix::{
    sys::{
        signal::{Signal, kill},
        stat::Mode,
    },
    unistd::{Pid, mkfifo},
};

use super::module::COMMAND;
use crate::{guest, seqtrace};

/// Attaching takes so long at most, under emulation.
const LIMIT: Duration = Duration::from_mins(5);

/// Where cgroups of the cases are.
const CGROUPS: &str = "/sys/fs/cgroup";

/// A shell that does what it is told, one line after the other.
pub(crate) struct Actor {
    shell: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Actor {
    /// Starts one whose command name is `comm`.
    pub(crate) fn start(comm: &str) -> Self {
        let mut shell = Command::new("sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the guest has a shell");
        let orders = shell.stdin.take().expect("stdin is ours");
        let answers = BufReader::new(shell.stdout.take().expect("stdout is ours"));
        let mut actor = Self {
            shell,
            orders,
            answers,
        };
        // A newline would be a part of the name.
        actor.run(&format!("printf %s {comm} > /proc/$$/comm"));
        actor
    }

    /// Its process id, and as it has one thread that one's.
    pub(crate) fn pid(&self) -> u32 {
        self.shell.id()
    }

    /// Has the module do one command in the name of the actor.
    pub(crate) fn order(&mut self, command: &str) {
        self.run(&format!("echo '{command}' > {COMMAND}"));
    }

    /// Moves it into a cgroup, which is made if need be: `a/b`.
    pub(crate) fn enter(&mut self, cgroup: &str) {
        let folder = Path::new(CGROUPS).join(cgroup);
        fs::create_dir_all(&folder).expect("the guest has cgroups");
        self.run(&format!("echo $$ > {}/cgroup.procs", folder.display()));
    }

    fn run(&mut self, line: &str) {
        writeln!(self.orders, "{line} && echo done || echo failed").expect("it listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("it answers");
        assert_eq!(answer, "done\n", "{line}");
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

/// What `seqtrace stat` with `options` counts of what `act` does.
pub(crate) fn traced(options: &[&str], act: impl FnOnce()) -> Snapshot {
    traced_after("true", options, act)
}

/// As [`traced`], after the command that is traced has run `lines` of a shell.
pub(crate) fn traced_after(lines: &str, options: &[&str], act: impl FnOnce()) -> Snapshot {
    let folder = PathBuf::from(format!("/tmp/acts-{}", std::process::id()));
    let (begun, over) = (folder.join("begun"), folder.join("over"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).expect("/tmp can be written");
    mkfifo(&over, Mode::S_IRWXU).expect("/tmp takes a pipe");
    let script = format!(
        "{lines}; echo > {}; read x < {}",
        begun.display(),
        over.display()
    );
    let words = ["stat", "--json", "--budget", "off", "--threshold", "1s"];
    let words = [&words, options, &["--", "sh", "-c", &script]].concat();
    let mut tracer = Tracer(Some(seqtrace::start(&mut seqtrace::command(&words))));
    guest::wait_until("the command of seqtrace", LIMIT, || {
        begun.exists() || tracer.has_ended()
    });
    if begun.exists() {
        act();
        fs::write(&over, "\n").expect("the command reads it");
    }
    let run = seqtrace::finish(tracer.0.take().expect("it is taken once"));
    let snapshot = seqtrace::parse(&run);
    run.succeeded();
    snapshot
}

/// A run that ends with the case, also where that fails: the next one could not trace.
struct Tracer(Option<Child>);

impl Tracer {
    fn has_ended(&mut self) -> bool {
        let tracer = self.0.as_mut();
        tracer.is_none_or(|tracer| matches!(tracer.try_wait(), Ok(Some(_))))
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        if let Some(tracer) = &mut self.0 {
            let _ = kill(Pid::from_raw(tracer.id() as i32), Signal::SIGTERM);
            let _ = tracer.wait();
        }
    }
}
