//! The real binary, as a user runs it.

use std::{
    io::Read as _,
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitStatus, Stdio},
};

use ::seqtrace::aggregate::snapshot::Snapshot;
use serde_json::Value;

/// What one run left.
#[derive(Debug)]
pub(crate) struct Run {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// All of its standard output.
    pub(crate) stdout: String,
    /// All of its standard error.
    pub(crate) stderr: String,
}

impl Run {
    /// Panics unless the run ended with status 0.
    pub(crate) fn succeeded(self) -> Self {
        assert!(self.status.success(), "{}\n{}", self.status, self.stderr);
        self
    }

    /// Panics unless the run ended with status 1 and one clear line that has `part` in it.
    pub(crate) fn failed_with(self, part: &str) {
        let Self { status, stderr, .. } = self;
        assert_eq!(status.code(), Some(1), "{status}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "more than one line: {stderr}");
        assert!(stderr.starts_with("seqtrace: "), "{stderr}");
        assert!(stderr.contains(part), "no `{part}` in: {stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}

/// A command line of seqtrace.
pub(crate) fn command(words: &[&str]) -> Command {
    let mut command = Command::new("seqtrace");
    command.args(words).stdin(Stdio::null());
    command
}

/// Runs seqtrace to its end.
pub(crate) fn run(words: &[&str]) -> Run {
    finish(start(&mut command(words)))
}

/// Runs seqtrace as a user without privileges.
pub(crate) fn run_as_nobody(words: &[&str]) -> Run {
    finish(start(command(words).uid(65534).gid(65534)))
}

/// Starts a command with its output caught.
pub(crate) fn start(command: &mut Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("seqtrace starts")
}

/// Reads a started command to its end.
pub(crate) fn finish(mut child: Child) -> Run {
    let mut errors = child.stderr.take().expect("stderr is caught");
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        errors.read_to_string(&mut text).expect("stderr is text");
        text
    });
    let mut stdout = String::new();
    // A case that reads the output itself has taken it.
    if let Some(mut output) = child.stdout.take() {
        output.read_to_string(&mut stdout).expect("stdout is text");
    }
    Run {
        status: child.wait().expect("it ends"),
        stdout,
        stderr: reader.join().expect("the reader ends"),
    }
}

/// The snapshot that `seqtrace stat --json` prints; checks everything that adds up in it.
pub(crate) fn stat(words: &[&str]) -> Snapshot {
    let (run, snapshot) = document(words);
    run.succeeded();
    snapshot
}

/// The same, however the run ended. Nothing is turned down, unless a budget is asked for: what is forced in
/// a short time costs more than a tracer may.
pub(crate) fn document(words: &[&str]) -> (Run, Snapshot) {
    let mut all = vec!["stat", "--json"];
    if !words.contains(&"--budget") {
        all.extend(["--budget", "off"]);
    }
    all.extend(words);
    let run = run(&all);
    let snapshot = parse(&run);
    (run, snapshot)
}

/// The snapshot that a run has printed as JSON; checks everything that adds up in it.
pub(crate) fn parse(run: &Run) -> Snapshot {
    let snapshot: Snapshot = serde_json::from_str(&run.stdout)
        .unwrap_or_else(|error| panic!("no JSON document: {error}; {}", run.stderr));
    let broken = snapshot.check();
    assert!(broken.is_empty(), "numbers do not add up: {broken:#?}");
    snapshot
}

/// The document that `seqtrace sites --json` prints.
pub(crate) fn sites() -> Value {
    let run = run(&["sites", "--json"]).succeeded();
    serde_json::from_str(&run.stdout).expect("one JSON document")
}

/// The catalog of vmlinux that `seqtrace sites --catalog` writes, a document a line, without its
/// head.
pub(crate) fn catalog(words: &[&str]) -> Vec<Value> {
    let words = [&["sites", "--catalog", "-"], words].concat();
    let run = run(&words).succeeded();
    let mut lines = run.stdout.lines();
    let document = |line| serde_json::from_str::<Value>(line).expect("a JSON document a line");
    let head = lines.next().map(document).expect("a head");
    assert_eq!(head["image"], "vmlinux");
    lines.map(document).collect()
}
