//! What happens to a screen, and what it asks for.

use std::{sync::Arc, time::Duration};

use ratatui::{
    crossterm::event::{KeyEvent, MouseEvent},
    layout::Size,
};

use crate::aggregate::snapshot::Snapshot;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// New numbers, of the same session as those before.
    Snapshot(Arc<Snapshot>),
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse was used.
    Mouse(MouseEvent),
    /// The terminal has this size now.
    Resize(Size),
    /// What became of an [`Effect`], in a few words.
    Told(String),
}

/// Something that is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// End the run.
    Quit,
    /// Read the numbers once in this time from now on.
    Interval(Duration),
    /// Keep these numbers in files, and say in which.
    Save(Arc<Snapshot>),
}
