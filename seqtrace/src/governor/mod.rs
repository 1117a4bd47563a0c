//! What the probes cost → which of them are turned down, and when they come back. Pure.
//!
//! Cost is a part of the time of all CPUs: the time in our programs, which the kernel takes, and
//! for each run of a program the price of its trap, which was measured at the start. Above
//! [`CEILING`] of the budget the dearest units are turned down until [`AIM`] is reached; they come
//! back one by one, on trial, while the cost is below [`ROOM`]. The three lie apart, so that the cost
//! neither hovers at the budget nor swings around it.
//!
//! Refuses to guess: a unit that is off costs nothing and tells nothing, so that only a trial, as
//! short as the budget asks for, shows what it would cost now.

pub mod reading;
pub mod unit;

mod judge;
mod report;

pub use self::{
    judge::{Governor, Order, Verdict},
    reading::{Reading, Use},
    report::{Decision, Figures, Level, Report},
    unit::{Unit, order_units, units},
};

/// Time between two readings, nanoseconds.
pub const TICK_NS: u64 = 250_000_000;

/// The part of the budget above which probes are turned down.
const CEILING: f64 = 0.7;

/// The part of the budget down to which they are.
const AIM: f64 = 0.4;

/// The part of the budget below which one that was turned down is tried again.
const ROOM: f64 = 0.3;

#[cfg(test)]
mod tests;
