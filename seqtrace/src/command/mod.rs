//! The order of the stages: one function for each command.
