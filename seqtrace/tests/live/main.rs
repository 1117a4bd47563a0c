//! The third ring: the real binary on a real kernel, inside a guest.
//!
//! A program of its own (`harness = false`), because it runs as root in a guest that has no cargo.
//! `cargo xtask test` builds it statically, boots each kernel and reads its lines:
//! `live: <case> ok in <seconds> s: <numbers>`, `live: <case> FAIL in <seconds> s: <why>`, or, should a
//! case need what older kernels lack, `live: <case> skip since <version>: <why>`. Before them stand
//! `live: covers <feature> <cases>`, between them `live: figure <name> <value>`. Cases that take minutes
//! are only told, `live: <case> elsewhere`, unless they are named or asked for by `--slow` or `--long`.
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "the lines are what the harness reads"
)]

use std::{
    panic,
    process::ExitCode,
    sync::{Arc, Mutex},
    time::Instant,
};

mod audit;
mod blame;
mod case;
mod catalog;
mod covers;
mod disturbance;
mod governor;
mod guest;
mod holds;
mod killed;
mod numbers;
mod order;
mod privilege;
mod recorded;
mod refusal;
mod retries;
mod seqtrace;
mod session;
mod shutdown;
mod sites;
mod truth;

use case::CASES;
use covers::{COVERS, SLOW};
use guest::Guest;

fn main() -> ExitCode {
    if !guest::is_guest() {
        eprintln!("live: these cases run in a guest: `cargo xtask test` boots one");
        return ExitCode::from(2);
    }
    if std::env::args().nth(1).as_deref() == Some(disturbance::CROWD) {
        println!("{}", disturbance::crowd());
        return ExitCode::SUCCESS;
    }
    let words = std::env::args().skip(1);
    let (options, only): (Vec<String>, Vec<String>) =
        words.partition(|word| word.starts_with("--"));
    let is_set = |option: &str| options.iter().any(|word| word == option);
    let guest = Guest::read(is_set("--long"));
    let slow_too = is_set("--slow") || is_set("--long");
    println!("live: kernel {} realtime={}", guest.release, guest.realtime);
    let why = Arc::new(Mutex::new(String::new()));
    let told = Arc::clone(&why);
    panic::set_hook(Box::new(move |panic| {
        *told.lock().expect("one thread") = panic.to_string();
    }));
    let is_covered = |name: &str| COVERS.iter().any(|(_, cases)| cases.contains(&name));
    let uncovered = CASES.iter().filter(|(name, _)| !is_covered(name));
    let mut failed = false;
    for (name, _) in uncovered {
        failed = true;
        println!("live: {name} FAIL: it covers no feature: name it in `COVERS`");
    }
    for (feature, cases) in COVERS {
        println!("live: covers {feature} {}", cases.join(" "));
    }
    guest.expedite(true);
    for (name, case) in CASES {
        if !only.is_empty() && !only.iter().any(|word| word == name) {
            continue;
        }
        if only.is_empty() && !slow_too && SLOW.contains(name) {
            println!("live: {name} elsewhere");
            continue;
        }
        println!("live: {name} ...");
        let begin = Instant::now();
        let verdict = panic::catch_unwind(panic::AssertUnwindSafe(|| case(&guest)));
        let took_s = begin.elapsed().as_secs();
        if let Ok(told) = verdict {
            println!("live: {name} ok in {took_s} s: {told}");
        } else {
            failed = true;
            let why = why.lock().expect("one thread").replace('\n', "\n  ");
            println!("live: {name} FAIL in {took_s} s: {why}");
        }
    }
    println!("live: done");
    ExitCode::from(u8::from(failed))
}
