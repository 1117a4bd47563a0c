//! The kernel's own word on readers that slept: its tracepoint of contended locks, read through tracefs
//! beside the probes.

use std::{
    collections::BTreeMap,
    fs, iter,
    path::{Path, PathBuf},
};

use super::{
    lines::Lines,
    module::{Module, Wait, readers},
    rows::told,
};
use crate::guest::Guest;

/// Waits of each reader.
const EPISODES: u64 = 500;

/// What a reader calls whose writers hold a rwlock.
const READ_LOCK: &str = "rt_read_lock";

/// Holds every event with its stack.
const BUFFER_KB: u32 = 16_384;

/// Blocks that slept, site by site and in all, are what `lock:contention_begin` tells of at the functions of
/// the readers. Where no reader blocks it tells of none.
pub(crate) fn what_slept_is_what_the_tracepoint_saw(guest: &Guest) -> String {
    let module = Module::load();
    let events = Events::start();
    let command = format!("odd all {EPISODES}");
    let (snapshot, truth) = module.trace(&["--threshold", "1s"], &[&command]);
    let functions: Vec<&str> = readers(&truth)
        .map(|(_, reader)| &*reader.function)
        .collect();
    let seen_by_kernel = events.by_caller(&functions);
    let mut seen = Lines::new(&snapshot);
    let (mut slept, mut contended) = (0, 0);
    for (kind, reader) in readers(&truth) {
        let told = told(&snapshot, kind, reader);
        let begun = seen_by_kernel.get(&*reader.function).copied().unwrap_or(0);
        seen.equal(&reader.function, "contended", begun, told.slept);
        let blocks = reader.wait == Wait::Blocks;
        assert_eq!(begun > 0, blocks, "{reader:?}: {seen_by_kernel:?}");
        slept += told.slept;
        contended += begun;
    }
    if !guest.realtime {
        assert_eq!((slept, contended), (0, 0));
        return "no reader blocks, and the tracepoint saw none".to_owned();
    }
    let sums = snapshot.seqcounts.iter();
    let sums = sums.filter(|sum| sum.seqcount.starts_with("seqstress"));
    assert_eq!(sums.map(|sum| sum.slept).sum::<u64>(), slept);
    format!(
        "{slept} slept, the tracepoint saw {contended}{}",
        seen.told(&snapshot)
    )
}

/// A trace instance that records contended locks with their stacks, until it is dropped.
struct Events(PathBuf);

impl Events {
    fn start() -> Self {
        let folder = Path::new("/sys/kernel/tracing/instances/contended");
        fs::create_dir(folder).expect("tracefs is mounted");
        let events = Self(folder.to_owned());
        events.set("buffer_size_kb", &BUFFER_KB.to_string());
        events.set("options/stacktrace", "1");
        events.set("events/lock/contention_begin/enable", "1");
        events
    }

    fn set(&self, file: &str, value: &str) {
        let written = fs::write(self.0.join(file), value);
        written.unwrap_or_else(|error| panic!("{file}: {error}"));
    }

    /// Blocks by the function of the module that called for the lock.
    fn by_caller(&self, callers: &[&str]) -> BTreeMap<String, u64> {
        self.set("events/lock/contention_begin/enable", "0");
        let text = fs::read_to_string(self.0.join("trace")).expect("a trace");
        assert!(!text.contains("LOST"), "the buffer was too small");
        let mut blocks = BTreeMap::new();
        // An event and its stack are two entries, each with the task before the CPU; another CPU's may stand between.
        let mut begun = BTreeMap::new();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let task = line.split(" [").next().unwrap_or_default().trim();
            if let Some((_, event)) = line.split_once("contention_begin: ") {
                begun.insert(task, event.contains("READ"));
            }
            if !line.ends_with("<stack trace>") {
                continue;
            }
            let frames = iter::from_fn(|| lines.next_if(|line| line.starts_with(" => ")));
            let names: Vec<&str> = frames
                .filter_map(|frame| frame[4..].split([' ', '+', '.']).next())
                .collect();
            let is_reader = begun.remove(task).expect("the event before its stack");
            // A reader that waits for a rwlock waits for the lock in it meanwhile (kernel/locking/rwbase_rt.c).
            let is_in_other = names.contains(&READ_LOCK) && !is_reader;
            let caller = names.iter().find(|name| callers.contains(name));
            if let Some(caller) = caller.filter(|_| !is_in_other) {
                *blocks.entry((*caller).to_owned()).or_default() += 1;
            }
        }
        blocks
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}
