//! The third ring: the real binary on a real kernel, inside a guest.
//!
//! A program of its own (`harness = false`), because it runs as root in a guest that has no cargo.
//! `cargo xtask test` builds it statically, boots each kernel and reads its lines:
//! `live: <case> ok: <numbers>`, `live: <case> FAIL: <why>`, or, should a case need what older
//! kernels lack, `live: <case> skip since <version>: <why>`.
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "the lines are what the harness reads"
)]

use std::{
    panic,
    process::ExitCode,
    sync::{Arc, Mutex},
};

mod audit;
mod case;
mod catalog;
mod guest;
mod holds;
mod numbers;
mod refusal;
mod retries;
mod seqtrace;
mod session;
mod shutdown;
mod sites;
mod truth;

use case::CASES;
use guest::Guest;

fn main() -> ExitCode {
    if !guest::is_guest() {
        eprintln!("live: these cases run in a guest: `cargo xtask test` boots one");
        return ExitCode::from(2);
    }
    let only: Vec<String> = std::env::args().skip(1).collect();
    let guest = Guest::read();
    println!("live: kernel {} realtime={}", guest.release, guest.realtime);
    let why = Arc::new(Mutex::new(String::new()));
    let told = Arc::clone(&why);
    panic::set_hook(Box::new(move |panic| {
        *told.lock().expect("one thread") = panic.to_string();
    }));
    let mut failed = false;
    for (name, case) in CASES {
        if !only.is_empty() && !only.iter().any(|word| word == name) {
            continue;
        }
        println!("live: {name} ...");
        let verdict = panic::catch_unwind(panic::AssertUnwindSafe(|| case(&guest)));
        if let Ok(told) = verdict {
            println!("live: {name} ok: {told}");
        } else {
            failed = true;
            let why = why.lock().expect("one thread").replace('\n', "\n  ");
            println!("live: {name} FAIL: {why}");
        }
    }
    println!("live: done");
    ExitCode::from(u8::from(failed))
}
