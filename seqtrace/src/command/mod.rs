//! The order of the stages: one function for each command.

pub mod child;
pub mod doctor;
pub mod interrupt;
pub mod progress;
