//! Filters: what is left and what is filtered are all that happened, and what is left is what was asked
//! for.

use std::{fmt::Write as _, fs, thread};

use ::seqtrace::{
    aggregate::{filters::Filters, snapshot::Snapshot},
    plan::Kind as Role,
};
use nix::unistd::gettid;

use super::{
    actors::{Actor, traced},
    module::{Kind, Module, Wait, readers},
    rows::told as told_of,
};
use crate::guest::Guest;

/// Episodes of each reader, by those who are chosen and by the others.
const CHOSEN: u64 = 300;
const OTHERS: u64 = 200;

/// A hold that is long, of those by force, nanoseconds; a short one is what the module does by itself.
const LONG_NS: u64 = 20_000_000;

/// What the filters of a snapshot say.
fn filters(snapshot: &Snapshot) -> &Filters {
    snapshot.filters.as_ref().expect("filters are told")
}

/// `-l` for every seqcount of the module: the hits of all others are left out.
fn own_sites(kinds: &[Kind]) -> Vec<String> {
    let own = kinds.iter();
    own.flat_map(|kind| ["-l".to_owned(), kind.seqcount.clone()])
        .collect()
}

fn words<'a>(own: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    own.iter()
        .map(String::as_str)
        .chain(more.iter().copied())
        .collect()
}

/// Retries and fallbacks that lead to code of their own, so far.
fn retries(module: &Module) -> u64 {
    let kinds = module.truth();
    let readers = readers(&kinds);
    readers
        .map(|(_, reader)| {
            if reader.is_cold() {
                reader.retries
            } else {
                reader.fallbacks
            }
        })
        .sum()
}

/// Checks that the snapshot has the retries of the chosen, and that those of the others are filtered.
fn assert_split(what: &str, snapshot: &Snapshot, chosen: u64, all: u64) -> String {
    let rows = snapshot.rows.iter();
    let rows = rows.filter(|row| matches!(row.kind, Role::Retry | Role::Fallback));
    let counted: u64 = rows.map(|row| row.count).sum();
    let filtered = filters(snapshot).filtered;
    let missed = snapshot.losses["missed"] + snapshot.losses["nested"];
    let told =
        format!("{what}: {counted} of {chosen} counted, {filtered} filtered, {all} in all; ");
    assert!(
        counted <= chosen && counted + missed >= chosen,
        "{told}{:?}",
        snapshot.losses
    );
    assert!(
        counted + filtered <= all && counted + filtered + missed >= all,
        "{told}"
    );
    assert!(chosen > 0 && chosen < all, "{told}");
    told
}

/// By process, thread, command name and cgroup: retries of the chosen are counted, those of the others are
/// filtered.
pub(crate) fn tasks_that_are_not_chosen_are_filtered(_: &Guest) -> String {
    let module = Module::load();
    let own = own_sites(&module.truth());
    let mut alpha = Actor::start("alpha");
    let mut beta = Actor::start("beta-1");
    alpha.enter("seqtrace.slice/alpha.scope");
    beta.enter("seqtrace.slice/beta.scope");
    let (chosen, others) = (format!("retry all {CHOSEN}"), format!("retry all {OTHERS}"));
    let pid = alpha.pid().to_string();
    let mut told = String::new();
    for filter in [
        &["--pid", &*pid][..],
        &["--tid", &pid],
        &["--comm", "al*"],
        &["--comm", "{x,y}?", "--comm", "[!b]lpha"],
        &["-G", "/sys/fs/cgroup/seqtrace.slice/alpha.scope"],
        &[
            "-G",
            "seqtrace.slice/alpha.scope",
            "-p",
            &pid,
            "--comm",
            "*",
        ],
    ] {
        module.order("reset");
        let mut by_alpha = 0;
        let snapshot = traced(&words(&own, filter), || {
            alpha.order(&chosen);
            by_alpha = retries(&module);
            beta.order(&others);
        });
        told += &assert_split(&filter.join(" "), &snapshot, by_alpha, retries(&module));
    }
    module.order("reset");
    let mut in_slice = 0;
    let snapshot = traced(&words(&own, &["-G", "seqtrace.slice"]), || {
        alpha.order(&chosen);
        beta.order(&chosen);
        in_slice = retries(&module);
        module.order(&others);
    });
    told += &assert_split("-G seqtrace.slice", &snapshot, in_slice, retries(&module));
    told + &threads_are_told_apart(&module, &own)
}

/// One thread of this process does what the other does; the process is chosen, and then one thread.
fn threads_are_told_apart(module: &Module, own: &[String]) -> String {
    let thread = |order: String| {
        let (tell, told) = std::sync::mpsc::channel();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            tell.send(gettid().to_string()).expect("the case listens");
            wait.recv().expect("the case goes on");
            fs::write(super::module::COMMAND, order).expect("the module listens");
        });
        (thread, told.recv().expect("it has an id"), go)
    };
    module.order("reset");
    let (first, tid, go_first) = thread(format!("retry all {CHOSEN}"));
    let (second, _, go_second) = thread(format!("retry all {OTHERS}"));
    let mut by_first = 0;
    let snapshot = traced(&words(own, &["-t", &tid]), || {
        go_first.send(()).expect("it waits");
        first.join().expect("it ends");
        by_first = retries(module);
        go_second.send(()).expect("it waits");
        second.join().expect("it ends");
    });
    assert_split("-t", &snapshot, by_first, retries(module))
}

/// By CPU: the readers of forced waits stay on theirs. What each CPU has is together what all have.
pub(crate) fn what_happens_on_other_cpus_is_filtered(guest: &Guest) -> String {
    let module = Module::load();
    let own = own_sites(&module.truth());
    let odd = format!("odd all {CHOSEN}");
    let mut told = String::new();
    let mut of_cpus = Vec::new();
    for cpu in ["0", "1"] {
        module.order("reset");
        let snapshot = traced(&words(&own, &["-C", cpu]), || module.order(&odd));
        let kinds = module.truth();
        let mut counted = 0;
        for (kind, reader) in readers(&kinds) {
            let row = told_of(&snapshot, kind, reader);
            // A reader that blocks is on the CPU of its writer, the first.
            let is_here = match reader.wait {
                Wait::Never => false,
                Wait::Spins => cpu == "1",
                Wait::Blocks => cpu == "0",
            };
            let waits = if is_here { reader.waits } else { 0 };
            assert_eq!(
                row.blocks + row.spins,
                waits,
                "{reader:?} on {cpu}: {:?}",
                snapshot.losses
            );
            counted += waits;
        }
        let filtered = filters(&snapshot).filtered;
        let _ = write!(
            told,
            "CPU {cpu}: {counted} waits, {filtered} hits filtered; "
        );
        of_cpus.push((counted, filtered));
    }
    let [(first, elsewhere), (second, _)] = of_cpus[..] else {
        panic!("{of_cpus:?}");
    };
    assert_eq!(first > 0, guest.realtime, "{told}");
    assert!(second > 0, "{told}");
    // Each spin has a pause at least.
    assert!(elsewhere >= second, "{told}");
    told
}

/// Long waits are counted, short ones are told by their number; together they are all.
pub(crate) fn short_waits_are_filtered(_: &Guest) -> String {
    const HOLD_NS: &str = "/sys/module/seqstress/parameters/hold_ns";
    let module = Module::load();
    let own = own_sites(&module.truth());
    let usual = fs::read_to_string(HOLD_NS).expect("the module has this parameter");
    let long = 5;
    let snapshot = traced(
        &words(&own, &["--min-ns", "10ms", "--writers", "*seqstress*"]),
        || {
            module.order(&format!("odd all {CHOSEN}"));
            fs::write(HOLD_NS, LONG_NS.to_string()).expect("it can be written");
            module.order(&format!("odd all {long}"));
            fs::write(HOLD_NS, &usual).expect("it can be written");
        },
    );
    let kinds = module.truth();
    let (mut waits, mut counted, mut spinning) = (0, 0, 0);
    for (kind, reader) in readers(&kinds).filter(|(_, reader)| reader.wait != Wait::Never) {
        let row = told_of(&snapshot, kind, reader);
        waits += reader.waits;
        counted += row.blocks + row.spins;
        spinning += 1;
    }
    let of_readers = snapshot.rows.iter().filter(|row| row.kind != Role::Write);
    let short: u64 = of_readers.map(|row| row.short).sum();
    let told = format!("{waits} waits: {counted} counted, {short} short of {spinning} readers");
    assert_eq!(waits, counted + short, "{told}: {:?}", snapshot.losses);
    assert!(counted >= spinning * long && short > 0, "{told}");
    let lengths = snapshot.rows.iter().flat_map(|row| &row.histogram);
    assert!(
        lengths.clone().all(|(from_ns, _)| *from_ns >= 8_000_000),
        "{told}"
    );
    told
}

/// By seqcount, site and kind: what is asked for equals the truth, all else is not probed, and said to be
/// filtered.
pub(crate) fn sites_that_are_not_chosen_are_not_probed(_: &Guest) -> String {
    let module = Module::load();
    let kinds = module.truth();
    let chosen = kinds
        .iter()
        .find(|kind| kind.name == "seqlock")
        .expect("it is one");
    let reader = chosen
        .readers
        .iter()
        .find(|reader| reader.is_cold())
        .expect("one is");
    let retry = format!("retry all {CHOSEN}");
    let seqcount = &*chosen.seqcount;
    let function = &*reader.function;
    let mut told = String::new();
    for filter in [
        &["-l", seqcount][..],
        &["--site", function],
        &["-l", seqcount, "--kind", "fallback,block"],
    ] {
        let (snapshot, truth) = module.trace(&[filter, &["--threshold", "1s"]].concat(), &[&retry]);
        let of_kind = filter.contains(&"--kind");
        let of_site = filter.contains(&"--site");
        for (kind, reader) in readers(&truth) {
            let row = told_of(&snapshot, kind, reader);
            let is_chosen = kind.seqcount == seqcount && (!of_site || reader.function == function);
            let retries = if is_chosen && reader.is_cold() && !of_kind {
                reader.retries
            } else {
                0
            };
            let fallbacks = if is_chosen { reader.fallbacks } else { 0 };
            assert_eq!(
                (row.retries, row.fallbacks),
                (retries, fallbacks),
                "{filter:?} {reader:?}"
            );
        }
        let skipped = snapshot.coverage.skips["filtered"];
        let probed = snapshot.coverage.covered();
        assert!(skipped > 50 && probed < 50, "{:?}", snapshot.coverage);
        assert_eq!(
            filters(&snapshot).filtered,
            0,
            "nothing is filtered in the kernel"
        );
        let _ = write!(
            told,
            "{}: {probed} probed, {skipped} filtered; ",
            filter.join(" ")
        );
    }
    told
}

/// By a function in the stack: the retries of one reader are left, those of the others are told.
pub(crate) fn stacks_that_are_not_chosen_are_left_out(_: &Guest) -> String {
    let module = Module::load();
    let own = own_sites(&module.truth());
    let function = "seqlock_begin_or_lock";
    let retry = format!("retry all {CHOSEN}");
    let (snapshot, truth) = module.trace(
        &words(&own, &["-S", function, "--threshold", "1s"]),
        &[&retry],
    );
    let mut expected = 0;
    for (kind, reader) in readers(&truth) {
        let row = told_of(&snapshot, kind, reader);
        let fallbacks = if reader.function == function {
            reader.fallbacks
        } else {
            0
        };
        assert_eq!((row.retries, row.fallbacks), (0, fallbacks), "{reader:?}");
        expected += fallbacks;
    }
    let left_out = filters(&snapshot).left_out.expect("some are left out");
    let all = retries(&module);
    assert_eq!(expected + left_out.events, all, "{left_out:?}");
    assert_eq!(left_out.without_stack, snapshot.losses["stack_counts_full"]);
    assert!(expected > 0 && !snapshot.stacks.is_empty());
    format!("{expected} left, {} left out of {all}", left_out.events)
}

/// Holds of writers that are not chosen are not counted, and the readers that are chosen know them all the
/// same.
pub(crate) fn a_filtered_writer_is_blamed_still(_: &Guest) -> String {
    const SPINNER: &str = "raw_spinlock";
    let module = Module::load();
    let kinds = module.truth();
    let spinner = kinds
        .iter()
        .find(|kind| kind.name == SPINNER)
        .expect("it is one");
    let options = [
        "-l",
        &spinner.seqcount,
        "--writers",
        &spinner.seqcount,
        "--threshold",
        "1s",
    ];
    let odd = format!("odd {SPINNER} {CHOSEN}");
    let hold = format!("hold {SPINNER} task {OTHERS}");
    let by_readers = [&options[..], &["--comm", "r*"]].concat();
    let (snapshot, truth) = module.trace(&by_readers, &[&odd, &hold]);
    let truth: Vec<_> = truth.iter().filter(|kind| kind.name == SPINNER).collect();
    let holds: u64 = truth[0].holders.iter().map(|holder| holder.holds).sum();
    let waits: u64 = truth[0].readers.iter().map(|reader| reader.waits).sum();
    let blamed = snapshot
        .blames
        .iter()
        .filter(|blame| blame.writer.comm.starts_with("w0-"));
    let blamed: u64 = blamed.map(|blame| blame.count).sum();
    let filtered = filters(&snapshot).filtered;
    let of_writers = snapshot.rows.iter().filter(|row| row.kind == Role::Write);
    let counted: u64 = of_writers.map(|row| row.count).sum();
    let told = format!("{blamed} of {waits} waits blamed, {filtered} of {holds} holds filtered");
    assert_eq!(
        (blamed, counted),
        (waits, 0),
        "{told}: {:?}",
        snapshot.losses
    );
    assert_eq!(filtered, holds, "{told}");
    let by_writers = [&options[..], &["--comm", "w0-*", "--kind", "hold"]].concat();
    let (snapshot, truth) = module.trace(&by_writers, &[&hold]);
    let holders = truth.iter().flat_map(|kind| &kind.holders);
    let holds: u64 = holders.map(|holder| holder.holds).sum();
    let counted: u64 = snapshot.rows.iter().map(|row| row.count).sum();
    assert_eq!(
        (counted, filters(&snapshot).filtered),
        (holds, 0),
        "{:?}",
        snapshot.losses
    );
    assert!(holds >= OTHERS);
    told
}
