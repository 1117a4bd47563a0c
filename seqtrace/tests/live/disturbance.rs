//! What happens to the machine while it is traced: CPUs go, the clock is set, modules leave, there are
//! ten thousand tasks, the disk is full. The numbers stay true and no probe stays.

use std::{
    collections::BTreeSet,
    env, fs,
    path::Path,
    process::Command,
    sync::{Barrier, Mutex},
    thread,
    time::{Duration, Instant},
};

use nix::unistd::gettid;

use crate::{
    guest::{self, Guest},
    seqtrace,
    truth::{
        module::{COMMAND, Kind, Module, readers},
        rows::told,
    },
};

/// Episodes of each reader, each time.
const EPISODES: u64 = 300;

/// The second CPU leaves and comes back, the clock is set back and forth by an hour, and at last the
/// module leaves whose readers are probed. What was counted on the CPU and in the module stays.
pub(crate) fn cpus_clock_and_module_may_change(_: &Guest) -> String {
    let module = Module::load();
    let line = module.line(&format!("retry all {EPISODES}"));
    let pinned = format!("taskset 2 sh -c \"{line}\"");
    let cpu = "/sys/devices/system/cpu/cpu1/online";
    let hour = |sign: &str| format!("date -s @$(( $(date +%s) {sign} 3600 )) > /tmp/date");
    let script = [
        &*pinned,
        &format!("echo 0 > {cpu}"),
        &hour("-"),
        &line,
        &format!("echo 1 > {cpu}"),
        &hour("+"),
        &pinned,
        "cat /sys/kernel/debug/seqstress/truth > /tmp/truth",
        "rmmod seqstress",
        // The departure is looked for once a second.
        "sleep 3",
    ]
    .join(" && ");
    module.script(&[]);
    let since = Instant::now();
    let (run, snapshot) = seqtrace::document(&["--threshold", "0s", "--", "sh", "-c", &script]);
    let elapsed = since.elapsed();
    assert_eq!(run.status.code(), Some(1), "{}", run.stderr);
    assert!(
        run.stderr.contains("unloaded while probed: seqstress"),
        "{}",
        run.stderr
    );
    let kinds = truth("/tmp/truth");
    let (mut truth, mut counted) = (0, 0);
    for (kind, reader) in readers(&kinds).filter(|(_, reader)| reader.is_cold()) {
        assert_eq!(reader.retries, 3 * EPISODES, "{reader:?}");
        truth += reader.retries;
        counted += told(&snapshot, kind, reader).retries;
    }
    assert!(truth > 0, "no reader was compared");
    assert_eq!(truth, counted, "losses {:?}", snapshot.losses);
    let lasted = Duration::from_nanos(snapshot.elapsed_ns);
    assert!(lasted < elapsed, "{lasted:?} of {elapsed:?}");
    for row in &snapshot.rows {
        let longest = Duration::from_nanos(row.max_ns);
        assert!(longest < lasted, "{}: {longest:?} of {lasted:?}", row.site);
    }
    assert_eq!(guest::probes(), 0);
    format!("retries truth {truth} seqtrace {counted} in {lasted:?}")
}

/// What the module told before it left.
fn truth(path: &str) -> Vec<Kind> {
    let text = fs::read_to_string(path).expect("the script has written it");
    serde_json::from_str(&text).expect("one JSON document")
}

/// Threads, and how many of them are alive at once.
const TASKS: usize = 10_000;
const ALIVE: usize = 1_000;

/// Bytes of each thread's stack.
const STACK: usize = 32 << 10;

/// Ten thousand threads of as many names, each with a retry: more than there is room for. Each retry is
/// counted; those without room for their task are a loss.
pub(crate) fn ten_thousand_tasks_retry(_: &Guest) -> String {
    let module = Module::load();
    module.order("reset");
    let this = env::current_exe().expect("the program has a path");
    let this = this.to_str().expect("the harness named it");
    let words = [
        "stat",
        "--json",
        "--budget",
        "off",
        "--map-entries",
        "4096",
        "--",
        this,
        CROWD,
    ];
    let mut run = seqtrace::run(&words).succeeded();
    let output = run.stdout.split_once('\n').expect("a line and a document");
    let (tasks, document) = (output.0.to_owned(), output.1.to_owned());
    run.stdout = document;
    let snapshot = seqtrace::parse(&run);
    let kinds = module.truth();
    let of = readers(&kinds).find(|(kind, _)| kind.name == RETRIED);
    let (kind, reader) = of.expect("the module has this kind");
    let counted = told(&snapshot, kind, reader).retries;
    let full = snapshot.losses["tasks_full"];
    let told = format!(
        "{tasks} tasks, retries truth {} seqtrace {counted}, tasks_full {full}",
        reader.retries
    );
    assert_eq!(tasks, TASKS.to_string(), "{told}");
    assert_eq!(reader.retries, TASKS as u64, "{told}");
    assert_eq!(counted, reader.retries, "{told}");
    // Each CPU has room for the one that came last, besides.
    let cpus = thread::available_parallelism()
        .expect("the kernel tells")
        .get();
    assert!(full >= (TASKS - 4096 - cpus) as u64, "{told}");
    assert_eq!(guest::probes(), 0);
    told
}

/// The word that makes this program the command that is traced.
pub(crate) const CROWD: &str = "--crowd";

/// The kind whose first reader retries in the crowd.
const RETRIED: &str = "raw_spinlock";

/// Threads of different names, a thousand alive at a time, each of which has a reader of the module retry once.
/// Returns how many of them there were, told apart by their numbers.
pub(crate) fn crowd() -> usize {
    let command = format!("retry {RETRIED} 1");
    let numbers = Mutex::new(BTreeSet::new());
    let work = |together: &Barrier| {
        fs::write(COMMAND, &command).expect("the module takes it");
        let number = gettid();
        numbers.lock().expect("no thread panics").insert(number);
        together.wait();
    };
    for first in (0..TASKS).step_by(ALIVE) {
        let together = Barrier::new(ALIVE);
        thread::scope(|scope| {
            for number in first..first + ALIVE {
                let thread = thread::Builder::new().name(format!("crowd-{number}"));
                let thread = thread.stack_size(STACK);
                let spawned = thread.spawn_scoped(scope, || work(&together));
                spawned.expect("there is room for a thread");
            }
        });
    }
    numbers.into_inner().expect("no thread panics").len()
}

/// A flamegraph, and a document, for a disk that is full.
pub(crate) fn a_full_disk_is_told(_: &Guest) -> String {
    let module = Module::load();
    let folder = "/tmp/full";
    fs::create_dir_all(folder).expect("/tmp can be written");
    let mount = ["-t", "tmpfs", "-o", "size=4k", "none", folder];
    let mounted = Command::new("mount").args(mount).status();
    assert!(mounted.expect("mount starts").success(), "a small disk");
    fs::write(Path::new(folder).join("filler"), [0; 4096]).expect("there is room for a page");
    let kinds = module.truth();
    let script = module.script(&["runs all 7 50"]);
    let picture = format!("{folder}/f.folded");
    let mut words = vec!["flame", "-o", &picture];
    for kind in &kinds {
        words.extend(["--retries", &*kind.seqcount]);
    }
    words.extend(["--", "sh", "-c", &script]);
    let run = seqtrace::run(&words);
    assert!(
        run.stdout.contains("seqstress_"),
        "no table: {}",
        run.stdout
    );
    let part = format!("failed to write `{picture}`: No space left on device");
    run.failed_with(&part);
    assert_eq!(guest::probes(), 0);
    let line = format!("seqtrace stat --json --duration 1s > {folder}/stat.json");
    let mut shell = Command::new("sh");
    let run = seqtrace::finish(seqtrace::start(shell.args(["-c", &line])));
    run.failed_with("No space left on device");
    assert_eq!(guest::probes(), 0);
    let left = Command::new("umount").arg(folder).status();
    assert!(left.expect("umount starts").success(), "the disk is left");
    part
}
