//! Snapshots and keys in, a screen out. Pure: no terminal, no clock, no file.
//!
//! [`State::update`] takes in what happens, one thing after the other, and says what is to be done about
//! it; [`State::view`] draws. Whoever owns the terminal feeds the one, shows the other, and does what is
//! asked for. Numbers come from snapshots, and nothing behind them is seen.

mod columns;
mod data;
mod drill;
mod flame;
mod help;
mod history;
mod input;
mod key;
mod keys;
mod layout;
mod level;
mod mouse;
mod stacks;
mod state;
mod table;
mod tabs;
mod text;
mod theme;
mod view;

pub use self::{
    input::{Effect, Input},
    state::{Options, State},
};
