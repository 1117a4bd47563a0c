//! The order of the stages: one function for each command.

use anyhow::{Context as _, Result};

use crate::config::{Config, Task};

pub mod audit;
pub mod backends;
pub mod child;
mod demand;
pub mod doctor;
pub mod explain;
pub mod export;
mod filter;
pub mod flame;
mod flight;
mod govern;
mod inlined;
pub mod interrupt;
pub mod live;
pub mod observe;
mod notes;
mod on_wait;
pub mod order;
pub mod prepare;
mod privilege;
pub mod progress;
pub mod record;
pub mod recordings;
pub mod replay;
pub mod report;
mod run;
mod save;
pub mod screen;
pub mod sites;
mod spinning;
mod start;
pub mod terminal;
pub mod trace;
pub mod watch;

/// Does what was asked for and returns the exit status.
///
/// # Errors
///
/// When it cannot be done, in one line that says what to do.
pub fn run(config: &Config) -> Result<u8> {
    let progress = config.progress;
    match &config.task {
        Task::Doctor => doctor::doctor().map(|()| 0),
        Task::Audit {
            duration,
            json,
            sources,
        } => audit::audit(*duration, *json, sources, progress),
        Task::Sites {
            view,
            input,
            request,
            sources,
        } => sites::sites(view, input, request, sources, progress).map(|()| 0),
        Task::Top {
            interval,
            duration,
            colour,
            trace,
        } => {
            let view = live::View {
                interval: *interval,
                duration: *duration,
                colour: *colour,
                progress,
            };
            runtime()?.block_on(live::top(view, trace))
        }
        Task::Stat { json, span, trace } => {
            runtime()?.block_on(report::stat(*json, span, trace, progress))
        }
        Task::Watch {
            word,
            json,
            span,
            sources,
        } => runtime()?.block_on(watch::watch(word, *json, span, sources, progress)),
        Task::Order(asked) => runtime()?.block_on(order::order(asked, progress)),
        Task::Replay {
            file,
            colour,
            filter,
        } => runtime()?.block_on(replay::replay(file, *colour, filter)),
        Task::Record(record) => runtime()?.block_on(record::record(record, progress)),
        Task::Report(report) => recordings::report(report),
        Task::Export(words) => export::export(words),
        Task::Diff(diff) => recordings::compare(diff),
        Task::Explain(asked) => explain::explain(asked, progress).map(|()| 0),
        Task::Flame(flame) => runtime()?.block_on(flame::flame(flame, progress)),
    }
}

/// One worker thread hears signals while the main thread attaches and detaches.
fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("failed to start the runtime")
}
