//! Plan in, session out: owns every probe; dropping it detaches all. The only user of aya programs.
//!
//! Refuses nothing that the plan asks for by itself but two probes at one address; what the kernel
//! refuses is kept with its reason, and never ends the session.

pub mod refusal;
pub mod session;
pub mod watch;

mod command;
mod contention;
mod demand;
mod filter;
mod govern;
mod guard;
mod kprobes;
mod links;
mod meter;
mod missed;
mod object;
mod order;
mod perf;
mod probes;
mod progress;
mod sample;
mod table;
mod trap;

pub use self::{
    command::CommandTree,
    meter::Meter,
    missed::{Fired, Missed},
    object::{AttachOptions, MapSizes, TaskLayout},
    order::ContextSource,
    progress::{Interrupted, Progress},
    refusal::Refusal,
    session::Session,
};
