//! The module: loaded, told what to do, asked what happened.

use std::{fs, path::Path, process::Command};

use serde::Deserialize;

use crate::seqtrace;
use ::seqtrace::aggregate::snapshot::Snapshot;

/// Where the harness has put it.
const FILE: &str = "/share/seqstress.ko";
/// Where it takes commands.
pub(crate) const COMMAND: &str = "/sys/kernel/debug/seqstress/command";
/// Where it tells the truth.
const TRUTH: &str = "/sys/kernel/debug/seqstress/truth";

/// One kind of sequence counter, as the module tells it.
#[derive(Debug, Deserialize)]
pub(crate) struct Kind {
    #[serde(rename = "kind")]
    pub(crate) name: String,
    /// The counter's symbol.
    pub(crate) seqcount: String,
    /// The function that writes.
    pub(crate) writer: String,
    /// Who wrote.
    pub(crate) holders: Vec<Holder>,
    pub(crate) readers: Vec<Reader>,
}

/// A task that wrote, or the interrupt.
#[derive(Debug, Deserialize)]
pub(crate) struct Holder {
    pub(crate) comm: String,
    pub(crate) pid: u32,
    pub(crate) holds: u64,
    pub(crate) hold_ns: u64,
}

/// One reader: a function that reads through one API.
#[derive(Debug, Deserialize)]
pub(crate) struct Reader {
    pub(crate) function: String,
    pub(crate) wait: Wait,
    /// Read sections begun, those that failed their check too.
    pub(crate) reads: u64,
    pub(crate) waits: u64,
    pub(crate) wait_ns: u64,
    pub(crate) slept: u64,
    /// Begins without the lock that slept, whatever was seen before them.
    pub(crate) slept_begins: u64,
    /// How often these did.
    pub(crate) sleeps: u64,
    /// Waits that may have been none, and others that may have been.
    pub(crate) doubtful: u64,
    /// Begins that returned an odd value.
    pub(crate) shown_odd: u64,
    /// Sections run again: those whose check failed and those whose caller refused an odd value.
    pub(crate) retries: u64,
    pub(crate) fallbacks: u64,
    /// Runs of retries that ended in a check that passed, by length from 1 on.
    pub(crate) runs: Vec<u64>,
    /// From the first failed check of each run to the one that passed.
    pub(crate) run_ns: u64,
    /// Runs longer than those.
    pub(crate) longer_runs: u64,
    /// Reads that a check passed though a writer had been at the data: the primitives are broken.
    pub(crate) torn: u64,
}

/// What a reader does where the sequence is odd.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Wait {
    Never,
    Spins,
    Blocks,
}

impl Reader {
    /// Whether its failed check leads to code of its own, where each retry is seen for free.
    pub(crate) fn is_cold(&self) -> bool {
        COLD.iter().any(|end| self.function.ends_with(end))
    }
}

/// Readers whose failed check leads to code of its own, by the ends of their names. `_raw_read` shares
/// its code with the caller's test for an odd value, `_loop` is a plain loop.
const COLD: [&str; 5] = [
    "_begin",
    "_raw_begin",
    "_raw_seqcount_begin",
    "_read_seqbegin",
    "latch_read",
];

/// The module, until it is dropped.
pub(crate) struct Module {
    command: &'static str,
    truth: &'static str,
}

impl Module {
    /// Loads it.
    pub(crate) fn load() -> Self {
        Self::load_with(&[])
    }

    /// Loads it with parameters: `tasks=2`.
    pub(crate) fn load_with(parameters: &[&str]) -> Self {
        assert!(Path::new(FILE).exists(), "the harness has built it");
        let status = Command::new("insmod").arg(FILE).args(parameters).status();
        assert!(status.expect("insmod starts").success(), "it is loaded");
        Self {
            command: COMMAND,
            truth: TRUTH,
        }
    }

    /// Does one command.
    pub(crate) fn order(&self, command: &str) {
        let done = fs::write(self.command, command);
        done.unwrap_or_else(|error| panic!("`{command}`: {error}"));
    }

    /// Traces `commands` of the module, given one after the other.
    pub(crate) fn trace(&self, options: &[&str], commands: &[&str]) -> (Snapshot, Vec<Kind>) {
        let script = self.script(commands);
        let words = [options, &["--", "sh", "-c", &script]].concat();
        let snapshot = seqtrace::stat(&words);
        (snapshot, self.truth())
    }

    /// The text for a shell that gives the module `commands`, one after the other. What happened before
    /// is forgotten now.
    pub(crate) fn script(&self, commands: &[&str]) -> String {
        self.order("reset");
        let lines: Vec<_> = commands.iter().map(|command| self.line(command)).collect();
        lines.join(" && ")
    }

    /// The line for a shell that gives the module one command.
    pub(crate) fn line(&self, command: &str) -> String {
        format!("echo '{command}' > {}", self.command)
    }

    /// What happened since the last reset.
    pub(crate) fn truth(&self) -> Vec<Kind> {
        let text = fs::read_to_string(self.truth).expect("debugfs is mounted");
        let kinds: Vec<Kind> = serde_json::from_str(&text).expect("one JSON document");
        let torn: u64 = readers(&kinds).map(|(_, reader)| reader.torn).sum();
        assert_eq!(torn, 0, "the kernel's own primitives fail: {kinds:#?}");
        kinds
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        let _ = Command::new("rmmod").arg("seqstress").status();
    }
}

/// All readers, each with its kind.
pub(crate) fn readers(kinds: &[Kind]) -> impl Iterator<Item = (&Kind, &Reader)> {
    kinds
        .iter()
        .flat_map(|kind| kind.readers.iter().map(move |reader| (kind, reader)))
}
