//! Load that makes the kernel's sequence counters meet their writers, run beside a command in a
//! guest: `workload NAME…`. It prints one line when it is under way and then runs until it is killed.
//!
//! On PREEMPT_RT a reader blocks only when it meets a writer inside its section. Chance alone
//! rarely brings that about, so most loads use priorities: a writer of low priority runs all the
//! time, and a SCHED_FIFO reader on the same processor wakes up from a timer and preempts it at
//! whatever instruction it is. That works with a single processor.

#![expect(
    clippy::print_stdout,
    reason = "the line that says that the load is under way"
)]

mod clock;
mod clone_exit;
mod cputime;
mod mount;
mod quiet;
mod rename;
mod thread;

use std::{env, thread::park};

use anyhow::{Result, bail, ensure};
use guest::WORKLOADS;

fn main() -> Result<()> {
    let names: Vec<String> = env::args().skip(1).collect();
    ensure!(
        !names.is_empty(),
        "names of workloads are needed: {}",
        WORKLOADS.join(", ")
    );
    for name in &names {
        match name.as_str() {
            "clock" => clock::start()?,
            "clone-exit" => clone_exit::start()?,
            "cputime" => cputime::start()?,
            "mount" => mount::start()?,
            "read" => quiet::start_reading()?,
            "rename" => rename::start()?,
            "storm" => rename::storm()?,
            "idle" => {}
            other => bail!("no workload `{other}`: there are {}", WORKLOADS.join(", ")),
        }
    }
    println!("under way");
    loop {
        park();
    }
}
