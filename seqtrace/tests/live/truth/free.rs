//! Readers and writers that run freely: nobody arranges who meets whom, and the numbers must still be
//! what happened.

use super::{
    lines::Lines,
    module::{Module, readers},
    rows::{holds, told},
};
use crate::guest::Guest;

/// How the tasks run: several for each reader, and reads inside of reads. A hold is long beside the time
/// in which the module cannot tell whether a reader met it. With a second writer, a reader that sleeps
/// on the lock would often find the next hold, and nobody could tell how often it waited.
const PARAMETERS: [&str; 5] = [
    "tasks=3",
    "writers=1",
    "nested=Y",
    "hold_ns=100000",
    "gap_ns=400000",
];

/// A busy host lets the guest stand still between two looks of the module, which then tells less: so often
/// may the module be asked again. Whatever it can tell must be so each time.
const MEASUREMENTS: u32 = 4;

/// Every kind and API at once, with every retry and hold counted: retries, fallbacks and holds
/// equal the truth, and waits do up to what the module itself cannot tell. On PREEMPT_RT a reader is
/// preempted between its two looks so often that the module can tell little of waits: there they are
/// not compared; but who blocks mostly sleeps, and those that did lie between the begins that slept and their
/// sleeps.
pub(crate) fn free_readers_are_counted_as_they_waited(guest: &Guest) -> String {
    let module = Module::load_with(&PARAMETERS);
    for measurement in 1..=MEASUREMENTS {
        let Measured { told, sharp } = measure(&module, guest);
        if sharp {
            return format!("measurement {measurement}: {told}");
        }
        println!("measurement {measurement} tells too little: {told}");
    }
    panic!("{MEASUREMENTS} measurements, in none of which the module can tell enough")
}

/// Truth beside seqtrace's numbers.
struct Measured {
    told: String,
    /// What the module cannot tell is little beside what it can.
    sharp: bool,
}

/// One run of all readers and writers; panics where seqtrace tells what was not.
fn measure(module: &Module, guest: &Guest) -> Measured {
    let kinds = module.truth();
    let mut options = vec!["--threshold", "1s"];
    for kind in &kinds {
        options.extend(["--retries", &*kind.seqcount]);
        if kind.name != "latch" {
            options.extend(["--writers", &*kind.seqcount]);
        }
    }
    let (snapshot, truth) = module.trace(&options, &["stress all 8000"]);
    let mut seen = Lines::new(&snapshot);
    let all: u64 = readers(&truth).map(|(_, reader)| reader.waits).sum();
    let (mut waits, mut doubtful, mut counted, mut retries) = (0, 0, 0, 0);
    let (mut slept, mut bounds) = (0, (0, 0));
    for (kind, reader) in readers(&truth) {
        let told = told(&snapshot, kind, reader);
        let function = &reader.function;
        let counted_here = told.blocks + told.spins;
        // No reader is off by more than all together may be.
        let margin = reader.doubtful + all / 1000;
        if guest.realtime {
            // A begin may block more than once, and a block sleep more than once: others may take a lock first.
            let (least, most) = (reader.slept_begins, reader.sleeps);
            let between = told.slept.clamp(least, most);
            seen.equal(function, "slept", between, told.slept);
            bounds = (bounds.0 + least, bounds.1 + most);
            slept += told.slept;
        } else {
            seen.near(function, "waits", reader.waits, counted_here, margin);
            seen.near(function, "slept", reader.slept, told.slept, margin);
        }
        // Its caller refuses an odd value; that is no check of the primitives.
        let refused = if function.ends_with("_raw_read") {
            reader.shown_odd
        } else {
            0
        };
        let failed = reader.retries - reader.fallbacks - refused;
        seen.equal(function, "retries", failed, told.retries);
        seen.equal(function, "fallbacks", reader.fallbacks, told.fallbacks);
        waits += reader.waits;
        doubtful += reader.doubtful;
        counted += counted_here;
        retries += failed;
    }
    for kind in truth.iter().filter(|kind| kind.name != "latch") {
        let (truth, told) = holds(&snapshot, kind);
        seen.equal(&kind.seqcount, "holds", truth, told);
    }
    let text = seen.told(&snapshot);
    let (least, most) = bounds;
    let told = format!(
        "{counted} of {waits} waits ({doubtful} doubtful), {slept} slept of {least} to {most}, \
         {retries} retries{text}"
    );
    assert!(waits > 1000 && retries > 500, "too little happened: {told}");
    let sharp = if guest.realtime {
        least > 1000 && most - least <= most / 20
    } else {
        assert!(waits.abs_diff(counted) <= waits / 1000 + doubtful, "{told}");
        doubtful <= waits / 25
    };
    Measured { told, sharp }
}
